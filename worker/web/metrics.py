"""What the worker counts and tells Prometheus. Rooms report facts; `worker.assembly` connects them to these methods."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from worker.clock import Clock
from worker.face import Abstention
from worker.frame import GapCause, Skip, State
from worker.web.series import MODEL_LABELS, NAMESPACE, Series
from worker.web.tally import StreamReading, Tally

MAX_GROUPS = 20
"""Consumer groups told of a stream: their names come from outside, and each makes three series."""
BUSY_WINDOW_S = 10.0


@dataclass(frozen=True, slots=True)
class GroupReading:
    """How far a consumer group is behind; `lost`: records were trimmed away before it had them."""

    lag_s: float
    pending_s: float
    lost: bool


class Metrics:
    """All metrics of one worker, in a registry of their own. Any thread may call any method.

    What is reported of a stream that was not added, or was removed, is ignored: a source's last words must not bring
    its series back.
    """

    def __init__(self, clock: Clock, build: Mapping[str, str]) -> None:
        """`build`: labels of `build_info`, such as version, python, av, ffmpeg, openvino."""
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        self._series = Series(self.registry)
        self._series.create_closed()
        info = Gauge(
            "build_info", "Always 1; the labels say what runs.", tuple(build), NAMESPACE, registry=self.registry
        )
        info.labels(*build.values()).set(1)
        self._clock = clock
        self._lock = threading.Lock()
        self._tallies: dict[str, Tally] = {}
        self._groups: dict[str, frozenset[str]] = {}
        self._busy: _BusyRatio | None = None

    def stream_added(self, stream: str) -> None:
        """The stream's series stand at 0 from now on."""
        with self._lock:
            tally = self._tallies[stream] = Tally(self._clock.monotonic())
            self._series.create(stream)
            self._series.in_flight.labels(stream).set_function(lambda: self._in_flight(tally))
            self._tell_age(stream, tally)

    def stream_removed(self, stream: str) -> None:
        """The stream's series are gone from now on."""
        with self._lock:
            self._tallies.pop(stream, None)
            self._groups.pop(stream, None)
            self._series.remove(stream)

    def decoded(self, stream: str) -> None:
        """One frame was decoded."""
        with self._lock:
            if tally := self._tallies.get(stream):
                tally.add_decoded(self._clock.monotonic())
                self._series.decoded.labels(stream).inc()

    def frame_seen(self, stream: str, wall_s: float, monotonic_s: float) -> None:
        """When the newest frame came."""
        with self._lock:
            if tally := self._tallies.get(stream):
                tally.newest, tally.seen = monotonic_s, True
                self._series.last_frame.labels(stream).set(wall_s)

    def skipped(self, stream: str, reason: Skip | str, frames: int) -> None:
        """Decoded frames that get no event, at the moment that this is decided."""
        with self._lock:
            if tally := self._tallies.get(stream):
                tally.add_skipped(self._clock.monotonic(), Skip(reason).value, frames)
                self._series.skipped.labels(stream, Skip(reason).value).inc(frames)

    def published(self, stream: str, latency_s: float | None) -> None:
        """A frame's event has reached its target; `latency_s` None: it came by way of the disk."""
        with self._lock:
            if tally := self._tallies.get(stream):
                tally.add_published(self._clock.monotonic(), latency_s)
                self._series.published.labels(stream).inc()
                if latency_s is not None:
                    self._series.latency.labels(stream).observe(latency_s)

    def dropped(self, stream: str, frames: int) -> None:
        """Frames whose events were given up, without what those events say was skipped: a gap tells of them."""
        with self._lock:
            if tally := self._tallies.get(stream):
                tally.settled += frames

    def decode_error(self, stream: str) -> None:
        """Something could not be decoded."""
        with self._lock:
            if tally := self._tallies.get(stream):
                tally.decode_errors += 1
                self._series.decode_errors.labels(stream).inc()

    def gap(self, stream: str, cause: GapCause) -> None:
        """A gap record was made."""
        with self._lock:
            if tally := self._tallies.get(stream):
                tally.gaps[cause.value] += 1
                self._series.gaps.labels(stream, cause.value).inc()

    def faces(self, stream: str, count: int) -> None:
        """Faces of an event."""
        with self._lock:
            if stream in self._tallies:
                self._series.faces.labels(stream).inc(count)

    def emotion(self, stream: str, emotion: str) -> None:
        """A face was classified; `emotion` is the most probable one."""
        with self._lock:
            if tally := self._tallies.get(stream):
                tally.add_face(self._clock.monotonic(), emotion)
                self._series.emotions.labels(stream, emotion).inc()

    def abstained(self, stream: str, reason: Abstention | str) -> None:
        """No emotion is said of a face."""
        with self._lock:
            if tally := self._tallies.get(stream):
                tally.add_face(self._clock.monotonic(), "abstained")
                self._series.abstentions.labels(stream, Abstention(reason).value).inc()

    def flipped(self, stream: str) -> None:
        """A track's stable emotion changed."""
        with self._lock:
            if stream in self._tallies:
                self._series.label_flips.labels(stream).inc()

    def state(self, stream: str, state: State) -> None:
        """Where the stream stands. A stream that has ended grows no older."""
        with self._lock:
            tally = self._tallies.get(stream)
            if tally is None:
                return
            for each in State:
                self._series.state.labels(stream, each.value).set(each is state)
            self._series.up.labels(stream).set(state is State.LIVE)
            tally.ended = state in (State.ENDED, State.STOPPED)
            if tally.ended:
                self._series.frame_age.remove_by_labels({"stream": stream})
            else:
                self._tell_age(stream, tally)

    def restarted(self, stream: str, cause: str) -> None:
        """The source is opened again; `cause` is one of RESTART_CAUSES."""
        with self._lock:
            if stream in self._tallies:
                self._series.restarts.labels(stream, cause).inc()

    def camera_clock_offset(self, stream: str, seconds: float) -> None:
        """The camera's clock minus ours."""
        with self._lock:
            if stream in self._tallies:
                self._series.clock_offset.labels(stream).set(seconds)

    def consumers(self, stream: str, groups: Mapping[str, GroupReading]) -> None:
        """Every consumer group of the stream; at most 20 are told, and those that are gone go."""
        with self._lock:
            if stream not in self._tallies:
                return
            told = frozenset(sorted(groups)[:MAX_GROUPS])
            for group in self._groups.get(stream, frozenset()) - told:
                for metric in (self._series.lag, self._series.lost, self._series.pending):
                    metric.remove(stream, group)
            self._groups[stream] = told
            for group in told:
                self._series.lag.labels(stream, group).set(groups[group].lag_s)
                self._series.pending.labels(stream, group).set(groups[group].pending_s)
                self._series.lost.labels(stream, group).set(groups[group].lost)

    def stage(self, name: str, seconds: float) -> None:
        """Time in one stage; `name` is one of STAGES."""
        self._series.stage.labels(name).observe(seconds)

    def batch(self, frames: int) -> None:
        """The size of a batch."""
        self._series.batch.observe(frames)

    def stuck(self, _stream: str) -> None:
        """A thread hangs in the video library and was abandoned."""
        self._series.stuck.inc()

    def cores_needed(self, part: Literal["decode", "inference"], cores: float) -> None:
        """CPU cores that all streams need at their rate."""
        self._series.cores.labels(part).set(cores)

    def model(self, **labels: str) -> None:
        """A loaded model: model (detector or classifier), name, version, sha256, backend, device, precision."""
        self._series.model.remove_by_labels({"model": labels["model"]})
        self._series.model.labels(*(labels[name] for name in MODEL_LABELS)).set(1)

    def redis_up(self, up: bool) -> None:
        """Whether Redis answered the last call."""
        self._series.redis_up.set(up)

    def publish_error(self, kind: str) -> None:
        """A call to Redis failed; `kind` as of `worker.redis_client.kind_of`."""
        self._series.publish_errors.labels(kind).inc()

    def watch_queue(self, records: Callable[[], int]) -> None:
        """`records` is asked at every scrape for the records on their way to the target."""
        self._series.queued.set_function(records)

    def watch_inference(self, busy_s: Callable[[], float]) -> None:
        """`busy_s` is asked at every scrape for all seconds that the inference thread has worked."""
        self._busy = _BusyRatio(busy_s, self._clock)
        self._series.busy.set_function(self._busy.read)

    def busy_ratio(self) -> float:
        """Share of the last 10 s or more that the inference thread worked."""
        return 0.0 if self._busy is None else self._busy.read()

    def reading(self, stream: str) -> StreamReading | None:
        """What the stream did lately; None where there is no such stream."""
        with self._lock:
            tally = self._tallies.get(stream)
            return None if tally is None else tally.read(self._clock.monotonic())

    def _in_flight(self, tally: Tally) -> int:
        with self._lock:
            return tally.decoded - tally.settled

    def _tell_age(self, stream: str, tally: Tally) -> None:
        self._series.frame_age.labels(stream).set_function(lambda: self._clock.monotonic() - tally.newest)


class _BusyRatio:
    """Growth of `busy_s` against time, over 10 s or more however often somebody asks."""

    def __init__(self, busy_s: Callable[[], float], clock: Clock) -> None:
        self._busy_s = busy_s
        self._clock = clock
        self._lock = threading.Lock()
        self._past: deque[tuple[float, float]] = deque([(clock.monotonic(), busy_s())])

    def read(self) -> float:
        with self._lock:
            now, busy = self._clock.monotonic(), self._busy_s()
            while len(self._past) > 1 and now - self._past[1][0] >= BUSY_WINDOW_S:
                self._past.popleft()
            then, was_busy = self._past[0]
            if now - self._past[-1][0] >= 1:
                self._past.append((now, busy))
            return min(1.0, (busy - was_busy) / (now - then)) if now > then else 0.0
