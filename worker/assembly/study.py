"""Fits the study (`worker.events`) to the hall: one object a stream that the inference thread owns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from worker.assembly.workshop import Workshop
from worker.draft import Draft
from worker.events import schema
from worker.events.drafts import frame_draft, gap_draft, latency, status_draft
from worker.events.gates import Gates
from worker.events.reading import Reading
from worker.events.smoothing import SmoothingRule
from worker.events.stream_events import CropRequest, Stats, StreamEvents
from worker.events.tracker import TrackerRule
from worker.face import Detection, Quality
from worker.frame import Frame, Gap, Notice, Skip, StateChange
from worker.models.bundle import ClassifierManifest
from worker.pipeline.ports import Latency
from worker.settings import EventsSettings, GateSettings


@dataclass(frozen=True, slots=True)
class Author:
    """What every record of this worker says of its origin. `timed` False: records hold no wall time (offline)."""

    worker: str
    models: schema.Models
    timed: bool = True

    def notice(self, notice: Notice) -> Draft:
        """The record of a state change or a gap."""
        if isinstance(notice, StateChange):
            return status_draft(notice, self.worker, self.timed)
        return gap_draft(notice, self.worker, timed=self.timed)

    def gap(self, gap: Gap, missing_seq: tuple[int, int] | None) -> Draft:
        """The record of a gap that the post found."""
        return gap_draft(gap, self.worker, missing_seq, self.timed)


class StreamStudy:
    """One stream's study as the hall sees it.

    `told` gets the stream's id and what a frame adds to the metrics, `wrote` the frame and its record.
    """

    def __init__(
        self,
        events: StreamEvents,
        author: Author,
        told: Callable[[str, Stats], None],
        wrote: Callable[[Frame, Draft], None] | None = None,
    ) -> None:
        self._events = events
        self._author = author
        self._told = told
        self._wrote = wrote

    def begin(self, frame: Frame, detections: Sequence[Detection]) -> list[CropRequest]:
        """Update the tracks; the faces to be looked at."""
        return self._events.begin(frame, detections)

    def refuses(self, quality: Quality) -> bool:
        """Whether a gate refuses a crop of this quality."""
        return self._events.gates.refuse(quality) is not None

    def finish(
        self,
        frame: Frame,
        qualities: Sequence[Quality],
        results: Sequence[npt.NDArray[np.float32] | None],
        latency_s: Latency,
    ) -> Draft:
        """The frame's record."""
        seen = self._events.finish(frame, qualities, results)
        self._told(frame.stream, seen.stats)
        times = None
        if self._author.timed:
            times = latency(
                latency_s.decode_s, latency_s.wait_s, latency_s.detect_s, latency_s.classify_s, latency_s.total_s
            )
        draft = frame_draft(frame, seen, times, self._author.models, self._author.worker)
        draft = replace(draft, made=frame.arrived + latency_s.total_s)
        if self._wrote is not None:
            self._wrote(frame, draft)
        return draft

    def skip(self, frame: Frame, reason: Skip) -> None:
        """The frame gets no record."""
        self._events.skip(frame, reason)

    def carry(self, change: StateChange) -> StateChange:
        """The change together with what was skipped since the last record."""
        return self._events.carry(change)


def stream_events(
    workshop: Workshop, events: EventsSettings, reading: Reading, min_face_px: float = 0.0
) -> StreamEvents:
    """A stream's memory, with the bundles' thresholds and what the settings say instead.

    A detection may start a track from the detector's working threshold on; fainter ones only continue one.
    """
    gates = gates_of(workshop.classifier.bundle.manifest, events.gates, min_face_px)
    tracking = TrackerRule(sure=workshop.detector.bundle.manifest.thresholds.score, faint=workshop.detector.score)
    return StreamEvents(gates, reading, tracking, SmoothingRule(half_life_s=events.smoothing_half_life))


def gates_of(manifest: ClassifierManifest, wanted: GateSettings, min_face_px: float = 0.0) -> Gates:
    """The bundle's gates, with what the settings say instead, and a stream's own least size."""
    shipped = manifest.thresholds
    size = shipped.gates.size_px if wanted.size_px is None else wanted.size_px

    def chosen(setting: float | None, default: float) -> float:
        return default if setting is None else setting

    return Gates(
        size_px=max(size, min_face_px),
        sharpness=chosen(wanted.sharpness, shipped.gates.sharpness),
        brightness=chosen(wanted.brightness, shipped.gates.brightness),
        inside=chosen(wanted.inside, shipped.gates.inside),
        confidence=chosen(wanted.confidence, shipped.low_confidence),
    )
