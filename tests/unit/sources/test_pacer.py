"""Reading at the pace of media time."""

from __future__ import annotations

import pytest

from worker.sources.pacer import Pacer


def due_times(pts: list[float | None]) -> list[float]:
    """When each frame is let go by a reader that needs no time itself."""
    pacer, now, told = Pacer(), 100.0, []
    for moment in pts:
        now += pacer.wait_s(moment, now)
        told.append(round(now - 100.0, 6))
    return told


def test_keeps_the_steps_of_media_time() -> None:
    assert due_times([5.0, 5.04, 5.5, 7.0]) == [0.0, 0.04, 0.5, 2.0]


@pytest.mark.parametrize("jump", [1000.0, -3.0, None])
def test_does_not_wait_for_a_break_in_time(jump: float | None) -> None:
    assert due_times([0.0, 0.04, jump])[-1] == 0.08


def test_does_not_rush_after_a_hold_up() -> None:
    pacer = Pacer()
    pacer.wait_s(0.0, 100.0)
    assert pacer.wait_s(0.04, 130.0) == 0.0
    assert pacer.wait_s(0.08, 130.0) == pytest.approx(0.04)


def test_catches_up_after_a_short_one() -> None:
    pacer = Pacer()
    pacer.wait_s(0.0, 100.0)
    assert pacer.wait_s(0.04, 100.5) == 0.0
    assert pacer.wait_s(0.08, 100.5) == 0.0
    assert pacer.wait_s(0.60, 100.5) == pytest.approx(0.1)
