from __future__ import annotations

import itertools

import pytest

from tests.unit.events.records import make_frame
from worker.events.stream_time import StreamTime


def times(frames: list[tuple[float | None, float]], clock: str, live: bool = True) -> list[tuple[float, bool]]:
    """(now, same stretch) after each frame of (pts, arrival)."""
    time = StreamTime()
    found = []
    for index, (pts, arrived) in enumerate(frames):
        same = time.advance(make_frame(index, pts_s=pts, arrived=arrived, clock=clock, live=live))
        found.append((round(time.now, 6), same))
    return found


def test_media_time_rules_where_it_rises() -> None:
    """A burst after a stall of the network: the frames were filmed evenly."""
    found = times([(5.0, 100.0), (5.1, 103.0), (5.2, 103.0), (5.3, 103.001)], "arrival")
    assert found == [(0.0, True), (0.1, True), (0.2, True), (0.3, True)]


@pytest.mark.parametrize("pts", [[None, None, None], [7.0, 7.0, 7.0], [7.0, 6.0, 5.0], [7.0, 900.0, 1800.0]])
def test_a_camera_without_usable_media_time_goes_by_arrival(pts: list[float | None]) -> None:
    found = times([(pts[0], 50.0), (pts[1], 50.2), (pts[2], 50.5)], "arrival")
    assert found == [(0.0, True), (0.2, True), (0.5, True)]


@pytest.mark.parametrize(
    ("rate", "least", "most"), [(0.2, 29.0, 32.0), (0.6, 54.0, 60.0), (0.9, 54.0, 60.0), (1.5, 60.0, 62.5)]
)
def test_a_camera_whose_media_time_runs_slow_or_fast_stays_near_the_arrival(
    rate: float, least: float, most: float
) -> None:
    now, _ = times([(i / 10 * rate, 100.0 + i / 10) for i in range(601)], "arrival")[-1]
    assert least <= now <= most


def test_what_a_network_held_back_for_eight_seconds_comes_without_a_jump() -> None:
    frames: list[tuple[float | None, float]] = [
        (i / 25, 100.0 + max(i / 25, 8.0 if i > 50 else 0.0)) for i in range(300)
    ]
    found = times(frames, "arrival")
    steps = [b[0] - a[0] for a, b in itertools.pairwise(found)]
    assert 0.019 < min(steps) <= max(steps) < 0.081


def test_a_real_pause_of_a_camera_counts() -> None:
    assert times([(0.0, 10.0), (6.0, 16.0)], "rtcp") == [(0.0, True), (6.0, True)]


def test_a_file_never_asks_how_fast_it_was_read() -> None:
    slow = times([(0.0, 1.0), (0.04, 9.0), (None, 30.0), (0.12, 31.0)], "file", live=False)
    fast = times([(0.0, 1.0), (0.04, 1.001), (None, 1.002), (0.12, 1.003)], "file", live=False)
    assert slow == fast == [(0.0, True), (0.04, True), (0.08, True), (0.12, True)]


def test_a_file_that_a_worker_reads_faster_than_it_was_filmed_keeps_its_own_time() -> None:
    """One key frame in ten seconds, read within milliseconds, by the clock of the arrival."""
    found = times([(0.0, 1.0), (10.0, 1.03), (20.0, 1.06)], "arrival", live=False)
    assert found == [(0.0, True), (10.0, True), (20.0, True)]


def test_a_small_step_back_in_a_file_is_one_usual_step() -> None:
    assert times([(3.86, 0.0), (3.9, 0.0), (3.88, 0.0)], "file", live=False) == [
        (0.0, True),
        (0.04, True),
        (0.08, True),
    ]


def test_a_jump_back_in_a_file_is_another_scene() -> None:
    assert [same for _, same in times([(23.8, 0.0), (23.86, 0.0), (1.48, 0.0)], "file", live=False)] == [
        True,
        True,
        False,
    ]


def test_a_jump_ahead_in_a_file_takes_its_time() -> None:
    """Tracks end by themselves then."""
    assert times([(3.9, 0.0), (1001.4, 0.0)], "file", live=False) == [(0.0, True), (997.5, True)]


def test_another_run_is_another_scene() -> None:
    time = StreamTime()
    time.advance(make_frame(0, run="r1"))
    assert not time.advance(make_frame(0, run="r2"))
