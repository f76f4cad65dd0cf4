"""Health as the house sees it: threads that stop moving, models that are not warm, streams that failed."""

from __future__ import annotations

from tests.unit.assembly.test_capacity import Hand
from worker.assembly.window import Vitals, build_labels
from worker.frame import State


def test_a_thread_that_does_not_move_is_named() -> None:
    clock = Hand()
    vitals = Vitals(clock, beats={"inference": lambda: 0.0, "publisher": lambda: clock.now})
    assert vitals.stuck() == (True, [])
    clock.now = 31
    assert vitals.stuck() == (False, ["inference has not moved for 31 s"])


def test_ready_needs_warm_models_a_target_and_a_stream_that_has_not_failed() -> None:
    vitals = Vitals(Hand())
    assert not vitals.ready()[0]
    assert not vitals.started()[0]
    vitals.warm = True
    assert vitals.ready() == (True, [])
    vitals.target_up = lambda: False
    assert vitals.ready()[0], "there is room to wait for the target"
    vitals.room = lambda: False
    assert not vitals.ready()[0]
    vitals.target_up = lambda: True
    vitals.streams = lambda: {"a": State.FAILED, "b": State.BACKOFF}
    assert vitals.ready()[0]
    vitals.streams = lambda: {"a": State.FAILED}
    assert not vitals.ready()[0]


def test_the_build_tells_its_libraries() -> None:
    assert {"version", "python", "av", "libavcodec", "openvino"} <= set(build_labels())
    assert all(build_labels().values())
