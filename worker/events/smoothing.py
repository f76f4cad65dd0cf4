"""The stable emotion of one track: smoothed log-probabilities and hysteresis, with every constant in seconds.

Smoothing of frame scores is the largest cheap gain in video (up to +7 % F1: Savchenko, arXiv 2407.13184); peers count
frames instead of seconds, so that their labels change with the frame rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from worker.face import EMOTIONS

Floats = npt.NDArray[np.float64]

_FLOOR = 1e-4  # a probability of 0 would outweigh everything in logarithms
_CLOCK_SLACK_S = 0.02  # a reading that comes a little early counts as on time: camera clocks jitter
_SURPRISE = EMOTIONS.index("surprise")


@dataclass(frozen=True, slots=True)
class SmoothingRule:
    """Constants of smoothing.

    Attributes:
        half_life_s: after this long with full weight, old readings count half.
        restart_s: a pause between readings from which on the old ones count nothing.
        lead: smoothed probability by which another label must lead to take over ...
        lead_for_s: ... and for how long without a break.
        dwell_s: a label stands at least this long; surprise, which is short, may come and go faster.
        forget_s: age of the last reading at which a refused face loses its stable label.
    """

    half_life_s: float = 0.4
    restart_s: float = 1.0
    lead: float = 0.15
    lead_for_s: float = 0.25
    dwell_s: float = 0.4
    forget_s: float = 2.0


@dataclass(frozen=True, slots=True)
class StableLabel:
    """`label` indexes `EMOTIONS`; `confidence` is its smoothed score (uncalibrated); it has stood for `since_s`."""

    label: int
    confidence: float
    since_s: float


class Smoother:
    """Readings of one track become its stable label. Times are seconds of the stream's own clock, rising."""

    def __init__(self, rule: SmoothingRule) -> None:
        self._rule = rule
        self._log: Floats = np.zeros(len(EMOTIONS))
        self._read_at: float | None = None
        self._label: int | None = None
        self._since = 0.0
        self._rival: int | None = None
        self._rival_since = 0.0

    def update(self, probabilities: npt.NDArray[np.floating], weight: float, now: float) -> bool:
        """Take a fresh reading; True if the stable label changed from one emotion to another.

        Args:
            probabilities: (7,) calibrated, in the order of `EMOTIONS`.
            weight: 0..1, how much the reading counts (its quality).
            now: seconds.
        """
        fresh = np.log(np.maximum(np.asarray(probabilities, np.float64), _FLOOR))
        pause = np.inf if self._read_at is None else now - self._read_at
        if pause > self._rule.restart_s + _CLOCK_SLACK_S:
            self._log = fresh
        else:
            kept = 0.5 ** (weight * pause / self._rule.half_life_s)
            self._log = kept * self._log + (1 - kept) * fresh
        self._read_at = now
        return self._settle(now)

    def refuse(self, now: float) -> None:
        """The face was looked at and refused: the stable label stands until its last reading is too old."""
        age = self.age(now)
        if age is not None and age >= self._rule.forget_s - _CLOCK_SLACK_S:
            self._label = self._rival = None

    def age(self, now: float) -> float | None:
        """Seconds since the last reading; None before the first."""
        return None if self._read_at is None else max(0.0, now - self._read_at)

    def stable(self, now: float) -> StableLabel | None:
        """The stable label as it stands at `now`."""
        if self._label is None:
            return None
        return StableLabel(self._label, float(self._smoothed()[self._label]), max(0.0, now - self._since))

    def _smoothed(self) -> Floats:
        scores = np.exp(self._log - self._log.max())
        smoothed: Floats = scores / scores.sum()
        return smoothed

    def _settle(self, now: float) -> bool:
        """Apply the hysteresis; True if one emotion gave way to another."""
        smoothed = self._smoothed()
        first = int(smoothed.argmax())
        if self._label is None:
            self._label, self._since, self._rival = first, now, None
            return False
        if smoothed[first] - smoothed[self._label] <= self._rule.lead:
            self._rival = None
            return False
        if first != self._rival:
            self._rival, self._rival_since = first, now
        led_long_enough = now - self._rival_since >= self._rule.lead_for_s - _CLOCK_SLACK_S
        stood_long_enough = now - self._since >= self._rule.dwell_s - _CLOCK_SLACK_S
        if not led_long_enough or not (stood_long_enough or _SURPRISE in (first, self._label)):
            return False
        self._label, self._since, self._rival = first, now, None
        return True
