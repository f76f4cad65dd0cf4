"""Which faces of a frame are looked at: by rule, never by load, so that the same video gives the same readings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from worker.events.tracker import TrackedFace
from worker.face import Box

_CLOCK_SLACK_S = 0.02  # a frame that comes a little early counts as on time: camera clocks jitter


class Reading(StrEnum):
    """How faces are chosen: by the rule of live streams, all of them (offline), or all and each frame by itself."""

    BY_RULE = "by_rule"
    EVERY = "every"
    PHOTOS = "photos"


@dataclass(frozen=True, slots=True)
class ReadingRule:
    """Constants of the choice.

    Attributes:
        period_s: a confirmed face is looked at again after this time ...
        same_box: ... or as soon as its box overlaps (IoU) the one last looked at by less than this.
    """

    period_s: float = 0.2
    same_box: float = 0.5


class Chooser:
    """Remembers when each track was looked at."""

    def __init__(self, reading: Reading, rule: ReadingRule) -> None:
        self._every = reading is not Reading.BY_RULE
        self._rule = rule
        self._looks: dict[int, tuple[float, Box]] = {}

    def choose(self, faces: Sequence[TrackedFace], now: float) -> list[TrackedFace]:
        """Those of `faces` that are looked at on this frame (`now` in s)."""
        chosen = [face for face in faces if self._every or (face.confirmed and self._due(face, now))]
        self._looks.update({face.track: (now, face.box) for face in chosen})
        return chosen

    def keep(self, alive: Collection[int]) -> None:
        """Forget all tracks but these."""
        self._looks = {track: look for track, look in self._looks.items() if track in alive}

    def _due(self, face: TrackedFace, now: float) -> bool:
        if face.track not in self._looks:
            return True
        looked_at, box = self._looks[face.track]
        return now - looked_at >= self._rule.period_s - _CLOCK_SLACK_S or face.box.iou(box) < self._rule.same_box
