"""One rising clock for a stream, made of media time where it can be trusted and of arrival time elsewhere."""

from __future__ import annotations

from worker.frame import Frame

_AHEAD_S = 2.0  # media time of a live stream may run ahead of arrival by this much before it counts as a jump
_LATE_S = 5.0  # what was filmed may arrive so much later than the first frame did before its media time counts as slow
_FAR_S = 30.0  # further from the arrival, media time is not used
_BACK_S = 1.0  # media time of a file may step back by this much (overlapping parts) before it counts as a jump
_FIRST_STEP_S = 0.04


class StreamTime:
    """Seconds since the stream's first frame; never falls."""

    def __init__(self) -> None:
        self.now = 0.0
        self._last: Frame | None = None
        self._usual_step = _FIRST_STEP_S
        self._zero = 0.0  # arrival of the moment 0, by the first frame of this run

    def advance(self, frame: Frame) -> bool:
        """Move on to `frame`; False if time jumped, so that nothing before says anything of this frame."""
        last, self._last = self._last, frame
        if last is None or last.run != frame.run:
            self._zero = frame.arrived - self.now
            return last is None
        media = None if frame.pts_s is None or last.pts_s is None else frame.pts_s - last.pts_s
        if frame.live:
            arrival = max(0.0, frame.arrived - last.arrived)
            step = media if media is not None and 0 < media <= arrival + _AHEAD_S else arrival
            self.now += self._towards(frame.arrived - self._zero, step, arrival)
            return True
        # Of a file the arrival says how fast we are, not what was filmed: without media time, steps repeat.
        if media is not None and media > 0:
            self._usual_step = media
        self.now += self._usual_step
        return media is None or media > -_BACK_S

    def _towards(self, elapsed: float, step: float, arrival: float) -> float:
        """The step that keeps near the arrival at `elapsed`, at most twice and at least half of what media time says.

        A camera's clock may run slow or fast (night mode, a crystal). No step jumps: a network that gives late what it
        held back took no picture away.
        """
        late = elapsed - (self.now + step)
        if abs(late) > _FAR_S:
            return arrival
        if late > _LATE_S:
            return min(2 * step, step + late - _LATE_S)
        if late < -_AHEAD_S:
            return max(step / 2, step + late + _AHEAD_S)
        return step
