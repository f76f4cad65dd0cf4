"""The thread around a source: files to their end, loops, pace, waiting sinks, and a library that never returns."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.shared_data import shared
from tests.unit.sources.counter import write_video
from tests.unit.sources.recording import Recording
from worker.clock import SystemClock
from worker.frame import GapCause, State
from worker.sources import source_thread
from worker.sources.decoded import Decoded
from worker.sources.options import SourceOptions
from worker.sources.report import SourceReport
from worker.sources.source_thread import SourceThread
from worker.sources.video import Video
from worker.sources.watchdog import Watchdog


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clips") / "counter.mp4", 30, options={"bf": "2"})


def reading(sink: Recording, url: object, report: SourceReport | None = None, **chosen: Any) -> SourceThread:
    options = SourceOptions("clip", str(url), **({"live": False} | chosen))
    return SourceThread(options, sink, SystemClock(), report or SourceReport())


def finished(source: SourceThread) -> Callable[[], bool]:
    return lambda: source.state in (State.ENDED, State.FAILED, State.STOPPED)


def test_a_file_is_read_to_its_end(clip: Path) -> None:
    seen = Recording()
    source = reading(seen, clip)
    source.start()
    seen.until(finished(source))
    assert seen.numbers() == list(range(30))
    assert seen.states == [State.CONNECTING, State.LIVE, State.ENDED]
    assert seen.changes[-1].closes_run
    assert {item.run for item in seen.items} == set(seen.runs)
    assert source.stop()
    assert seen.states[-1] is State.ENDED, "stopping what has ended says nothing"


def test_the_ledger_adds_up_with_the_closing_record(clip: Path) -> None:
    seen = Recording()
    counted: list[int] = []
    source = reading(seen, clip, SourceReport(decoded=lambda _: counted.append(1)), max_fps=7.0)
    source.start()
    seen.until(finished(source))
    told = sum(1 + sum(frame.skipped.values()) for frame in seen.frames) + sum(seen.changes[-1].skipped.values())
    assert told == len(counted) == 30
    seen.check_ledger()


def test_a_broken_file_fails_with_its_reason_after_its_frames() -> None:
    seen = Recording()
    source = reading(seen, shared("variants/truncated_moov_front.mp4"))
    source.start()
    seen.until(finished(source))
    assert len(seen.frames) == 56
    assert seen.states == [State.CONNECTING, State.LIVE, State.FAILED]
    assert "cut short" in seen.changes[-1].reason


@pytest.mark.parametrize(("url", "says"), [("/no/such.mp4", "no such file"), ("concat:a|b", "cannot have the scheme")])
def test_what_cannot_be_opened_fails(url: str, says: str) -> None:
    seen = Recording()
    source = reading(seen, url, live=url.startswith("concat"))
    source.start()
    seen.until(finished(source))
    assert seen.states == [State.CONNECTING, State.FAILED]
    assert says in seen.changes[-1].reason


def test_a_loop_is_one_run_whose_index_and_time_go_on(clip: Path) -> None:
    seen = Recording()
    source = reading(seen, clip, loop=True)
    source.start()
    seen.until(lambda: len(seen.frames) >= 70)
    assert source.stop()
    assert seen.numbers()[:70] == [i % 30 for i in range(70)]
    assert [frame.index for frame in seen.frames] == list(range(len(seen.frames)))
    times = [frame.pts_s or 0.0 for frame in seen.frames]
    assert all(b - a == pytest.approx(0.04) for a, b in itertools.pairwise(times))
    assert seen.states == [State.CONNECTING, State.LIVE, State.STOPPED]


def test_realtime_keeps_the_pace_of_the_file(clip: Path) -> None:
    seen = Recording()
    source = reading(seen, clip, realtime=True)
    source.start()
    seen.until(finished(source))
    assert seen.frames[-1].arrived - seen.frames[0].arrived == pytest.approx(29 * 0.04, abs=0.15)


def test_a_loop_of_one_picture_keeps_its_pace(tmp_path: Path) -> None:
    seen = Recording()
    source = reading(seen, write_video(tmp_path / "one.mp4", 1), loop=True, realtime=True)
    source.start()
    time.sleep(1.0)
    assert source.stop()
    assert 5 <= len(seen.frames) <= 30


@pytest.mark.usefixtures("quick")
def test_a_paced_film_whose_pictures_are_far_apart_is_not_called_silent(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lapse(Library):
        has_end = True
        comes_in_bursts = True

        def frames(self, beat: Callable[[], None]) -> Iterator[Decoded]:
            for i, item in enumerate(itertools.islice(source_thread_video(self.clip), 3)):
                beat()
                yield replace(item, pts_s=i * 1.5)

    library = Lapse(clip)
    monkeypatch.setattr(source_thread, "Video", library)
    seen = Recording()
    source = reading(seen, clip, live=True, read_timeout_s=0.3)
    source.start()
    watchdog = watched(source)
    seen.until(finished(source))
    assert watchdog.stop(1)
    assert source.stop()
    assert seen.states == [State.CONNECTING, State.LIVE, State.ENDED]


def test_a_realtime_file_stops_at_once(tmp_path: Path) -> None:
    path = write_video(tmp_path / "slow.mp4", 4, fps=1)
    seen = Recording()
    source = reading(seen, path, realtime=True)
    source.start()
    seen.until(lambda: bool(seen.frames))
    started = time.monotonic()
    assert source.stop()
    assert time.monotonic() - started < 0.3


class Full(Recording):
    """A sink without room after ten frames: it holds the source until it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.freed = threading.Event()

    def wait_for_room(self) -> None:
        if len(self.frames) == 10:
            assert self.freed.wait(10)

    def close(self) -> None:
        super().close()
        self.freed.set()


def test_a_source_that_waits_for_room_is_freed_by_stop_and_its_frame_told(clip: Path) -> None:
    seen = Full()
    source = reading(seen, clip)
    source.start()
    seen.until(lambda: len(seen.frames) == 10)
    time.sleep(0.1)
    assert source.stop()
    assert len(seen.frames) == 10
    assert seen.changes[-1].state is State.STOPPED
    assert seen.changes[-1].skipped == {"stopping": 1}


@pytest.mark.usefixtures("quick")
def test_a_live_stream_that_waits_for_room_holds_nobody_up_and_is_not_called_silent(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library(clip)
    library.release.set()
    monkeypatch.setattr(source_thread, "Video", library)
    seen = Full()
    source = reading(seen, clip, live=True, read_timeout_s=0.2)
    beats: list[float] = []
    source.start()
    watchdog = Watchdog(lambda: [source], SystemClock(), beats.append, lambda _: None)
    watchdog.start()
    seen.until(lambda: len(seen.frames) == 10)
    before = len(beats)
    time.sleep(1.2)
    assert len(beats) >= before + 3, "the watchdog goes on looking after the others"
    seen.freed.set()
    seen.until(lambda: State.BACKOFF in seen.states)
    assert watchdog.stop(1)
    assert source.stop()
    assert len(seen.numbers(seen.runs[0])) == 30
    assert seen.states[:3] == [State.CONNECTING, State.LIVE, State.BACKOFF]


def test_stop_before_start_and_twice(clip: Path) -> None:
    seen = Recording()
    source = reading(seen, clip)
    assert source.stop()
    assert source.stop()
    assert seen.items == []
    assert not source.alive


def test_a_fault_of_the_worker_is_told_and_counted(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("rtsp://u:hunter2@h")

    monkeypatch.setattr(source_thread, "Video", broken)
    seen = Recording()
    deaths: list[Exception] = []
    source = reading(seen, clip, SourceReport(fault=lambda _, error: deaths.append(error)))
    source.start()
    seen.until(finished(source))
    assert seen.changes[-1].state is State.FAILED
    assert "hunter2" not in seen.changes[-1].reason
    assert [type(error) for error in deaths] == [ZeroDivisionError]


@pytest.mark.usefixtures("quick")
def test_a_live_stream_outlives_a_fault_of_the_worker(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[Exception] = []
    causes: list[str] = []

    def broken_once(options: SourceOptions, report: SourceReport) -> Video:
        if not faults:
            raise ZeroDivisionError
        return Video(options, report)

    monkeypatch.setattr(source_thread, "Video", broken_once)
    seen = Recording()
    report = SourceReport(fault=lambda _, error: faults.append(error), restarted=lambda _, cause: causes.append(cause))
    source = reading(seen, clip, report, live=True)
    source.start()
    seen.until(finished(source))
    assert causes == ["fault"]
    assert seen.states == [State.CONNECTING, State.BACKOFF, State.LIVE, State.ENDED]
    assert len(seen.frames) == 30


class Library:
    """Stands in for `Video`: the first opening gives three frames and then hangs; the others work.

    With `all_hang` every opening hangs at once.
    """

    def __init__(self, clip: Path, all_hang: bool = False) -> None:
        self.clip = clip
        self.all_hang = all_hang
        self.openings = 0
        self.release = threading.Event()

    def __call__(self, options: SourceOptions, report: SourceReport) -> Library:
        self.openings += 1
        self.hangs = self.all_hang or self.openings == 1
        return self

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    has_end = False
    comes_in_bursts = False

    def frames(self, beat: Callable[[], None]) -> Iterator[Decoded]:
        hangs, video = self.hangs, source_thread_video(self.clip)
        for i, item in enumerate(video):
            beat()
            if hangs and i == (0 if self.all_hang else 3):
                assert self.release.wait(20)
            yield item
            time.sleep(0.02)


def source_thread_video(clip: Path) -> Iterator[Decoded]:
    with Video(SourceOptions("clip", str(clip), live=False), SourceReport()) as video:
        yield from video.frames()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_thread, "_GRACE_S", 0.3)
    monkeypatch.setattr("worker.sources.backoff.SHORTEST_S", 0.01)
    monkeypatch.setattr("worker.sources.backoff.LONGEST_S", 0.02)


def watched(source: SourceThread) -> Watchdog:
    watchdog = Watchdog(lambda: [source], SystemClock(), lambda _: None, lambda _: None)
    watchdog.start()
    return watchdog


@pytest.mark.usefixtures("quick")
def test_a_stuck_thread_is_abandoned_and_never_heard_again(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(clip)
    monkeypatch.setattr(source_thread, "Video", library)
    seen = Recording()
    stuck: list[str] = []
    causes: list[str] = []
    report = SourceReport(stuck=stuck.append, restarted=lambda _, cause: causes.append(cause))
    source = reading(seen, clip, report, live=True, read_timeout_s=0.5)
    source.start()
    watchdog = watched(source)
    seen.until(lambda: len(seen.runs) == 2)
    library.release.set()  # the stuck thread wakes up and has frames to say
    seen.until(lambda: len(seen.numbers(seen.runs[1])) >= 10)
    assert source.stop()
    assert watchdog.stop(1)
    first, _ = seen.runs
    assert seen.numbers(first) == [0, 1, 2]
    assert stuck == ["clip"]
    assert causes[0] == "stuck"
    assert seen.states[:5] == [State.CONNECTING, State.LIVE, State.STALLED, State.BACKOFF, State.LIVE]
    assert [gap.cause for gap in seen.gaps][:1] == [GapCause.STALL]
    seen.check_ledger()


@pytest.mark.usefixtures("quick")
def test_a_library_that_hangs_every_time_is_given_up(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(clip, all_hang=True)
    monkeypatch.setattr(source_thread, "Video", library)
    seen = Recording()
    source = reading(seen, clip, live=True, read_timeout_s=0.2)
    source.start()
    watchdog = watched(source)
    seen.until(finished(source))
    time.sleep(0.3)
    assert watchdog.stop(1)
    library.release.set()
    source.stop()
    assert seen.states[-1] is State.FAILED
    assert "restart the worker" in seen.changes[-1].reason
    assert library.openings == 3
    assert seen.frames == []


@pytest.mark.usefixtures("quick")
def test_packets_without_pictures_are_no_life(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind(Library):
        def frames(self, beat: Callable[[], None]) -> Iterator[Decoded]:
            while not self.release.is_set():
                beat()
                time.sleep(0.01)
            yield from ()

    monkeypatch.setattr(source_thread, "Video", Blind(clip))
    seen = Recording()
    source = reading(seen, clip, live=True, read_timeout_s=0.1)
    source.start()
    seen.until(lambda: State.BACKOFF in seen.states)
    assert "packets arrive, but no picture" in seen.changes[1].reason
    assert source.stop()


def test_a_watchdog_that_fails_tells_its_owner() -> None:
    class Broken:
        def tick(self) -> None:
            raise ZeroDivisionError

    deaths: list[BaseException] = []
    watchdog = Watchdog(lambda: [Broken()], SystemClock(), lambda _: None, deaths.append)
    watchdog.start()
    time.sleep(0.5)
    assert watchdog.stop(1)
    assert [type(death) for death in deaths] == [ZeroDivisionError]
