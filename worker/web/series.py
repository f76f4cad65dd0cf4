"""Every metric, its labels and its help text; docs/metrics.md is held equal to this by a test."""

from __future__ import annotations

import math

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from worker.face import EMOTIONS, Abstention
from worker.frame import GapCause, Skip, State

NAMESPACE = "emotion_worker"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BATCH_SIZES = (1, 2, 4, 8, 16)
STAGES = ("decode", "convert", "wait", "detect", "track", "classify", "publish")
RESTART_CAUSES = ("unreachable", "timeout", "denied", "unreadable", "source_down", "stall", "stuck", "fault")
PUBLISH_ERRORS = (
    "connection", "timeout", "auth", "wrongtype", "other", "loading", "readonly", "oom", "noscript", "misconf",
    "clusterdown", "noreplicas", "masterdown", "tryagain", "busy", "unblocked", "ask", "moved",
)  # fmt: skip
MODEL_LABELS = ("model", "name", "version", "sha256", "backend", "device", "precision")


class Series:
    """The metrics in a registry of their own, grouped by what removes them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # A process-wide switch of the library; there is no other. `_created` doubles the series and nobody reads it.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry
        self._frames()
        self._streams()
        self._inference()
        self._publishing()

    def _frames(self) -> None:
        self.decoded = self._counter("frames_decoded", "Frames decoded.", "stream")
        self.published = self._counter("frames_published", "Frames whose event has reached its target.", "stream")
        self.skipped = self._counter("frames_skipped", "Decoded frames that got no event.", "stream", "reason")
        self.in_flight = self._gauge(
            "frames_in_flight", "Frames decoded but neither published nor skipped nor told by a gap, so far.", "stream"
        )
        self.decode_errors = self._counter("decode_errors", "Packets or frames that could not be decoded.", "stream")
        self.gaps = self._counter("gaps", "Gap records; taken_over: another worker got the stream.", "stream", "cause")
        self.faces = self._counter("faces", "Faces in events.", "stream")
        self.emotions = self._counter(
            "emotions", "Fresh classifications, by the most probable emotion.", "stream", "emotion"
        )
        self.abstentions = self._counter("abstentions", "Faces of which no emotion was said.", "stream", "reason")
        self.label_flips = self._counter("label_flips", "Changes of a track's stable emotion.", "stream")
        self.latency = self._histogram(
            "frame_latency_seconds",
            "From a frame's arrival (it is decoded) to the target's answer.",
            "stream",
        )

    def _streams(self) -> None:
        self.frame_age = self._gauge(
            "frame_age_seconds",
            "Since the newest decoded frame (before the first: since the stream was added).",
            "stream",
        )
        self.last_frame = self._gauge(
            "stream_last_frame_timestamp_seconds", "Unix time of the newest decoded frame.", "stream"
        )
        self.up = self._gauge("stream_up", "1 while the stream is live.", "stream")
        self.state = self._gauge("stream_state", "1 for the state in which the stream is.", "stream", "state")
        self.restarts = self._counter("stream_restarts", "Times that the source was opened again.", "stream", "cause")
        self.clock_offset = self._gauge("camera_clock_offset_seconds", "The camera's clock minus ours.", "stream")
        self.lag = self._gauge(
            "consumer_lag_seconds",
            "Age of the oldest record not yet delivered to the group; 0: none.",
            "stream",
            "group",
        )
        self.lost = self._gauge(
            "consumer_lost",
            "1 when records were trimmed away before the group got or finished them.",
            "stream",
            "group",
        )
        self.pending = self._gauge(
            "consumer_pending_seconds",
            "Age of the oldest record that was delivered but not finished.",
            "stream",
            "group",
        )

    def _inference(self) -> None:
        self.stage = self._histogram("stage_seconds", "Time in one stage.", "stage")
        self.batch = self._histogram("batch_frames", "Frames in a batch of the detector.", buckets=BATCH_SIZES)
        self.busy = self._gauge(
            "inference_busy_ratio", "Share of the last 10 s or more that the inference thread worked."
        )
        self.stuck = self._counter("stuck_threads", "Threads abandoned because they hung in the video library.")
        self.cores = self._gauge("cores_needed", "CPU cores that all streams need at their rate.", "part")
        self.model = self._gauge("model_info", "Always 1; the labels say which models are loaded.", *MODEL_LABELS)

    def _publishing(self) -> None:
        self.redis_up = self._gauge(
            "redis_up", "1 while Redis answers, 0 while it does not, NaN where it was never asked."
        )
        self.publish_errors = self._counter("publish_errors", "Failed calls to Redis.", "kind")
        self.queued = self._gauge("publish_queue_records", "Records in memory on their way to the target.")
        # Their names are kept for a spool on disk, so that dashboards need not change when there is one.
        absent = "Always 0: there is no spool on disk; publish_queue_records counts what waits."
        self.spool_bytes = self._gauge("spool_bytes", absent)
        self.spool_records = self._gauge("spool_records", absent)
        self.replayed = self._counter("records_replayed", absent)

    def create_closed(self) -> None:
        """Closed label values stand at 0 from the start, so that a rate sees the first increase."""
        for stage in STAGES:
            self.stage.labels(stage)
        self.redis_up.set(math.nan)
        for kind in PUBLISH_ERRORS:
            self.publish_errors.labels(kind)

    def create(self, stream: str) -> None:
        """The stream's series at 0. Its ages and its clock's offset come when there is something to tell."""
        for metric in (self.decoded, self.published, self.decode_errors, self.faces, self.label_flips):
            metric.labels(stream)
        self.latency.labels(stream)
        self.up.labels(stream)
        for metric, values in (
            (self.skipped, tuple(Skip)),
            (self.gaps, tuple(GapCause)),
            (self.emotions, EMOTIONS),
            (self.abstentions, tuple(Abstention)),
            (self.restarts, RESTART_CAUSES),
        ):
            for value in values:
                metric.labels(stream, str(value))
        for state in State:
            self.state.labels(stream, state.value)

    def remove(self, stream: str) -> None:
        """No series names this stream any more."""
        by_stream = (
            self.decoded, self.published, self.skipped, self.in_flight, self.decode_errors, self.gaps, self.faces,
            self.emotions, self.abstentions, self.label_flips, self.latency, self.frame_age, self.last_frame, self.up,
            self.state, self.restarts, self.clock_offset, self.lag, self.lost, self.pending,
        )  # fmt: skip
        for metric in by_stream:
            metric.remove_by_labels({"stream": stream})

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=NAMESPACE, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace=NAMESPACE, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str, buckets: tuple[float, ...] = SECONDS) -> Histogram:
        return Histogram(name, text, labels, namespace=NAMESPACE, registry=self.registry, buckets=buckets)
