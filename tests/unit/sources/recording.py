"""A sink that remembers what it was given, in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tests.unit.sources.counter import number_of
from worker.frame import Frame, Gap, Notice, State, StateChange


class Recording:
    """Keeps everything; `until` waits for what a test needs to see. Each frame holds its source up `slowness_s`."""

    def __init__(self) -> None:
        self.items: list[Frame | Notice] = []
        self.closed = False
        self.slowness_s = 0.0
        self._changed = threading.Condition()

    def wait_for_room(self) -> None:
        pass

    def frame(self, frame: Frame) -> bool:
        time.sleep(self.slowness_s)
        with self._changed:
            if self.closed:
                return False
            self.items.append(frame)
            self._changed.notify_all()
            return True

    def notice(self, notice: Notice) -> None:
        with self._changed:
            self.items.append(notice)
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self.closed = True

    def until(self, seen: Callable[[], bool], seconds: float = 15.0) -> None:
        """Wait until `seen()`; the test fails after `seconds`, showing what was told."""
        with self._changed:
            assert self._changed.wait_for(seen, seconds), self.told()

    @property
    def frames(self) -> list[Frame]:
        return [item for item in self.items if isinstance(item, Frame)]

    @property
    def changes(self) -> list[StateChange]:
        return [item for item in self.items if isinstance(item, StateChange)]

    @property
    def states(self) -> list[State]:
        return [change.state for change in self.changes]

    @property
    def gaps(self) -> list[Gap]:
        return [item for item in self.items if isinstance(item, Gap)]

    @property
    def runs(self) -> list[str]:
        """Runs that had frames, in order."""
        return list(dict.fromkeys(frame.run for frame in self.frames))

    def numbers(self, run: str | None = None) -> list[int]:
        """The numbers painted into the frames (of one run)."""
        return [number_of(frame.luma) for frame in self.frames if run in (None, frame.run)]

    def told(self) -> str:
        """All items but frames, and how many frames stood between them."""
        lines, count = [], 0
        for item in [*self.items, None]:
            if isinstance(item, Frame):
                count += 1
                continue
            if count:
                lines.append(f"{count} frames")
                count = 0
            lines.append(str(item))
        return "\n".join(lines)

    def check_ledger(self) -> None:
        """In each run index(k) - index(k-1) = 1 + skipped(k), and one record at most closes it."""
        for run in dict.fromkeys(item.run for item in self.items):
            index = -1
            for frame in (frame for frame in self.frames if frame.run == run):
                assert frame.index == index + 1 + sum(frame.skipped.values())
                index = frame.index
            closing = [change for change in self.changes if change.run == run and change.closes_run]
            assert len(closing) <= 1
