"""One stream's records on their way out: bounded, in order, and exact about what had to be dropped.

Two policies, no more (design 3). `wait`: a producer takes a credit (one free place) before it starts a frame, so
nothing is ever dropped. `keep_latest`: the oldest frame record that is not in flight gives way, and a gap
`spool_full` stands in its place, with the number of decoded frames that it accounts for.

A spool on disk would take this class's place behind the same six verbs: `reserve`, `cancel_reservation`, `put`,
`take`, `settle`, `close`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from worker.draft import Draft
from worker.frame import Gap, GapCause

Policy = Literal["wait", "keep_latest"]
MissingSeq = tuple[int, int]
GapDraft = Callable[[Gap, MissingSeq | None], Draft]
"""Makes the record of a gap; `missing_seq` is the first and last number of records that Redis lost, or None."""


def _ignore() -> None:
    """Nobody listens yet."""


@dataclass(slots=True)
class _Hole:
    """A `spool_full` gap that may still grow. `frames` None: nobody can say how many any more."""

    run: str
    start: float
    end: float
    frames: int | None

    def absorb(self, other: _Hole) -> None:
        """Take in what was dropped after this hole. Frames of two runs cannot be told in one number."""
        two_runs = self.run != other.run and self.frames != 0 and other.frames != 0
        if self.frames == 0 or two_runs:
            self.run = other.run
        if self.frames is None or other.frames is None or two_runs:
            self.frames = None
        else:
            self.frames += other.frames
        self.start, self.end = min(self.start, other.start), max(self.end, other.end)


def _hole_of(entry: Draft | _Hole) -> _Hole:
    """What remains of an entry that is dropped. How many frames a gap stood for, only its writer knew."""
    if isinstance(entry, _Hole):
        return entry
    frames = None if entry.type.startswith("emotion.gap.") else entry.frames
    return _Hole(entry.run, entry.wall_s, entry.wall_s, frames)


def _is_frame(entry: Draft | _Hole) -> bool:
    return isinstance(entry, Draft) and entry.droppable


class PublishQueue:
    """The records of one stream between the study and the post. All methods may be called from any thread.

    Attributes:
        stream: the stream's id.
        policy: `wait` or `keep_latest`.
        capacity: places for frame records.
    """

    def __init__(
        self, stream: str, policy: Policy, capacity: int, gap_draft: GapDraft, *, max_notices: int = 256
    ) -> None:
        """
        Args:
            capacity: places for frame records, those in flight and reserved ones included; at least 2.
            max_notices: gaps and statuses that may wait; beyond that, neighbours become one gap `spool_full`.
        """
        if capacity < 2 or max_notices < 4:
            raise ValueError(f"a publish queue needs places for 2 frames and 4 notices, not {capacity}, {max_notices}")
        self.stream = stream
        self.policy = policy
        self.capacity = capacity
        self._max_notices = max_notices
        self._gap_draft = gap_draft
        self._lock = threading.Lock()
        self._waiting: deque[Draft | _Hole] = deque()
        self._flight: tuple[Draft, ...] = ()
        self._frames_waiting = 0
        self._frames_in_flight = 0
        self._reserved = 0
        self._dropped = 0
        self._closed = False
        self._held = False
        self._wake: Callable[[], None] = _ignore

    def on_put(self, wake: Callable[[], None]) -> None:
        """`wake` is called after every `put`, on the producer's thread: it must be quick."""
        self._wake = wake

    def reserve(self) -> bool:
        """Take a credit for one frame record. False where a `wait` queue has no free place, or is held.

        A closed one gives any number, so that nobody waits for what it would drop.
        """
        if self.policy == "keep_latest":
            return True
        with self._lock:
            if not self._closed and (self._held or self._places_taken() >= self.capacity):
                return False
            self._reserved += 1
            return True

    def cancel_reservation(self) -> None:
        """Give a credit back: no record comes of that frame."""
        if self.policy == "keep_latest":
            return
        with self._lock:
            if not self._reserved:
                raise RuntimeError(f"stream {self.stream}: a credit was given back that nobody had taken")
            self._reserved -= 1

    def put(self, draft: Draft) -> None:
        """Append a record. A frame record uses a credit (`wait`) or may push out the oldest one (`keep_latest`).

        On a closed queue a frame record is counted in `dropped`, and every record forgotten.
        """
        with self._lock:
            if draft.droppable and self.policy == "wait":
                if not self._reserved:
                    raise RuntimeError(f"stream {self.stream}: a frame record came without a credit")
                self._reserved -= 1
            if self._closed:
                self._dropped += draft.droppable
                return
            if draft.droppable:
                if self._places_taken() >= self.capacity:
                    self._drop_oldest_frame()
                self._frames_waiting += 1
            self._waiting.append(draft)
            if len(self._waiting) - self._frames_waiting > self._max_notices:
                self._merge_notices()
        self._wake()

    def take(self, limit: int) -> tuple[Draft, ...]:
        """The next records in order, at most `limit`; they stay in flight until `settle`.

        One place is always left outside the batch, so that there is a frame to drop.
        """
        with self._lock:
            if self._flight:
                raise RuntimeError(f"stream {self.stream}: a batch is in flight already")
            batch: list[Draft] = []
            while self._waiting and len(batch) < limit:
                frame = _is_frame(self._waiting[0])
                if frame and self._frames_in_flight >= self.capacity - 1:
                    break
                entry = self._waiting.popleft()
                self._frames_waiting -= frame
                self._frames_in_flight += frame
                batch.append(entry if isinstance(entry, Draft) else self._gap(entry))
            self._flight = tuple(batch)
            return self._flight

    def settle(self) -> None:
        """The batch in flight has arrived: its places are free."""
        with self._lock:
            self._flight = ()
            self._frames_in_flight = 0

    def hold(self, held: bool) -> None:
        """Give no credit while `held`: readers are behind. Credits that are out stay good."""
        with self._lock:
            self._held = held

    def close(self) -> None:
        """Nothing leaves any more (the stream is taken or refused): forget what waits, refuse what comes."""
        with self._lock:
            self._closed = True
            self._dropped += self._frames_waiting + self._frames_in_flight
            self._waiting.clear()
            self._flight = ()
            self._frames_waiting = self._frames_in_flight = 0

    @property
    def closed(self) -> bool:
        """Whether nothing leaves any more."""
        with self._lock:
            return self._closed

    @property
    def records(self) -> int:
        """Records that have not arrived yet: waiting and in flight."""
        with self._lock:
            return len(self._waiting) + len(self._flight)

    @property
    def frames(self) -> int:
        """Decoded frames that those records account for (gaps of unknown size count nothing)."""
        with self._lock:
            waiting = sum(entry.frames or 0 for entry in self._waiting)
            return waiting + sum(draft.frames for draft in self._flight)

    @property
    def dropped(self) -> int:
        """Frame records that will never arrive: pushed out by newer ones, or refused by a closed queue."""
        with self._lock:
            return self._dropped

    def _places_taken(self) -> int:
        return self._frames_waiting + self._frames_in_flight + self._reserved

    def _gap(self, hole: _Hole) -> Draft:
        gap = Gap(self.stream, hole.run, GapCause.SPOOL_FULL, hole.start, hole.end, hole.frames)
        return self._gap_draft(gap, None)

    def _drop_oldest_frame(self) -> None:
        at = next(i for i, entry in enumerate(self._waiting) if _is_frame(entry))
        dropped = _hole_of(self._waiting[at])
        before = self._waiting[at - 1] if at else None
        if isinstance(before, _Hole) and before.run == dropped.run:
            before.absorb(dropped)
            del self._waiting[at]
        else:
            self._waiting[at] = dropped
        self._frames_waiting -= 1
        self._dropped += 1

    def _merge_notices(self) -> None:
        """Make one hole of the older half of the longest stretch without frames. A stretch of one stays."""
        start, length = self._longest_stretch()
        if length < 2:
            return
        count = max(2, length // 2)
        entries = [self._waiting[start + i] for i in range(count)]
        hole = _hole_of(entries[0])
        for entry in entries[1:]:
            hole.absorb(_hole_of(entry))
        self._waiting[start] = hole
        for _ in range(count - 1):
            del self._waiting[start + 1]

    def _longest_stretch(self) -> tuple[int, int]:
        """Start and length of the longest run of neighbours that are no frames; the newest entry stays out of it."""
        best = (0, 0)
        start = 0
        for i, entry in enumerate(islice(self._waiting, len(self._waiting) - 1)):
            if _is_frame(entry):
                start = i + 1
            elif i + 1 - start > best[1]:
                best = (start, i + 1 - start)
        return best
