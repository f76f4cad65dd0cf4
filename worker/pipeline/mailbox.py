"""Where a stream's frames wait for the inference thread: one mailbox a stream, two policies.

`keep_latest` (live): at most one frame waits; a newer one replaces it, and the newer one carries the count of what it
replaced (`superseded`). `wait` (files): a bounded number waits and the source is held, so that nothing is lost.
Notices (state changes, gaps) keep their place between the frames and are never dropped.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from worker.frame import Frame, Notice, Skip, StateChange, merge_skips

Policy = Literal["keep_latest", "wait"]


class Bell:
    """Wakes the inference thread: any mailbox or publish queue rings it when there may be something to do."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rung = 0

    def ring(self) -> None:
        """Wake the one who waits; a ring before the wait is not lost."""
        with self._condition:
            self._rung += 1
            self._condition.notify_all()

    def wait(self, heard: int, seconds: float) -> int:
        """Wait until the bell has been rung more than `heard` times, at most `seconds`; returns the count now."""
        with self._condition:
            self._condition.wait_for(lambda: self._rung > heard, seconds)
            return self._rung


class Mailbox:
    """One stream's place to wait. The source thread puts, the inference thread takes; any thread may close."""

    def __init__(
        self,
        policy: Policy,
        capacity: int,
        ring: Callable[[], None],
        skipped: Callable[[Skip, int], None],
    ) -> None:
        """`capacity`: frames that may wait under `wait`. `skipped` is told the reason and number of dropped frames."""
        self.policy = policy
        self._capacity = capacity
        self._ring = ring
        self._skipped = skipped
        self._items: deque[Frame | Notice] = deque()
        self._frames = 0
        self._closed = False
        self._changed = threading.Condition()

    def wait_for_room(self) -> None:
        """Under `wait`, block until there is room or the mailbox is closed; `frame` does not block after it."""
        with self._changed:
            self._changed.wait_for(self._takes)

    def frame(self, frame: Frame) -> bool:
        """Put a frame. Under `wait` blocks until there is room. False: the mailbox is closed, the frame was refused."""
        with self._changed:
            self._changed.wait_for(self._takes)
            if self._closed:
                return False
            superseded = self.policy == "keep_latest" and self._frames > 0
            if superseded:
                frame = self._supersede(frame)
            self._items.append(frame)
            self._frames += 1
        if superseded:
            self._skipped(Skip.SUPERSEDED, 1)
        self._ring()
        return True

    def notice(self, notice: Notice) -> None:
        """Put a notice behind all that waits; never blocks, also when closed (a stream's last word is a notice)."""
        with self._changed:
            self._items.append(notice)
        self._ring()

    def _takes(self) -> bool:
        return self.policy == "keep_latest" or self._closed or self._frames < self._capacity

    def _supersede(self, newer: Frame) -> Frame:
        """Take the waiting frame out; what comes next of its run carries its counts."""
        place = next(i for i, item in enumerate(self._items) if isinstance(item, Frame))
        run, counts = self._take_out(place, Skip.SUPERSEDED)
        return replace(newer, skipped=merge_skips(counts, newer.skipped)) if newer.run == run else newer

    def _take_out(self, place: int, reason: Skip) -> tuple[str, dict[str, int]]:
        """Drop the frame at `place`; its run's closing notice takes its counts if it is here. Returns run, counts."""
        frame = self._items[place]
        assert isinstance(frame, Frame)
        del self._items[place]
        self._frames -= 1
        lost = merge_skips(frame.skipped, {reason: 1})
        for i, item in enumerate(self._items):
            if isinstance(item, StateChange) and item.closes_run and item.run == frame.run:
                self._items[i] = replace(item, skipped=merge_skips(lost, item.skipped))
                break
        return frame.run, lost

    def abandon(self) -> int:
        """Close, and drop all frames that wait: their runs' closing notices count them as `stopping`; how many."""
        self.close()
        with self._changed:
            places = [i for i, item in enumerate(self._items) if isinstance(item, Frame)]
            for place in reversed(places):
                self._take_out(place, Skip.STOPPING)
        if places:
            self._skipped(Skip.STOPPING, len(places))
        self._ring()
        return len(places)

    def next_frame(self) -> Frame | None:
        """The frame that `take` would give, without taking it."""
        with self._changed:
            return next((item for item in self._items if isinstance(item, Frame)), None)

    def take_notices(self) -> list[Notice]:
        """Take the notices that stand before the next frame."""
        taken: list[Notice] = []
        with self._changed:
            while self._items:
                head = self._items[0]
                if isinstance(head, Frame):
                    break
                taken.append(head)
                self._items.popleft()
        return taken

    def take(self, shape: tuple[int, int]) -> Frame | None:
        """Take the next frame if it is at the head (`take_notices` first) and of this input shape (width, height)."""
        with self._changed:
            head = self._items[0] if self._items else None
            if not isinstance(head, Frame) or head.shape != shape:
                return None
            self._items.popleft()
            self._frames -= 1
            self._changed.notify_all()
        return head

    def close(self) -> None:
        """Refuse further frames and free a source that waits for room; what waits can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def empty(self) -> bool:
        with self._changed:
            return not self._items

    @property
    def waiting(self) -> int:
        """Frames that wait now."""
        with self._changed:
            return self._frames
