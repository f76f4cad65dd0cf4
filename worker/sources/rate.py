"""Thin a stream to a rate: a pure function of time."""

from __future__ import annotations

import math


class RateGrid:
    """Says which frames to take so that at most `max_fps` a second are taken, on a fixed grid of times.

    Each grid point is used up by the first frame at or after it. (Taking every frame that is at least 1 / max_fps
    younger than the last one taken turns 25 fps into 8.3, not 10.) The grid may lag behind time by two steps, so
    that a camera's jitter around exactly `max_fps` costs no frame; where time jumps ahead the grid is moved on by
    whole steps, where it jumps back it starts again.
    """

    def __init__(self, max_fps: float | None) -> None:
        self._step = math.inf if max_fps is None else 1.0 / max_fps
        self._all = max_fps is None
        self._due: float | None = None

    def wants(self, seconds: float) -> bool:
        """True if the frame of time `seconds` is to be taken. Times may jump in either direction."""
        if self._all:
            return True
        if self._due is None or seconds < self._due - self._step * 1.5:
            self._due = seconds
        late_steps = (seconds - self._due) / self._step
        if late_steps > 2:
            self._due += (math.floor(late_steps) - 1) * self._step
        if late_steps < -0.1:  # rounded time stamps come up to a tenth of a step early
            return False
        self._due += self._step
        return True
