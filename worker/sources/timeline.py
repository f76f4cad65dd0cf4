"""A run's media time: rising over loops, its usual step, and the jumps that tell of lost frames."""

from __future__ import annotations

from collections import deque
from statistics import median

_STEPS = 31
_STEPS_NEEDED = 5
_JUMP_STEPS = 3.0
_DAMAGE_FRAMES = 32
"""Frames for which a damaged packet is remembered: it is seen before the frames that are reordered around it."""


class Timeline:
    """Keeps the media time of one run. Times are seconds; None where the container tells none."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._last: float | None = None
        self._highest: float | None = None
        self._starting = False
        self._steps: deque[float] = deque(maxlen=_STEPS)
        self._damage_left = 0

    def again(self) -> None:
        """The file starts again at its beginning: media time goes on from where it is."""
        self._starting = True

    def place(self, pts_s: float | None, damaged: bool) -> tuple[float | None, bool]:
        """Media time of the next frame, and whether frames were lost before it.

        Media time is what the container says, also where it jumps; only a loop adds the length of the passes so
        far. Frames were lost if something damaged came in shortly before and time jumps by more than three
        usual steps of this run (a jump alone is a variable frame rate).
        """
        self._damage_left = _DAMAGE_FRAMES if damaged else max(0, self._damage_left - 1)
        if pts_s is None:
            return None, False
        if self._starting:
            self._starting = False
            self._offset = 0.0 if self._highest is None else self._highest + self.step() - pts_s
            self._last = None
        media_s = pts_s + self._offset
        lost = self._lost(media_s)
        self._last = media_s
        self._highest = media_s if self._highest is None else max(self._highest, media_s)
        return media_s, lost

    def step(self) -> float:
        """The usual time from frame to frame: the median of the last 31 forward steps; 1/25 s until one is known."""
        return median(self._steps) if self._steps else 0.04

    def guess(self) -> float:
        """Where the next frame would be in media time if its container told none."""
        return 0.0 if self._last is None else self._last + self.step()

    def _lost(self, media_s: float) -> bool:
        if self._last is None:
            return False
        step = media_s - self._last
        known = len(self._steps) >= _STEPS_NEEDED
        lost = self._damage_left > 0 and known and step > _JUMP_STEPS * self.step()
        if lost:
            self._damage_left = 0
        elif step > 0:
            self._steps.append(step)
        return lost
