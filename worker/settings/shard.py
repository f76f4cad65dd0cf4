"""Which worker of several takes a stream, when all read one common list.

Rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998): each stream goes
to the worker whose hash with it is highest. Going from n to n + 1 workers moves 1/(n + 1) of the streams, and taking
away the worker with the highest index moves only its own.
"""

from __future__ import annotations

import hashlib


def shard_of(stream: str, workers: int) -> int:
    """Index, 0 to `workers` - 1, of the worker that takes `stream`; the same on every machine."""

    def weight(index: int) -> bytes:
        return hashlib.blake2b(f"{index}/{stream}".encode(), digest_size=8).digest()

    return max(range(workers), key=weight)
