"""Read a file at the pace of its media time."""

from __future__ import annotations

_BREAK_S = 10.0
_STEP_S = 0.04


class Pacer:
    """Says how long to wait before a frame is due.

    At a break in media time (backwards, or more than 10 s) the next frame is due after the usual step: a loop goes on.
    """

    def __init__(self) -> None:
        self._pts_s: float | None = None
        self._due = 0.0
        self._step_s = _STEP_S

    def wait_s(self, pts_s: float | None, now: float) -> float:
        """Seconds from `now` (monotonic) until the frame of media time `pts_s` is due.

        A reader that has fallen behind by more than a second starts afresh instead of rushing.
        """
        if self._pts_s is None:
            self._due = now
        elif pts_s is None or not 0 < pts_s - self._pts_s <= _BREAK_S:
            self._due += self._step_s
        else:
            self._step_s = pts_s - self._pts_s
            self._due += self._step_s
        self._pts_s = pts_s if pts_s is not None else (self._pts_s or 0.0) + _STEP_S
        if self._due < now - 1.0:
            self._due = now
        return max(0.0, self._due - now)
