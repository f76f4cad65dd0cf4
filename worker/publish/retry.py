"""How long to wait before the same is sent again."""

from __future__ import annotations

_FIRST = 0.2  # seconds
_LAST = 5.0  # seconds


def retry_delay(failures: int, jitter: float) -> float:
    """Seconds before the next try after `failures` (>= 1) in a row: 0.2 doubling to 5, times 0.5 to 1.

    `jitter` in 0..1 spreads the workers that lost the same server.
    """
    delay = min(_LAST, _FIRST * 2.0 ** min(failures - 1, 10))
    return max(_FIRST, delay * (0.5 + 0.5 * jitter))
