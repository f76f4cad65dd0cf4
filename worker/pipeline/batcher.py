"""Gathers the frames of one batch over all streams: fair among cameras, one input shape a batch, never waits for one.

The live stream that was served longest ago comes first (the oldest *frame* first would starve most of thirty equal
cameras, `tests/unit/pipeline/test_fairness.py`). At most one frame of a live stream is in a batch; streams that may
wait fill what is left, and have at least one place in eight while one of them has something.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from worker.frame import Frame, Notice
from worker.pipeline.mailbox import Mailbox
from worker.pipeline.ports import Outbox

Shape = tuple[int, int]
WAIT_SHARE = 8
"""One place in this many is kept for streams that wait."""


@dataclass(slots=True)
class Lane:
    """A stream's way through the hall: where its frames wait and where its records go."""

    stream: str
    mailbox: Mailbox
    outbox: Outbox
    served: int = 0  # number of the batch that last held a frame of this stream

    @property
    def live(self) -> bool:
        return self.mailbox.policy == "keep_latest"


@dataclass(slots=True)
class Batch:
    """Frames of one input shape, each with its lane, in the order in which they are to be told."""

    frames: list[tuple[Lane, Frame]] = field(default_factory=list)
    notices: list[tuple[Lane, Notice]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.frames or self.notices)


class Batcher:
    """Takes from mailboxes. Owned by the inference thread."""

    def __init__(self, max_batch: int) -> None:
        self._max_batch = max_batch
        self._number = 0

    def gather(self, lanes: Iterable[Lane]) -> Batch:
        """The next batch: all notices that are due, and up to `max_batch` frames of one shape, each with a credit."""
        lanes = sorted(lanes, key=lambda lane: lane.served)
        batch = Batch(notices=[(lane, notice) for lane in lanes for notice in lane.mailbox.take_notices()])
        live = [lane for lane in lanes if lane.live]
        waiting = [lane for lane in lanes if not lane.live]
        self._number += 1
        shape = self._next_shape(live, waiting)
        if shape is None:
            return batch
        kept = -(-self._max_batch // WAIT_SHARE) if self._waits(waiting, shape) else 0
        self._fill(batch, self._due(live), shape, self._max_batch - kept)
        only_kept = any(lane.mailbox.waiting for lane in live)
        self._fill_repeatedly(batch, waiting, shape, len(batch.frames) + kept if only_kept else self._max_batch)
        self._fill(batch, self._due([lane for lane in live if lane.served < self._number]), shape, self._max_batch)
        return batch

    def _due(self, live: list[Lane]) -> list[Lane]:
        """The half of the lanes with a frame that was served longest ago, at least a batch.

        Without this, a shape that few cameras have would come round more often than one that many have.
        """
        ready = [lane for lane in live if lane.mailbox.waiting]
        return ready[: max(self._max_batch, len(ready) // 2)]

    def _next_shape(self, live: list[Lane], waiting: list[Lane]) -> Shape | None:
        """Shape of the frame whose lane was served longest ago; every eighth batch streams that wait come first."""
        ordered = sorted(live + waiting, key=lambda lane: lane.served)
        if self._number % WAIT_SHARE == 0:
            ordered = waiting + live
        for lane in ordered:
            frame = lane.mailbox.next_frame()
            if frame is not None and lane.outbox.reserve():
                lane.outbox.cancel_reservation()
                return frame.shape
        return None

    def _waits(self, waiting: list[Lane], shape: Shape) -> bool:
        """Whether streams that wait have a frame of this shape and a place in this batch (of one: each eighth)."""
        if self._max_batch == 1 and self._number % WAIT_SHARE:
            return False
        frames = [lane.mailbox.next_frame() for lane in waiting]
        return any(frame is not None and frame.shape == shape for frame in frames)

    def _fill_repeatedly(self, batch: Batch, lanes: list[Lane], shape: Shape, limit: int) -> None:
        """Add frames of `lanes` in turns until the batch has `limit` or none has more."""
        while len(batch.frames) < limit:
            before = len(batch.frames)
            self._fill(batch, lanes, shape, limit)
            if len(batch.frames) == before:
                return

    def _fill(self, batch: Batch, lanes: list[Lane], shape: Shape, limit: int) -> None:
        """Add at most one frame of each lane while the batch is below `limit`."""
        for lane in lanes:
            if len(batch.frames) >= limit:
                return
            if not lane.mailbox.waiting or not lane.outbox.reserve():
                continue
            frame = lane.mailbox.take(shape)
            if frame is None:
                lane.outbox.cancel_reservation()
                continue
            lane.served = self._number
            batch.frames.append((lane, frame))
