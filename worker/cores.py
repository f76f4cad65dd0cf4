"""How many CPU cores this process may use: fewer than the machine has in a container with a limit, or when pinned."""

from __future__ import annotations

import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(quota: Path = _QUOTA) -> float:
    """Cores, perhaps with a fraction: the least of the machine's, those that it is pinned to, and its cgroup's quota.

    `quota`: cpu.max of cgroup v2: microseconds of CPU time a period, or "max", and the period.
    """
    pinned = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = quota.read_text().split()
    except (OSError, ValueError):  # no cgroup v2 here
        return float(pinned)
    return float(pinned) if allowed == "max" else min(pinned, int(allowed) / int(period))
