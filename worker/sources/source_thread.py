"""The thread that reads one stream: opens it, hands its frames over in order, and opens it again when it is lost."""

from __future__ import annotations

import random
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial

from worker.clock import Clock
from worker.errors import SettingsError, SourceTimeout, SourceUnreachable, SourceUnreadable, WorkerError
from worker.frame import State
from worker.redact import redact
from worker.sources.backoff import Backoff
from worker.sources.decoded import Decoded
from worker.sources.file_frames import run_id
from worker.sources.options import SourceOptions, is_pictures, is_webcam
from worker.sources.pacer import Pacer
from worker.sources.photos import photos
from worker.sources.report import SourceReport, restart_cause
from worker.sources.run import Run
from worker.sources.teller import Sink, Teller
from worker.sources.video import Video
from worker.sources.webcam import Webcam

_GRACE_S = 5.0
"""How long past its time-out the video library may take to return before its thread is abandoned."""
_FIRST_FRAME_TIMEOUTS = 3.0
"""Read time-outs within which the first picture must come while packets arrive (cameras send few key frames)."""
_MOST_STUCK = 3


class _FloorLost(Exception):
    """This thread no longer speaks for its stream: it was abandoned, or the stream has ended."""


class _Stopped(Exception):
    """The thread was asked to stop."""


class SourceThread:
    """Reads one stream in a thread of its own named `source-ID`.

    Frames and notices reach the sink in order and from one thread at a time. A live stream is watched by `tick`: if
    the video library does not return, its thread is abandoned (only the thread that opened a container may close
    it), and nothing that it says afterwards reaches the sink.
    """

    def __init__(self, options: SourceOptions, sink: Sink, clock: Clock, report: SourceReport) -> None:
        self._options = options
        self._sink = sink
        self._clock = clock
        self._report = report
        self._teller = Teller(options, sink, clock, report)
        self._backoff = Backoff(random.uniform)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._generation = 0
        self._thread: threading.Thread | None = None
        self._stuck: list[threading.Thread] = []
        self._run: Run | None = None
        self._limit_s: float | None = None  # of the call into the library that is being waited for
        self._beat = 0.0  # monotonic time at which the library last returned
        self._frame_at = 0.0  # monotonic time of the newest frame, or of the opening

    @property
    def state(self) -> State | None:
        """Where the stream stands; None before `start`."""
        return self._teller.state

    @property
    def alive(self) -> bool:
        """True while a thread reads or will read the stream."""
        return self._thread is not None and self._thread.is_alive() and not self._teller.final

    def start(self) -> None:
        """Start reading; returns at once."""
        with self._lock:
            self._spawn(0.0)

    def request_stop(self) -> None:
        """Ask the thread to end; returns at once. Legal from every state, also before `start` and twice."""
        self._stopping.set()
        self._sink.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread after `request_stop`; after `timeout_s` it is abandoned and the stream is `stopped`.

        Returns:
            True if the thread has ended.
        """
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        with self._lock:
            self._generation += 1
            self._teller.change(State.STOPPED, "stopped", closes_run=True)
        return thread is None or not thread.is_alive()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """`request_stop`, then `join`."""
        self.request_stop()
        return self.join(timeout_s)

    def tick(self) -> None:
        """Look after a live stream: tell a stall, abandon a stuck thread. Called by the watchdog, often."""
        if not self._options.live or self._stopping.is_set():
            return
        with self._lock:
            if self._limit_s is None or self._teller.final:
                return
            now = self._clock.monotonic()
            age_s = now - (self._beat if self._options.decode == "keyframes" else self._frame_at)
            if self._teller.state is State.LIVE and age_s > self._options.read_timeout_s:
                self._teller.change(State.STALLED, f"no frame for {age_s:.1f} s")
            if now - self._beat > self._limit_s + _GRACE_S:
                self._abandon(now - self._beat)

    def _abandon(self, silent_s: float) -> None:
        """Leave the stuck thread behind and let another take over."""
        assert self._thread is not None
        self._stuck = [thread for thread in self._stuck if thread.is_alive()] + [self._thread]
        self._report.stuck(self._options.stream)
        if len(self._stuck) >= _MOST_STUCK:
            self._generation += 1
            reason = f"{len(self._stuck)} threads do not return from the video library; restart the worker"
            self._teller.change(State.FAILED, reason, closes_run=True)
            return
        reason = f"the video library has not returned for {silent_s:.0f} s; a new thread takes over"
        delay_s = self._lose(reason, "stuck")
        self._spawn(delay_s)

    def _spawn(self, delay_s: float) -> None:
        self._generation += 1
        self._limit_s = None
        name = f"source-{self._options.stream}"
        self._thread = threading.Thread(target=self._main, args=(self._generation, delay_s), name=name, daemon=True)
        self._thread.start()

    @contextmanager
    def _floor(self, generation: int) -> Iterator[None]:
        """Speak for the stream, as long as this thread is the one that does."""
        with self._lock:
            if generation != self._generation:
                raise _FloorLost
            yield

    def _main(self, generation: int, delay_s: float) -> None:
        """Open and read again and again, until the stream has ended and said so, or is stopped."""
        try:
            while not self._clock.wait(self._stopping, delay_s):
                try:
                    self._read(generation)
                    outcome: Exception | None = None
                except WorkerError as error:
                    outcome = error
                except (_FloorLost, _Stopped):
                    raise
                except Exception as error:  # noqa: BLE001 - the thread's outermost loop: told, counted, tried again
                    self._report.fault(self._options.stream, error)
                    outcome = error
                with self._floor(generation):
                    if self._stopping.is_set():
                        break
                    again_s = self._conclude(outcome)
                if again_s is None:
                    return
                delay_s = again_s
        except _FloorLost:
            return
        except _Stopped:
            pass
        with self._lock:
            if generation == self._generation:
                self._teller.change(State.STOPPED, "stopped", closes_run=True)

    def _conclude(self, error: Exception | None) -> float | None:
        """A run is over; returns the seconds until the stream is opened again, None: never."""
        self._limit_s = None
        reason = str(error) if isinstance(error, WorkerError) else f"fault of the worker: {redact(repr(error))}"
        if error is None:
            self._teller.change(State.ENDED, "the end of the source", closes_run=True)
        elif not self._options.live or isinstance(error, SettingsError):
            self._teller.change(State.FAILED, reason, closes_run=True)
        else:
            return self._lose(reason, restart_cause(error))
        return None

    def _lose(self, reason: str, cause: str) -> float:
        """The run is over but the stream is not; returns the seconds to wait before the next opening."""
        self._limit_s = None
        run, denied = self._run, cause == "denied"
        healthy_s = self._frame_at - run.started if run is not None and run.started is not None else 0.0
        delay_s = self._backoff.failed(healthy_s, denied)
        if cause == "timeout" and self._teller.state is State.LIVE:
            self._teller.change(State.STALLED, reason)
        if self._teller.state is State.STALLED and cause == "timeout":
            cause = "stall"
        elif self._teller.state is State.LIVE and cause in ("unreachable", "unreadable"):
            cause = "source_down"
        self._report.restarted(self._options.stream, cause)
        state = State.AUTH_FAILED if denied else State.BACKOFF
        self._teller.change(state, f"{reason}; next try in {delay_s:.1f} s", closes_run=True)
        return delay_s

    def _read(self, generation: int) -> None:
        """One run, from opening to its end."""
        run = Run(self._options, run_id(self._options, self._clock.wall()), self._clock, self._report)
        with self._floor(generation):
            self._run = run
            self._teller.opens(run)
        pacer = Pacer()
        while not self._stopping.is_set():
            before = run.decoded
            with closing(self._items(generation, pacer)) as items:
                for item in items:
                    self._take(generation, run, item)
                    if self._stopping.is_set():
                        return
            if not self._options.loop:
                return
            if run.decoded == before:
                raise SourceUnreadable(f"{redact(self._options.url)}: nothing in it to loop over")
            run.again()

    def _take(self, generation: int, run: Run, item: Decoded) -> None:
        """Hand a frame over; where the sink makes it wait, nobody else is kept waiting, and no silence is told."""
        with self._pause(generation):
            self._sink.wait_for_room()
        with self._floor(generation):
            gap, frame = run.take(item)
            self._teller.frame(run, gap, frame)

    @contextmanager
    def _pause(self, generation: int) -> Iterator[None]:
        """Time that we take ourselves: neither is the source silent, nor does the library not return."""
        with self._floor(generation):
            limit_s, self._limit_s = self._limit_s, None
        yield
        with self._floor(generation):
            self._limit_s = limit_s
            self._beat = self._frame_at = self._clock.monotonic()

    def _items(self, generation: int, pacer: Pacer) -> Generator[Decoded, None, None]:
        """The decoded frames of one opening."""
        if is_pictures(self._options.url):
            yield from photos(self._options, self._report)
            return
        self._waits(generation, self._options.open_timeout_s)
        kind = Webcam if is_webcam(self._options.url) else Video
        with kind(self._options, self._report) as video:
            self._waits(generation, self._options.read_timeout_s)
            paced = self._options.realtime or (self._options.live and video.comes_in_bursts)
            for item in video.frames(partial(self._packet, generation)):
                if paced:
                    with self._pause(generation):
                        self._clock.wait(self._stopping, pacer.wait_s(item.pts_s, self._clock.monotonic()))
                if self._stopping.is_set():
                    return
                yield item
            if self._options.live and not video.has_end:
                raise SourceUnreachable(f"{redact(self._options.url)}: the source closed the stream")

    def _waits(self, generation: int, limit_s: float) -> None:
        """A call into the library begins that should take no longer than `limit_s`."""
        with self._floor(generation):
            self._limit_s = limit_s
            self._beat = self._frame_at = self._clock.monotonic()

    def _packet(self, generation: int, wanted: bool = True) -> None:
        """A packet came: is this thread still the one, is the source alive, and do pictures come of its packets?

        Of packets that are not `wanted`, because there is no time to decode them, none can come.

        A packet that ends a silence as long as the time-out is the one that the library held back until its own
        time-out (its parser waits for the start of the next picture): it is no sign of life.
        """
        if generation != self._generation:
            raise _FloorLost
        if self._stopping.is_set():
            raise _Stopped
        now = self._clock.monotonic()
        silence_s, self._beat = now - self._beat, now
        if not self._options.live:
            return
        where, read_timeout_s = redact(self._options.url), self._options.read_timeout_s
        if silence_s >= read_timeout_s:
            raise SourceTimeout(f"{where}: nothing came for {silence_s:.1f} s")
        if not wanted:
            self._frame_at = now
        if self._options.decode == "keyframes":
            return
        first = self._run is None or self._run.started is None
        limit_s = read_timeout_s * (_FIRST_FRAME_TIMEOUTS if first else 1.0)
        if now - self._frame_at > limit_s:
            raise SourceTimeout(f"{where}: packets arrive, but no picture came of them for {limit_s:.0f} s")
