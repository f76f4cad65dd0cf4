"""The state of one stream, told in order: state changes and gaps, each exactly once."""

from __future__ import annotations

from typing import Protocol

from worker.clock import Clock
from worker.frame import Frame, Gap, GapCause, Notice, State, StateChange
from worker.sources.options import SourceOptions
from worker.sources.report import SourceReport
from worker.sources.run import Run

FINAL = frozenset({State.ENDED, State.STOPPED, State.FAILED})


class Sink(Protocol):
    """Where a stream's frames and notices go, in order (the stream's mailbox)."""

    def wait_for_room(self) -> None:
        """Block until a frame can be taken or will be refused; a sink that always has room returns at once."""
        ...

    def frame(self, frame: Frame) -> bool:
        """Take a frame, after `wait_for_room`; never blocks then. False: closed, the frame was refused."""
        ...

    def notice(self, notice: Notice) -> None:
        """Take a notice; never blocks, also after `close`."""
        ...

    def close(self) -> None:
        """Refuse further frames and free a source that waits for room. Called from another thread."""
        ...


class Teller:
    """Knows where the stream stands. Not locked: its owner lets one thread speak at a time.

    When a stream comes (back) to life its first frame is preceded by: a gap since the last frame of the run before,
    if there was one (`stall` if the stream was stalled, else `source_down`), then the state change `live`. Both
    belong to the new run.
    """

    def __init__(self, options: SourceOptions, sink: Sink, clock: Clock, report: SourceReport) -> None:
        self.state: State | None = None
        self._stream = options.stream
        self._sink = sink
        self._clock = clock
        self._report = report
        self._run: Run | None = None
        self._last_frame_wall: float | None = None
        self._lost_as = GapCause.SOURCE_DOWN
        self._told_at = clock.monotonic()

    @property
    def final(self) -> bool:
        """True once the stream has said its last word."""
        return self.state in FINAL

    def opens(self, run: Run) -> None:
        """`run` is being opened; only a stream's first opening is told."""
        self._run = run
        if self.state is None:
            self.change(State.CONNECTING, "opening")

    def frame(self, run: Run, gap: Gap | None, frame: Frame | None) -> None:
        """One frame was decoded: tell what stands before it, and hand it over if it is wanted."""
        if self.state is not State.LIVE:
            self._goes_live(run)
        self._last_frame_wall = run.last_wall
        if gap is not None:
            self._sink.notice(gap)
        if frame is not None and not self._sink.frame(frame):
            run.refused(frame)

    def change(self, state: State, reason: str, closes_run: bool = False) -> None:
        """Tell a change of state. Without a change, only the end of a run that had frames is told.

        `closes_run` closes the run that is open, if one is; its last skips go with it.
        """
        run = self._run
        if run is None or self.final:
            return
        closes_run = closes_run and not run.closed
        if state is self.state and not (closes_run and run.decoded):
            self._report.still(self._stream, reason)
            return
        previous, self.state = self.state, state
        if state is State.STALLED:
            self._lost_as = GapCause.STALL
        if closes_run:
            run.closed = True
        skipped = run.rest() if closes_run else {}
        self._told_at = self._clock.monotonic()
        self._report.state(self._stream, state, previous, reason)
        self._sink.notice(
            StateChange(self._stream, run.id, state, previous, reason, self._clock.wall(), closes_run, skipped)
        )

    def _goes_live(self, run: Run) -> None:
        waited = self._clock.monotonic() - self._told_at
        wall = run.last_wall or self._clock.wall()
        if self._last_frame_wall is not None:
            self._report.gap(self._stream, self._lost_as)
            self._sink.notice(Gap(self._stream, run.id, self._lost_as, self._last_frame_wall, wall))
        back = self.state is not State.CONNECTING
        self._lost_as = GapCause.SOURCE_DOWN
        self.change(State.LIVE, f"{'frames again' if back else 'first frame'} after {waited:.1f} s")
