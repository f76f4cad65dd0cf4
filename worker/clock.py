"""Time as a parameter: wall time, monotonic time, ULIDs and ISO 8601 text."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from datetime import UTC, datetime
from typing import Protocol

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Clock(Protocol):
    """Two clocks in one: `wall()` for what is told to people, `monotonic()` for durations; both in seconds."""

    def wall(self) -> float: ...

    def monotonic(self) -> float: ...

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until `event` is set or `seconds` are over; True if it was set."""
        ...


class SystemClock:
    """The machine's clocks."""

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(seconds)


def iso(wall_s: float) -> str:
    """`1764000000.123` as `2025-11-24T16:00:00.123Z` (UTC, milliseconds)."""
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ulid(wall_s: float) -> str:
    """A new ULID (26 characters, github.com/ulid/spec): 48 bits of milliseconds, 80 random bits."""
    return _ulid_text(int(wall_s * 1000), os.urandom(10))


def ulid_of(content: bytes) -> str:
    """A ULID-shaped id derived from `content` alone, so that the same file always gives the same run."""
    digest = hashlib.sha256(content).digest()
    return _ulid_text(int.from_bytes(digest[:6]), digest[6:16])


def _ulid_text(milliseconds: int, tail: bytes) -> str:
    value = ((milliseconds & (1 << 48) - 1) << 80) | int.from_bytes(tail)
    return "".join(_CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5))
