"""One stream's memory: detections and emotions of single frames become faces that last. Owned by the inference thread.

How the inference thread uses it, for a batch with frames of several streams:

    events = StreamEvents(Gates(...), Reading.BY_RULE)          # one a stream, kept through its runs
    requests = events.begin(frame, detections)                  # crops to look at on this frame, maybe none
    qualities = [...]                                           # one Quality a request
    # a crop that `gates.refuse(quality)` refuses need not be classified: its result is None
    results = [...]                                             # one (7,) float array a request, or None
    seen = events.finish(frame, qualities, results)             # a Seen: faces, skipped, stats
    draft = frame_draft(frame, seen, latency, models, worker)   # worker.events.drafts

What did not become an event is told through the same object, so that the ledger closes:

    events.skip(frame, Skip.INFERENCE_ERROR)                    # instead of `finish`, also after `begin`
    draft = status_draft(events.carry(change), worker)          # a StateChange takes along what was skipped
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from worker.events import schema
from worker.events.gates import Gates
from worker.events.reading import Chooser, Reading, ReadingRule
from worker.events.smoothing import Smoother, SmoothingRule
from worker.events.stream_time import StreamTime
from worker.events.tracker import TrackedFace, Tracker, TrackerRule
from worker.face import EMOTIONS, Abstention, Box, Detection, Quality
from worker.frame import Frame, Skip, StateChange, merge_skips

Probabilities = npt.NDArray[np.floating]

_TRACKING = TrackerRule()
_SMOOTHING = SmoothingRule()


class CropRequest(NamedTuple):
    """A face to look at: its track's number and its box in pixels of the upright picture."""

    track: int
    box: Box


@dataclass(frozen=True, slots=True)
class Stats:
    """What one frame adds to the metrics; `emotions` by label, `abstentions` by reason, `flips` of stable labels."""

    faces: int
    emotions: Mapping[str, int]
    abstentions: Mapping[str, int]
    flips: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What is told of one frame; `skipped` are all decoded frames since the run's record before, by reason."""

    faces: list[schema.Face]
    skipped: Mapping[str, int]
    stats: Stats


class _Look(NamedTuple):
    quality: Quality
    result: Probabilities | None
    refused: Abstention | None


class StreamEvents:
    """Tracks, readings and smoothing of one stream."""

    def __init__(
        self,
        gates: Gates,
        reading: Reading,
        tracking: TrackerRule = _TRACKING,
        smoothing: SmoothingRule = _SMOOTHING,
    ) -> None:
        self.gates = gates
        self._reading = reading
        self._time = StreamTime()
        self._tracker = Tracker(tracking)
        self._smoothing = smoothing
        self._chooser = Chooser(reading, ReadingRule())
        self._smoothers: dict[int, Smoother] = {}
        self._last: Frame | None = None
        self._faces: list[TrackedFace] = []
        self._requests: list[CropRequest] = []
        self._carried: dict[str, int] = {}

    def begin(self, frame: Frame, detections: Sequence[Detection]) -> list[CropRequest]:
        """Take the detections of a frame; the crops to look at, at most one a face."""
        if not self._time.advance(frame) or self._reading is Reading.PHOTOS:
            self._tracker.reset()
        last, self._last = self._last, frame
        if last is not None and (last.width, last.height) != (frame.width, frame.height):
            self._tracker.rescale(frame.width / last.width, frame.height / last.height)
        self._faces = self._tracker.update(detections, self._time.now)
        alive = self._tracker.alive()
        self._chooser.keep(alive)
        self._smoothers = {track: smoother for track, smoother in self._smoothers.items() if track in alive}
        chosen = self._chooser.choose(self._faces, self._time.now)
        self._requests = [CropRequest(face.track, face.box) for face in chosen]
        return self._requests

    def finish(self, frame: Frame, qualities: Sequence[Quality], results: Sequence[Probabilities | None]) -> Seen:
        """Take what was read from the crops that `begin` asked for, in its order.

        Args:
            frame: the frame of the last `begin`.
            qualities: one a crop.
            results: one a crop: (7,) calibrated probabilities in the order of `EMOTIONS`; None where the gates refuse.

        Raises:
            ValueError: not one quality and one result a request, or a result is missing though no gate refuses.
        """
        looks: dict[int, _Look] = {}
        for request, quality, result in zip(self._requests, qualities, results, strict=True):
            refused = self.gates.refuse(quality)
            if refused is None and result is None:
                raise ValueError(f"track {request.track} has no result though its crop passes the gates")
            if refused is None and result is not None and float(np.max(result)) < self.gates.confidence:
                refused = Abstention.LOW_CONFIDENCE
            looks[request.track] = _Look(quality, result, refused)
        flips = sum(self._read(track, look) for track, look in looks.items())
        faces = [self._face(face, looks.get(face.track)) for face in self._faces]
        skipped = merge_skips(self._carried, frame.skipped)
        self._carried = {}
        return Seen(faces, skipped, _stats(faces, flips))

    def skip(self, frame: Frame, reason: Skip) -> None:
        """`frame` gets no event: it and what was skipped before it are told with the run's next record."""
        self._carried = merge_skips(self._carried, frame.skipped, {reason.value: 1})

    def carry(self, change: StateChange) -> StateChange:
        """`change` with what was skipped in the pipeline since the run's last event."""
        carried, self._carried = self._carried, {}
        return dataclasses.replace(change, skipped=merge_skips(carried, change.skipped)) if carried else change

    def _read(self, track: int, look: _Look) -> bool:
        """Smooth one reading; True if the stable label changed."""
        smoother = self._smoothers.setdefault(track, Smoother(self._smoothing))
        if look.refused is not None or look.result is None:
            smoother.refuse(self._time.now)
            return False
        return smoother.update(look.result, self.gates.weight(look.quality), self._time.now)

    def _face(self, face: TrackedFace, look: _Look | None) -> schema.Face:
        smoother = self._smoothers.get(face.track)
        fresh = look.result if look is not None and look.refused is None else None
        age = None if smoother is None else smoother.age(self._time.now)
        return schema.Face(
            track=face.track,
            box=_xywh(face.box),
            score=round(face.score, 4),
            emotion=None if fresh is None else _emotion(fresh),
            stable=None if smoother is None else _stable(smoother, self._time.now),
            emotion_age_s=None if age is None else round(age, 3),
            abstained=None if look is None or look.refused is None else look.refused.value,
            quality=None if look is None else _quality(look.quality),
        )


def _xywh(box: Box) -> tuple[float, float, float, float]:
    return round(box.x_min, 1), round(box.y_min, 1), round(box.width, 1), round(box.height, 1)


def _emotion(probabilities: Probabilities) -> schema.Emotion:
    values = [round(p, 4) for p in probabilities.tolist()]
    first = int(np.argmax(probabilities))
    return schema.Emotion(
        label=cast(schema.EmotionName, EMOTIONS[first]),
        confidence=values[first],
        probabilities=schema.Probabilities(**dict(zip(EMOTIONS, values, strict=True))),
    )


def _stable(smoother: Smoother, now: float) -> schema.Stable | None:
    stable = smoother.stable(now)
    if stable is None:
        return None
    return schema.Stable(
        label=cast(schema.EmotionName, EMOTIONS[stable.label]),
        confidence=round(stable.confidence, 4),
        since_s=round(stable.since_s, 3),
    )


def _quality(quality: Quality) -> schema.Quality:
    return schema.Quality(
        size_px=round(quality.size_px, 1),
        sharpness=round(quality.sharpness, 3),
        brightness=round(quality.brightness, 3),
    )


def _stats(faces: list[schema.Face], flips: int) -> Stats:
    emotions = Counter[str](face.emotion.label for face in faces if face.emotion is not None)
    abstentions = Counter[str](face.abstained for face in faces if face.abstained is not None)
    return Stats(len(faces), emotions, abstentions, flips)
