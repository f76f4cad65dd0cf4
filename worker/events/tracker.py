"""ByteTrack (Zhang et al., ECCV 2022, arXiv 2110.06864) of our own, with a motion model in seconds.

Sure detections are matched first, then faint ones to what is left of the sure tracks: a face that is turning away keeps
its track, and a faint false face never starts one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from worker.events.tracks import TRACK, Floats, Tracks, correct, match, predict, start
from worker.face import Box, Detection

_SLACK_S = 1e-3


@dataclass(frozen=True, slots=True)
class TrackerRule:
    """Constants of tracking.

    Attributes:
        sure: score from which on a detection may start a track.
        faint: score from which on a detection may continue one.
        overlap: least overlap of grown boxes, for sure detections; `faint_overlap` for faint ones.
        confirm_s: a track is confirmed when it is seen again this long after its first detection, or later.
        confirm_share: and when it has been seen on at least this share of the frames since, of which those of `keep_s`
            ago count 1/e (after the rule of M in N scans of radar tracking, Bar-Shalom and Li 1995): what flickers
            on a picture without faces stays unconfirmed.
        keep_s: a track unseen for this long, plus one and a half of the stream's usual steps, is given up.
    """

    sure: float = 0.5
    faint: float = 0.1
    overlap: float = 0.2
    faint_overlap: float = 0.4
    confirm_s: float = 0.2
    confirm_share: float = 0.5
    keep_s: float = 1.0


class TrackedFace(NamedTuple):
    """A detection of this frame with its track's number, which counts from 1 and is never used again."""

    track: int
    box: Box
    score: float
    confirmed: bool


class Tracker:
    """Gives the faces of one stream numbers that last. Owned by one thread; `now` never falls."""

    def __init__(self, rule: TrackerRule) -> None:
        self._rule = rule
        self._tracks: Tracks = np.zeros(0, TRACK)
        self._last_id = 0
        self._now: float | None = None
        self._usual_step = 0.0

    def update(self, detections: Sequence[Detection], now: float) -> list[TrackedFace]:
        """The faces of a frame at `now` (s): every sure detection, and each faint one that continues a sure track."""
        self._advance(now)
        boxes = np.array([d.box for d in detections], np.float64).reshape(-1, 4)
        scores = np.array([d.score for d in detections], np.float64)
        sure = np.flatnonzero(scores >= self._rule.sure)
        faint = np.flatnonzero((scores >= self._rule.faint) & (scores < self._rule.sure))
        everyone = np.arange(len(self._tracks))
        pairs = match(self._tracks, everyone, boxes, sure, self._rule.overlap)
        taken = {track for track, _ in pairs}
        left = np.array([t for t in everyone if t not in taken and self._tracks["confirmed"][t]], np.int64)
        pairs += match(self._tracks, left, boxes, faint, self._rule.faint_overlap)
        self._correct(pairs, boxes, now)
        found = {detection: track for track, detection in pairs}
        for detection in sure:
            if int(detection) not in found:
                found[int(detection)] = self._start(boxes[detection], now)
        return [
            TrackedFace(
                int(self._tracks["id"][track]),
                detections[detection].box,
                detections[detection].score,
                bool(self._tracks["confirmed"][track]),
            )
            for detection, track in sorted(found.items())
        ]

    def alive(self) -> set[int]:
        """Numbers of the tracks that may still be continued."""
        return set(self._tracks["id"].tolist())

    def reset(self) -> None:
        """Give up all tracks (time jumped, or another run began); numbers go on."""
        self._tracks = self._tracks[:0]

    def rescale(self, x: float, y: float) -> None:
        """The picture changed its resolution by these factors: the faces stay where they are in the scene."""
        for name in ("centre", "velocity", "size"):
            self._tracks[name] *= (x, y)

    def _advance(self, now: float) -> None:
        """Give up what has been unseen for too long and predict the rest (Kalman filter, constant velocity)."""
        step = 0.0 if self._now is None else now - self._now
        self._now = now
        # A single long pause must not count as the stream's usual pace: hence the bound.
        self._usual_step = 0.9 * self._usual_step + 0.1 * min(step, 2 * self._usual_step) if self._usual_step else step
        keep_s = self._rule.keep_s + 1.5 * self._usual_step
        self._tracks = self._tracks[now - self._tracks["seen"] <= keep_s + _SLACK_S]
        faded = np.exp(-step / self._rule.keep_s)
        self._tracks["frames"] = faded * self._tracks["frames"] + 1
        self._tracks["hits"] *= faded
        predict(self._tracks, step, self._tracks["seen"] < now - step - _SLACK_S)

    def _correct(self, pairs: list[tuple[int, int]], boxes: Floats, now: float) -> None:
        if not pairs:
            return
        rows, columns = np.array(pairs, np.int64).T
        correct(self._tracks, rows, boxes[columns], now)
        lasted = self._tracks["seen"] - self._tracks["born"] >= self._rule.confirm_s - _SLACK_S
        steady = self._tracks["hits"] >= self._rule.confirm_share * self._tracks["frames"]
        self._tracks["confirmed"] |= lasted & steady

    def _start(self, box: Floats, now: float) -> int:
        self._last_id += 1
        self._tracks = np.concatenate([self._tracks, start(self._last_id, box, now)])
        return len(self._tracks) - 1
