"""The capacity warning: said when it is true, with numbers that fit, once."""

from __future__ import annotations

import logging
import threading

import pytest

from worker.assembly.capacity import CapacityWatch, planned_warning
from worker.assembly.reports import StreamStates
from worker.cores import usable_cores
from worker.settings import StreamSettings


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.now += seconds
        return event.is_set()


def cameras(count: int, **more: object) -> list[StreamSettings]:
    return [StreamSettings.model_validate({"id": f"c{i}", "url": f"rtsp://10.0.0.{i}/1", **more}) for i in range(count)]


def test_thirty_cameras_on_a_small_machine_are_told_what_fits() -> None:
    warning = planned_warning(cameras(30), picture_s=0.02)
    assert warning is not None
    assert "live streams ask for 300 detections a second" in warning
    assert "about 48" in warning, "0.95 of what it makes with nothing else to do"
    assert "max_fps: 1.5 fits" in warning


def test_who_asks_for_little_leaves_the_rest_to_others() -> None:
    warning = planned_warning([*cameras(2, max_fps=1), *cameras(2, max_fps=10)], picture_s=0.05)
    assert warning is not None
    assert "ask for 22 detections a second and this machine makes about 19" in warning
    assert "at most about 8.5 a second" in warning, "(19 - 2 * 1) / 2"
    assert "max_fps: 8.5 fits" in warning


def test_what_fits_is_not_talked_about() -> None:
    assert planned_warning(cameras(4), picture_s=0.02) is None
    assert planned_warning(cameras(30, max_fps=1.5), picture_s=0.02) is None
    assert planned_warning([], picture_s=1.0) is None


def test_files_ask_for_nothing_in_time() -> None:
    files = [StreamSettings.model_validate({"id": "f", "url": "clip.mp4"})]
    assert planned_warning(files, picture_s=10.0) is None


def test_the_watch_measures_and_warns_once_until_it_was_better(caplog: pytest.LogCaptureFixture) -> None:
    clock, states, told = Hand(), StreamStates(), list[tuple[str, object]]()
    watch = CapacityWatch(states, 0.01, clock, lambda part, cores: told.append((part, cores)))
    cores = usable_cores()

    def ten_seconds(frames: int, decode_s: float) -> None:
        states.count(decoded=frames, decode_s=decode_s)
        clock.now += 10
        watch.tick()

    with caplog.at_level(logging.WARNING):
        ten_seconds(100, 1.0)
        assert told == [("decode", pytest.approx(0.1)), ("inference", pytest.approx(0.1 * cores))]
        assert caplog.messages == []
        ten_seconds(1000, 5.0)
        ten_seconds(1000, 5.0)
        assert len(caplog.messages) == 1
        ten_seconds(10, 0.1)
        ten_seconds(1000, 5.0)
    assert len(caplog.messages) == 2


def test_it_waits_ten_seconds_between_measurements() -> None:
    clock, told = Hand(), list[str]()
    watch = CapacityWatch(StreamStates(), 0.01, clock, lambda part, cores: told.append(part))
    clock.now = 9.9
    watch.tick()
    assert told == []
