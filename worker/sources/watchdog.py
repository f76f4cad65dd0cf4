"""One thread that looks after all live streams from outside the video library."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from worker.clock import Clock

TICK_S = 0.25


class Watched(Protocol):
    """What can be looked after (a `SourceThread`)."""

    def tick(self) -> None: ...


class Watchdog:
    """Calls `tick` of every stream four times a second. The library's own time-outs are not to be trusted."""

    def __init__(
        self,
        streams: Callable[[], Iterable[Watched]],
        clock: Clock,
        beat: Callable[[float], None],
        died: Callable[[BaseException], None],
    ) -> None:
        """`streams` gives the streams of the moment; `beat` is told the monotonic time of each round."""
        self._streams = streams
        self._clock = clock
        self._beat = beat
        self._died = died
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._main, name="source-watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End the thread; True if it ended within `timeout_s`."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _main(self) -> None:
        try:
            while not self._clock.wait(self._stopping, TICK_S):
                self._round()
                self._beat(self._clock.monotonic())
        except Exception as error:  # noqa: BLE001 - the thread's outermost loop: the owner is told and stops the worker
            self._died(error)

    def _round(self) -> None:
        """In a frame of its own: the last stream that was looked at may be removed, and is not held until the next."""
        for stream in self._streams():
            stream.tick()
