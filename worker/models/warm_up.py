"""Running a model once before frames come: compiles what is compiled late, and times it for the capacity warning."""

from __future__ import annotations

import time
from collections.abc import Callable

REPEATS = 3


def seconds_of(call: Callable[[], object]) -> float:
    """Run `call` once unmeasured, then the shortest of three times in seconds (the machine may be busy)."""
    call()
    durations = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        durations.append(time.perf_counter() - start)
    return min(durations)
