"""State changes and gaps: in order, once, and in the right run."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from tests.unit.sources.recording import Recording
from worker.frame import Frame, Gap, GapCause, Letterbox, State, StateChange
from worker.sources.decoded import Decoded
from worker.sources.options import SourceOptions
from worker.sources.pictures import Pictures
from worker.sources.report import SourceReport
from worker.sources.run import Run
from worker.sources.teller import Teller


class HandClock:
    """Time that moves when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def wall(self) -> float:
        return self.now + 1e9

    def monotonic(self) -> float:
        return self.now

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.now += seconds
        return event.is_set()


class Bench:
    """One stream, its teller and what it told."""

    def __init__(self, **options: Any) -> None:
        self.clock = HandClock()
        self.seen = Recording()
        self.options = SourceOptions("cam", "rtsp://h/x", live=True, **options)
        self.still: list[str] = []
        report = SourceReport(still=lambda _, reason: self.still.append(reason))
        self.teller = Teller(self.options, self.seen, self.clock, report)

    def opens(self, name: str) -> Run:
        run = Run(self.options, name, self.clock, SourceReport())
        self.teller.opens(run)
        return run

    def decodes(
        self, run: Run, pts_s: float | None = None, camera_s: float | None = None, damaged: bool = False
    ) -> None:
        self.clock.now += 0.04
        box = Letterbox.fit(4, 4, ((4, 4),))
        empty = np.zeros((4, 4), np.uint8)
        pictures = Pictures(box, np.zeros((4, 4, 3), np.uint8), empty, None)
        self.teller.frame(run, *run.take(Decoded(pts_s, 0.0, damaged, camera_s, lambda: pictures)))

    def kinds(self) -> list[str]:
        return [
            item.state if isinstance(item, StateChange) else item.cause if isinstance(item, Gap) else "frame"
            for item in self.seen.items
        ]


def test_a_reconnect_tells_gap_then_live_then_frames_in_the_new_run() -> None:
    bench = Bench()
    first = bench.opens("A")
    bench.decodes(first)
    last = first.last_wall
    bench.teller.change(State.BACKOFF, "gone", closes_run=True)
    bench.clock.now += 9.7
    for failed in "BC":
        bench.opens(failed)
        bench.teller.change(State.BACKOFF, "still gone", closes_run=True)
    second = bench.opens("D")
    bench.decodes(second)
    assert bench.kinds() == ["connecting", "live", "frame", "backoff", "source_down", "live", "frame"]
    (gap,) = bench.seen.gaps
    assert gap == Gap("cam", "D", GapCause.SOURCE_DOWN, last or 0.0, second.last_wall or 0.0, None)
    assert bench.seen.changes[-1].run == "D"
    assert bench.seen.changes[-1].reason == "frames again after 9.7 s"


def test_a_stall_that_ends_by_itself_keeps_the_run() -> None:
    bench = Bench()
    run = bench.opens("A")
    bench.decodes(run)
    bench.teller.change(State.STALLED, "no frame for 10 s")
    bench.decodes(run)
    assert bench.kinds() == ["connecting", "live", "frame", "stalled", "stall", "live", "frame"]
    assert {item.run for item in bench.seen.items} == {"A"}


def test_a_stall_is_still_called_so_after_the_reconnect_and_forgotten_after_it() -> None:
    bench = Bench()
    bench.decodes(bench.opens("A"))
    bench.teller.change(State.STALLED, "no frame")
    bench.teller.change(State.BACKOFF, "timeout", closes_run=True)
    bench.decodes(bench.opens("B"))
    bench.teller.change(State.BACKOFF, "gone", closes_run=True)
    bench.decodes(bench.opens("C"))
    assert [gap.cause for gap in bench.seen.gaps] == [GapCause.STALL, GapCause.SOURCE_DOWN]


def test_the_closing_record_carries_what_was_skipped_last() -> None:
    bench = Bench(max_fps=10.0)
    run = bench.opens("A")
    for _ in range(5):
        bench.decodes(run)
    bench.teller.change(State.STOPPED, "stopped", closes_run=True)
    last = bench.seen.changes[-1]
    told = sum(1 + sum(frame.skipped.values()) for frame in bench.seen.frames)
    assert (last.closes_run, told + sum(last.skipped.values())) == (True, 5)


def test_frames_that_the_sink_refuses_are_told_as_stopping() -> None:
    bench = Bench()
    run = bench.opens("A")
    bench.decodes(run)
    bench.seen.close()
    bench.decodes(run)
    bench.decodes(run)
    bench.teller.change(State.STOPPED, "stopped", closes_run=True)
    assert bench.seen.changes[-1].skipped == {"stopping": 2}


def test_a_try_that_fails_again_says_why_now_and_makes_no_record() -> None:
    bench = Bench()
    run = bench.opens("A")
    bench.decodes(run)
    bench.teller.change(State.BACKOFF, "closed the stream", closes_run=True)
    told = bench.kinds()
    for reason in ("connection refused", "host unknown"):
        bench.opens(reason)
        bench.teller.change(State.BACKOFF, reason, closes_run=True)
    assert bench.still == ["connection refused", "host unknown"]
    assert bench.kinds() == told


def test_a_run_is_closed_once_and_nothing_follows_the_last_word() -> None:
    bench = Bench()
    bench.decodes(bench.opens("A"))
    bench.teller.change(State.BACKOFF, "gone", closes_run=True)
    bench.teller.change(State.STOPPED, "stopped", closes_run=True)
    bench.teller.change(State.FAILED, "late", closes_run=True)
    assert [(change.state, change.closes_run) for change in bench.seen.changes[-2:]] == [
        (State.BACKOFF, True),
        (State.STOPPED, False),
    ]


def test_damage_and_a_jump_are_told_as_a_gap_before_the_frame() -> None:
    bench = Bench()
    run = bench.opens("A")
    for i in range(10):
        bench.decodes(run, pts_s=i * 0.04)
    bench.decodes(run, pts_s=1.0, damaged=True)
    assert bench.kinds()[-2:] == ["corrupt", "frame"]
    (gap,) = bench.seen.gaps
    assert gap.end - gap.start == pytest.approx(0.04, abs=1e-5)


def test_a_run_keeps_the_clock_of_its_first_frame() -> None:
    bench = Bench()
    run = bench.opens("A")
    bench.decodes(run, pts_s=0.0)
    bench.decodes(run, pts_s=0.04, camera_s=bench.clock.wall())
    assert [frame.clock for frame in bench.seen.frames] == ["arrival", "arrival"]


def test_the_cameras_clock_is_used_within_five_seconds_and_kept_when_it_jumps() -> None:
    bench = Bench()
    run = bench.opens("A")
    base = bench.clock.wall() - 2.0
    bench.decodes(run, pts_s=10.0, camera_s=base)
    bench.decodes(run, pts_s=10.04, camera_s=base + 3600)
    bench.decodes(run, pts_s=10.08)
    assert [frame.clock for frame in bench.seen.frames] == ["rtcp"] * 3
    told = [(frame.captured_at or 0.0) - base for frame in bench.seen.frames]
    assert told == pytest.approx([0.0, 0.04, 0.08], abs=1e-4)


def test_a_clock_that_is_wrong_from_the_start_is_not_used() -> None:
    bench = Bench()
    run = bench.opens("A")
    bench.decodes(run, pts_s=0.0, camera_s=bench.clock.wall() - 6.0)
    (frame,) = bench.seen.frames
    assert isinstance(frame, Frame)
    assert (frame.clock, frame.captured_at) == ("arrival", run.last_wall)
