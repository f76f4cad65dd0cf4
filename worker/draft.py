"""A record before it has its number: the study writes drafts, the post numbers and sends them."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Draft:
    """A record without its identity.

    Attributes:
        stream: the stream's id.
        type: `emotion.frame.v1`, `emotion.gap.v1` or `emotion.status.v1`.
        body: the record's JSON object (UTF-8) without `type`, `id`, `stream`, `epoch`, `seq`; never empty.
        frames: decoded frames that this record accounts for: 1 + its skips for a frame, its skips for a
            status, 0 for a gap.
        run: run of the stream that the record belongs to.
        wall_s: wall time that the record speaks of (for the gap that replaces it if it has to be dropped).
        arrived: monotonic seconds of the frame's arrival (for latency); None for gaps and statuses.
        made: monotonic seconds at which the frame's record was made; None for gaps and statuses.
    """

    stream: str
    type: str
    body: bytes
    frames: int
    run: str
    wall_s: float
    arrived: float | None = None
    made: float | None = None

    @property
    def droppable(self) -> bool:
        """Only frames may be dropped under pressure; gaps and statuses never."""
        return self.type.startswith("emotion.frame.")

    def encode(self, epoch: int, seq: int) -> bytes:
        """The record as it is stored: UTF-8 JSON with its identity first."""
        stream = json.dumps(self.stream)
        identity = f'{stream[:-1]}/{epoch}/{seq}"'
        head = f'{{"type":"{self.type}","id":{identity},"stream":{stream},"epoch":{epoch},"seq":{seq},'
        return head.encode() + self.body[1:]
