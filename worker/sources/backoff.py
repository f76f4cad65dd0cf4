"""How long to wait before a source is opened again: pure functions of what has failed."""

from __future__ import annotations

from collections.abc import Callable

SHORTEST_S = 0.5
LONGEST_S = 30.0
DENIED_SHORTEST_S = 60.0
DENIED_LONGEST_S = 900.0
HEALTHY_S = 60.0
"""A run that delivered frames for this long wipes out what failed before it."""


def delay_s(failures: int, uniform: Callable[[float, float], float]) -> float:
    """Seconds to wait after the `failures`-th failure in a row (from 1).

    Exponential with full jitter (Brooker, "Exponential Backoff and Jitter", 2015), so that many cameras that went
    away together do not come back together: anywhere between 0.5 s and 1, 2, 4 ... 30 s.
    """
    return uniform(SHORTEST_S, min(LONGEST_S, SHORTEST_S * 2.0 ** min(failures, 16)))


def denied_delay_s(refusals: int, uniform: Callable[[float, float], float]) -> float:
    """Seconds to wait after the `refusals`-th refused password in a row (from 1).

    Cameras lock an account, or ban an address, after five to ten wrong passwords within minutes, for everybody. So
    the worker tries after 1, 2, 4, 8 and then every 15 minutes, each up to a quarter later.
    """
    longest = min(DENIED_LONGEST_S, DENIED_SHORTEST_S * 2.0 ** min(refusals - 1, 16))
    return uniform(longest, longest * 1.25)


class Backoff:
    """Counts the failures of one stream."""

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform = uniform
        self._failures = 0
        self._refusals = 0

    def failed(self, healthy_s: float, denied: bool = False) -> float:
        """Count one failure of a run that had delivered frames for `healthy_s`; returns the seconds to wait."""
        if healthy_s >= HEALTHY_S:
            self._failures = 0
        if denied:
            self._refusals += 1
            return denied_delay_s(self._refusals, self._uniform)
        self._refusals = 0
        self._failures += 1
        return delay_s(self._failures, self._uniform)
