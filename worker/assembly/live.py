"""What the live page shows, put together when somebody asks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker import __version__
from worker.assembly.advice import attention, level_of
from worker.assembly.reports import Standing, StreamStates
from worker.assembly.window import Vitals
from worker.clock import Clock, iso
from worker.draft import Draft
from worker.frame import Frame, Letterbox, Pixels, State
from worker.redact import redact
from worker.settings import Settings, StreamSettings
from worker.web.metrics import Metrics
from worker.web.tally import BUCKET_S, HISTORY

_MOST_FACES = 20


@dataclass(frozen=True, slots=True)
class LastFrame:
    """The newest analysed frame of a stream: its record, when it came, and (for previews) the detector's picture."""

    draft: Draft
    arrived: float
    letterbox: Letterbox
    picture: Pixels | None


class LastFrames:
    """The newest analysed frame of every stream: a reference, so that it costs nothing when nobody looks."""

    def __init__(self, keep_pictures: bool) -> None:
        self._keep_pictures = keep_pictures
        self._lock = threading.Lock()
        self._frames: dict[str, LastFrame] = {}

    def keep(self, frame: Frame, draft: Draft) -> None:
        """Called by the inference thread for each frame."""
        picture = frame.detector_input if self._keep_pictures else None
        with self._lock:
            self._frames[frame.stream] = LastFrame(draft, frame.arrived, frame.letterbox, picture)

    def forget(self, stream: str) -> None:
        with self._lock:
            self._frames.pop(stream, None)

    def of(self, stream: str) -> LastFrame | None:
        with self._lock:
            return self._frames.get(stream)


@dataclass(frozen=True, slots=True)
class Sights:
    """Where the board looks. All may be called from any thread.

    Attributes:
        streams: settings of the streams that run now.
        waiting: records that wait in memory.
    """

    metrics: Metrics
    states: StreamStates
    vitals: Vitals
    last: LastFrames
    streams: Callable[[], Sequence[StreamSettings]]
    waiting: Callable[[], int]


class LiveBoard:
    """Answers `/api/v1/live`."""

    def __init__(
        self, settings: Settings, sights: Sights, models: Mapping[str, str], backend: str, clock: Clock
    ) -> None:
        self._settings = settings
        self._sights = sights
        self._models = models
        self._backend = backend
        self._clock = clock
        self._began = clock.monotonic()

    def read(self) -> dict[str, Any]:
        """Everything, now."""
        streams = [view for stream in self._sights.streams() if (view := self._stream(stream)) is not None]
        target = self._target(len(streams))
        return {
            "at": iso(self._clock.wall()),
            "worker": self._worker(),
            "target": target,
            "streams": streams,
            "attention": attention(streams, target),
            "history_columns": HISTORY,
            "history_step_s": BUCKET_S,
        }

    def _worker(self) -> dict[str, Any]:
        ready, reasons = self._sights.vitals.ready()
        return {
            "name": self._settings.worker.name,
            "version": __version__,
            "purpose": self._settings.worker.purpose,
            "up_s": round(self._clock.monotonic() - self._began, 1),
            "ready": ready,
            "reasons": reasons,
            "models": self._models,
            "backend": self._backend,
            "busy": round(self._sights.metrics.busy_ratio(), 3),
            "changes": self._settings.web.changes,
        }

    def _target(self, streams: int) -> dict[str, Any]:
        publish = self._settings.publish
        redis = self._settings.redis
        where = {
            "redis": redact(redis.url.get_secret_value()),
            "file": str(publish.path),
            "stdout": "standard output",
        }[publish.target]
        return {
            "kind": publish.target,
            "where": where,
            "up": self._sights.vitals.target_up(),
            "waiting": self._sights.waiting(),
            "capacity": publish.queue_records * streams,
        }

    def _stream(self, stream: StreamSettings) -> dict[str, Any] | None:
        reading = self._sights.metrics.reading(stream.id)
        if reading is None:
            return None  # it was removed just now
        now = self._clock.monotonic()
        standing = self._sights.states.standing(stream.id) or Standing(State.CONNECTING, "it is being opened", now)
        last = self._sights.last.of(stream.id)
        latency = reading.latency_p95_s
        view = {
            "id": stream.id,
            "address": redact(stream.address),
            "live": stream.live,
            "state": standing.state.value,
            "trouble": standing.trouble and standing.trouble.value,
            "reason": standing.reason,
            "since_s": round(max(0.0, now - standing.since), 1),
            "fps": round(reading.fps, 1),
            "decoded_fps": round(reading.decoded_fps, 1),
            "frame_age_s": None if reading.frame_age_s is None else round(max(0.0, reading.frame_age_s), 2),
            "latency_p95_ms": None if latency is None else round(latency * 1000, 1),
            "decoded": reading.decoded,
            "published": reading.published,
            "decode_errors": reading.decode_errors,
            "skipped": reading.skipped,
            "skipped_lately": reading.skipped_lately,
            "gaps": reading.gaps,
            "faces": _faces(last.draft) if last is not None and standing.state is State.LIVE else [],
            "faces_age_s": None if last is None else round(max(0.0, now - last.arrived), 2),
            "history": reading.history,
            "preview": last is not None and last.picture is not None and standing.state is State.LIVE,
        }
        return view | {"level": level_of(view)}


def _faces(draft: Draft) -> list[dict[str, Any]]:
    faces = json.loads(draft.body)["faces"]
    return [
        {
            "track": face["track"],
            "label": face["stable"] and face["stable"]["label"],
            "confidence": face["stable"] and face["stable"]["confidence"],
            "since_s": face["stable"] and face["stable"]["since_s"],
            "age_s": face["emotion_age_s"],
            "abstained": face["abstained"],
        }
        for face in faces[:_MOST_FACES]
    ]
