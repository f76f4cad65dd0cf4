"""A reader that does not keep up with a camera; clocks that drift, jump and stand still are no reason to skip."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from worker.sources.backlog import Backlog

FPS = 25
GOP = 25


def decoded(delays: Iterable[float], media: Iterable[float] | None = None) -> tuple[list[int], list[float]]:
    """Which packets are decoded if each comes so late after its media time; and what was told."""
    told: list[float] = []
    backlog = Backlog(told.append)
    late = list(delays)
    times = [i / FPS for i in range(len(late))] if media is None else list(media)
    wanted = [
        i
        for i, (media_s, delay_s) in enumerate(zip(times, late, strict=True))
        if backlog.wants(media_s, 1000.0 + media_s + delay_s, i % GOP == 0)
    ]
    return wanted, told


def test_a_camera_in_time_is_decoded_whole() -> None:
    wanted, told = decoded(0.3 + 0.2 * (i % 3) for i in range(500))
    assert wanted == list(range(500))
    assert told == []


def test_only_key_frames_until_one_is_in_time() -> None:
    late = [min(i / 50, 3.0) for i in range(200)] + [2.0] * 50 + [0.8] * 100
    wanted, told = decoded(late)
    assert wanted == [*range(101), 125, 150, 175, 200, 225, *range(250, 350)]
    assert told == pytest.approx([2.0], abs=0.1)


def test_the_opening_may_be_late() -> None:
    wanted, told = decoded(max(0.0, 8.0 - i / 5) for i in range(200))
    assert wanted == list(range(200))
    assert told == []


def test_a_slow_clock_of_the_camera_is_no_backlog() -> None:
    per_packet = 3e-4 / FPS
    backlog = Backlog(lambda _: pytest.fail("a drift of 300 ppm was taken for a backlog"))
    assert all(backlog.wants(i / FPS, i / FPS + i * per_packet, False) for i in range(0, 24 * 3600 * FPS, 200))


@pytest.mark.parametrize("shift_s", [-1000.0, -30.0, 30.0, 1000.0])
def test_media_time_that_jumps_is_no_backlog(shift_s: float) -> None:
    media = [i / FPS + (shift_s if i >= 100 else 0.0) for i in range(200)]
    wanted, told = decoded([0.1 - (media_s - i / FPS) for i, media_s in enumerate(media)], media)
    assert wanted == list(range(200))
    assert told == []


def test_a_shift_that_does_not_go_away_costs_seconds_and_no_more() -> None:
    """The camera stopped for three seconds, and its time stopped with it."""
    wanted, told = decoded([0.1] * 110 + [3.1] * 400)
    assert told == pytest.approx([3.0], abs=0.1)
    assert wanted == [*range(110), 125, 150, 175, 200, 225, *range(250, 510)]


def test_a_clock_that_runs_a_tenth_slow_is_believed_the_second_time() -> None:
    wanted, told = decoded([0.1 + i / FPS * 0.1 for i in range(600 * FPS)])
    assert len(told) == 2
    assert wanted[-500 * FPS :] == list(range(100 * FPS, 600 * FPS))


def test_pauses_of_a_camera_do_not_hide_a_backlog() -> None:
    pauses = [0.1] * 375 + [2.6] * 500 + [5.1] * 500
    _, told = decoded(pauses + [5.1 + i / FPS * 0.1 for i in range(30 * FPS)])
    assert told == pytest.approx([2.5, 2.5, 2.0], abs=0.2), "one that grows by a tenth is seen, too"


def test_packets_that_lay_in_a_buffer_are_late_however_slow_the_camera_is() -> None:
    """A clock a fifth slow, believed by now; then the decoder is a tenth too slow, and no packet is waited for."""
    told: list[float] = []
    backlog = Backlog(told.append)
    now = 0.0
    for i in range(200 * FPS):
        now = i / FPS * 1.2
        backlog.wants(i / FPS, now, i % GOP == 0)
    believed = len(told)
    for i in range(200 * FPS, 400 * FPS):
        now += 1.2 * 1.1 / FPS
        backlog.wants(i / FPS, now, i % GOP == 0, waited=False)
        if len(told) > believed:
            break
    assert believed == 2
    assert told[-1] == pytest.approx(2.0, abs=0.2)
    assert i < 260 * FPS
    assert backlog.behind_s(now + 7.0) == pytest.approx(7.0)


def late_by(seconds: float, gop_s: float) -> int:
    """How many of the packets are not decoded of a camera of `gop_s` that is once read late by `seconds`."""
    backlog = Backlog(lambda _: None)
    gop, refused = round(gop_s * FPS), 0
    for i in range(6 * gop):
        late = max(0.0, seconds - (i - 2.5 * gop) / FPS * 20) if i >= 2.5 * gop else 0.0
        refused += not backlog.wants(i / FPS, 1000.0 + i / FPS + late, i % gop == 0)
    return refused


def test_being_late_by_less_than_a_key_frame_is_away_skips_nothing() -> None:
    assert late_by(2.5, gop_s=20.0) == 0
    assert late_by(2.5, gop_s=1.0) > 0
    assert late_by(25.0, gop_s=20.0) > 0


def test_packets_without_time_share_the_fate_of_their_neighbours() -> None:
    backlog = Backlog(lambda _: None)
    assert backlog.wants(None, 0.0, False)
    for i in range(100):
        backlog.wants(i / FPS, i * 3 / FPS, False)
    assert not backlog.wants(None, 12.0, False)
    assert backlog.wants(None, 12.0, True)
