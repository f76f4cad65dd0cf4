"""What happened in one clip or photo, track by track: the material of the timeline and the report."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np

from worker.events import schema
from worker.face import EMOTIONS, Abstention
from worker.frame import Frame, Pixels

_LONGEST_STEP_S = 2.0
_FLEETING_S = 0.3
_FACE_PX = 112
_FACE_MARGIN = 1.5
_REASONS = tuple(reason.value for reason in Abstention)
_UNREAD = (math.nan,) * len(EMOTIONS)


class Moment(NamedTuple):
    """A track on one frame, which stands for the time until the next frame.

    `probabilities` in the order of `worker.face.EMOTIONS`; None where nothing was read. `abstained`: why.
    """

    at_s: float
    lasts_s: float
    stable: str | None
    probabilities: tuple[float, ...] | None
    abstained: str | None


@dataclass(slots=True)
class TrackStory:
    """One person, as far as the tracker held on to them. Hours fit: a moment takes 43 bytes.

    `face`: the best view, (112, 112) uint8 gray.
    """

    number: int
    face: Pixels | None = None
    worth: float = -1.0
    seen_s: float = 0.0
    _at: array[float] = field(default_factory=lambda: array("d"))
    _lasts: array[float] = field(default_factory=lambda: array("f"))
    _stable: array[int] = field(default_factory=lambda: array("b"))
    _abstained: array[int] = field(default_factory=lambda: array("b"))
    _probabilities: array[float] = field(default_factory=lambda: array("f"))

    def add(self, moment: Moment) -> None:
        """Take the next moment."""
        self.seen_s += moment.lasts_s
        self._at.append(moment.at_s)
        self._lasts.append(moment.lasts_s)
        self._stable.append(-1 if moment.stable is None else EMOTIONS.index(moment.stable))
        self._abstained.append(-1 if moment.abstained is None else _REASONS.index(moment.abstained))
        self._probabilities.extend(moment.probabilities or _UNREAD)

    @property
    def moments(self) -> Iterator[Moment]:
        """All moments, in order."""
        return map(self._moment, range(len(self._at)))

    @property
    def span(self) -> tuple[float, float]:
        """When it came and when it was seen last, in seconds."""
        return self._at[0], self._at[-1] + self._lasts[-1]

    def _moment(self, place: int) -> Moment:
        stable, abstained = self._stable[place], self._abstained[place]
        read = self._probabilities[place * len(EMOTIONS) : (place + 1) * len(EMOTIONS)]
        return Moment(
            self._at[place],
            self._lasts[place],
            None if stable < 0 else EMOTIONS[stable],
            None if math.isnan(read[0]) else tuple(read),
            None if abstained < 0 else _REASONS[abstained],
        )

    def seconds(self) -> dict[str, float]:
        """Seconds of each stable emotion, the longest first."""
        total: dict[str, float] = {}
        for moment in self.moments:
            if moment.stable is not None:
                total[moment.stable] = total.get(moment.stable, 0.0) + moment.lasts_s
        return dict(sorted(total.items(), key=lambda item: -item[1]))

    def silences(self) -> dict[str, float]:
        """Seconds of each reason for saying nothing, the longest first."""
        total: dict[str, float] = {}
        for moment in self.moments:
            if moment.stable is None and moment.abstained is not None:
                total[moment.abstained] = total.get(moment.abstained, 0.0) + moment.lasts_s
        return dict(sorted(total.items(), key=lambda item: -item[1]))


class Story:
    """Adds up the events of one source.

    Attributes:
        name: the file's name.
        photo: it is a picture, not a clip.
        tracks: all tracks by number.
        frames, frames_with_faces: how many there were.
        seconds: of the clip, as far as it was read.
    """

    def __init__(self, name: str, photo: bool) -> None:
        self.name = name
        self.photo = photo
        self.tracks: dict[int, TrackStory] = {}
        self.frames = 0
        self.frames_with_faces = 0
        self.seconds = 0.0
        self._last: schema.FrameEvent | None = None
        self._step_s = 0.0

    def add(self, frame: Frame, event: schema.FrameEvent) -> None:
        """Take the next frame with its event."""
        if self._last is not None:
            step = (event.frame.pts_s or 0.0) - (self._last.frame.pts_s or 0.0)
            self._step_s = step if 0 < step <= _LONGEST_STEP_S else 0.0
            self._tell(self._last)
        self._last = event
        self.frames += 1
        self.frames_with_faces += bool(event.faces)
        for face in event.faces:
            self._look(frame, face)

    def close(self) -> None:
        """The last frame stands for as long as the one before it."""
        if self._last is not None:
            self._tell(self._last)
            self._last = None

    def lasting(self) -> list[TrackStory]:
        """Tracks that were more than a flicker, in the order in which they came; of a photo: all."""
        return [track for track in self.tracks.values() if self.photo or track.seen_s >= _FLEETING_S]

    def _tell(self, event: schema.FrameEvent) -> None:
        at_s = event.frame.pts_s or 0.0
        self.seconds = max(self.seconds, at_s + self._step_s)
        for face in event.faces:
            read = None if face.emotion is None else face.emotion.probabilities
            probabilities = None if read is None else tuple(getattr(read, name) for name in EMOTIONS)
            stable = face.stable.label if face.stable else None
            moment = Moment(at_s, self._step_s, stable, probabilities, face.abstained)
            self.tracks[face.track].add(moment)

    def _look(self, frame: Frame, face: schema.Face) -> None:
        """Keep the best view of each track: large and sharp, and read rather than refused."""
        track = self.tracks.setdefault(face.track, TrackStory(face.track))
        quality = face.quality
        worth = 0.0 if quality is None else quality.size_px * quality.sharpness * (0.25 if face.abstained else 1.0)
        if worth > track.worth:
            track.worth, track.face = worth, _view(frame.luma, face.box)


def _view(luma: Pixels, box: tuple[float, float, float, float]) -> Pixels:
    """The square around a box with some room, (112, 112) uint8; edges are repeated outside the picture."""
    x, y, width, height = box
    side = max(8, round(max(width, height) * _FACE_MARGIN))
    left, top = round(x + width / 2 - side / 2), round(y + height / 2 - side / 2)
    rows = np.clip(np.arange(top, top + side), 0, luma.shape[0] - 1)
    columns = np.clip(np.arange(left, left + side), 0, luma.shape[1] - 1)
    method = cv2.INTER_AREA if side > _FACE_PX else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(luma[np.ix_(rows, columns)], (_FACE_PX, _FACE_PX), interpolation=method), np.uint8)
