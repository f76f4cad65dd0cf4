"""Connects what the rooms tell to metrics and logs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from worker.clock import Clock
from worker.draft import Draft
from worker.errors import WorkerError
from worker.events.stream_events import Stats
from worker.frame import Gap, GapCause, Skip, State
from worker.sources.report import SourceReport
from worker.web.metrics import Metrics

_log = logging.getLogger(__name__)
_AWAY = frozenset({State.CONNECTING, State.STALLED, State.BACKOFF, State.AUTH_FAILED})
_TROUBLE = frozenset({State.STALLED, State.BACKOFF, State.AUTH_FAILED, State.FAILED})


class Standing(NamedTuple):
    """Where a stream stands and why.

    Attributes:
        since: monotonic seconds at which it came to this state; while it is away, since when it has been away.
        trouble: while it is opened again: why it has to be.
    """

    state: State
    reason: str
    since: float
    trouble: State | None = None


class StreamStates:
    """Where each stream stands and how much live streams ask for, as told last. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._standings: dict[str, Standing] = {}
        self._decoded = 0
        self._unwanted = 0
        self._decode_s = 0.0

    def tell(self, stream: str, state: State, reason: str, at: float) -> None:
        """`at`: monotonic seconds."""
        with self._lock:
            before = self._standings.get(stream)
            now = Standing(state, reason, at)
            if before is not None and state in _AWAY and before.state in _AWAY:
                now = now._replace(since=before.since)
                if state is State.CONNECTING:
                    trouble = before.trouble or before.state
                    now = Standing(state, before.reason, before.since, trouble if trouble in _TROUBLE else None)
            self._standings[stream] = now

    def still(self, stream: str, reason: str) -> None:
        """The stream stands where it stood; `reason` is why now."""
        with self._lock:
            if (before := self._standings.get(stream)) is not None:
                self._standings[stream] = before._replace(reason=reason)

    def standing(self, stream: str) -> Standing | None:
        """Where the stream stands; None before it said anything."""
        with self._lock:
            return self._standings.get(stream)

    def forget(self, stream: str) -> None:
        with self._lock:
            self._standings.pop(stream, None)

    def all(self) -> Mapping[str, State]:
        """Every stream's state."""
        with self._lock:
            return {stream: standing.state for stream, standing in self._standings.items()}

    def count(self, decoded: int = 0, unwanted: int = 0, decode_s: float = 0.0) -> None:
        """Add decoded frames, frames that `max_fps` dropped, and seconds spent in sources."""
        with self._lock:
            self._decoded += decoded
            self._unwanted += unwanted
            self._decode_s += decode_s

    def work(self) -> tuple[int, float]:
        """Frames that wanted inference so far, and seconds that sources spent on decoding and converting."""
        with self._lock:
            return self._decoded - self._unwanted, self._decode_s


def source_report(metrics: Metrics, states: StreamStates, clock: Clock, live: bool) -> SourceReport:
    """What the door tells. Only `live` streams count as work to be done in time: files take what is left."""

    def decoded(stream: str) -> None:
        metrics.decoded(stream)
        if live:
            states.count(decoded=1)

    def skipped(stream: str, reason: str, count: int) -> None:
        metrics.skipped(stream, reason, count)
        if live and reason == Skip.MAX_FPS:
            states.count(unwanted=count)

    def stage(name: str, seconds: float) -> None:
        metrics.stage(name, seconds)
        if live:
            states.count(decode_s=seconds)

    def state(stream: str, now: State, _previous: State | None, reason: str) -> None:
        states.tell(stream, now, reason, clock.monotonic())
        metrics.state(stream, now)
        level = logging.WARNING if now in _TROUBLE else logging.INFO
        _log.log(level, "stream %s is %s: %s", stream, now.value, reason)

    def gap(stream: str, cause: GapCause) -> None:
        metrics.gap(stream, cause)

    def fault(stream: str, error: Exception) -> None:
        _log.error("stream %s: a fault of the worker ended a run: please report it", stream, exc_info=error)

    return SourceReport(
        decoded=decoded,
        skipped=skipped,
        decode_error=metrics.decode_error,
        state=state,
        still=states.still,
        gap=gap,
        restarted=metrics.restarted,
        frame_seen=metrics.frame_seen,
        behind=_behind,
        stuck=metrics.stuck,
        stage=stage,
        camera_clock_offset=metrics.camera_clock_offset,
        fault=fault,
    )


def _behind(stream: str, seconds: float) -> None:
    _log.warning(
        "stream %s is read %.1f s late (decoding or the network does not keep up): only key frames are decoded until "
        "that is made good",
        stream,
        seconds,
    )


class HallReport:
    """What the hall tells."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def batch(self, frames: int) -> None:
        self._metrics.batch(frames)

    def stage(self, name: str, seconds: float) -> None:
        self._metrics.stage(name, seconds)

    def skipped(self, stream: str, reason: Skip, frames: int) -> None:
        self._metrics.skipped(stream, reason, frames)

    def inference_failed(self, error: Exception) -> None:
        _log.warning("a batch could not be inferred: %s", error)

    def seen(self, stream: str, stats: Stats) -> None:
        """What a frame adds."""
        self._metrics.faces(stream, stats.faces)
        for emotion, count in stats.emotions.items():
            for _ in range(count):
                self._metrics.emotion(stream, emotion)
        for reason, count in stats.abstentions.items():
            for _ in range(count):
                self._metrics.abstained(stream, reason)
        for _ in range(stats.flips):
            self._metrics.flipped(stream)


class PostReport:
    """What the post tells. `failed` is called with the error that ended its thread."""

    def __init__(self, metrics: Metrics, failed: Callable[[BaseException], None]) -> None:
        self._metrics = metrics
        self._failed = failed
        self.up = True

    def published(self, stream: str, drafts: Sequence[Draft], at: float) -> None:
        for draft in drafts:
            if draft.arrived is not None:
                self._metrics.published(stream, max(0.0, at - draft.arrived))
            if draft.made is not None:
                self._metrics.stage("publish", max(0.0, at - draft.made))

    def gap(self, gap: Gap) -> None:
        """The post makes a record of `gap`."""
        self._metrics.gap(gap.stream, gap.cause)
        frames = "" if gap.frames is None else f", {gap.frames} frames"
        _log.warning("stream %s has a gap: %s%s", gap.stream, gap.cause.value, frames)

    def redis_up(self, up: bool) -> None:
        self.up = up
        self._metrics.redis_up(up)
        if up:
            _log.info("Redis takes records")
        else:
            _log.warning("Redis is away: records wait in memory")

    def publish_error(self, kind: str, error: WorkerError) -> None:
        self._metrics.publish_error(kind)
        _log.warning("publishing failed, it will be tried again: %s", error)

    def stream_claimed(self, stream: str, epoch: int, seq: int) -> None:
        _log.info("stream %s is ours: epoch %d, last record %d", stream, epoch, seq)

    def claim_refused(self, stream: str, owner: str, age_s: float, retry_s: float) -> None:
        _log.warning(
            "stream %s is published by worker %s (alive %.0f s ago): waiting, next try in %.0f s; "
            "if that is this worker under another name, give each worker its own worker.name",
            stream,
            owner,
            age_s,
            retry_s,
        )

    def stream_taken(self, stream: str, owner: str) -> None:
        _log.error("stream %s was taken over by worker %s: it is not read here any more", stream, owner)
        self._metrics.gap(stream, GapCause.TAKEN_OVER)  # no record can tell it here; the alert must know

    def stream_refused(self, stream: str, error: WorkerError) -> None:
        _log.error("stream %s cannot be published, it is not read any more: %s", stream, error)

    def failed(self, error: BaseException) -> None:
        self._failed(error)
