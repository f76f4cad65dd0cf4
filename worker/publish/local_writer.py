"""The same records without Redis: numbered here, one JSON line each, to a file or to standard output."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Protocol

from worker.clock import Clock
from worker.errors import OutputError
from worker.publish.queue import PublishQueue
from worker.publish.reports import PublishReports, Unsent, add_unsent

_BATCH = 256
_LONGEST_WAIT = 1.0  # seconds

_log = logging.getLogger(__name__)


class LineSink(Protocol):
    """Where lines go. Each method raises OutputError, whose message names the place and the reason.

    Attributes:
        epoch: the records' `epoch`; with `stream` and `seq` it makes their id.
    """

    epoch: int

    def write(self, lines: bytes) -> None:
        """Append whole lines."""

    def finish(self) -> None:
        """Everything was written: make it last."""

    def discard(self) -> None:
        """The work failed: leave nothing that looks whole."""


class LocalPublisher:
    """The verbs of `PublisherThread` (`add`, `remove`, `start`, `stop`, `join`) for a LineSink.

    Streams are numbered from 1, each for itself. Records of one stream keep their order.

    Attributes:
        heartbeat: monotonic seconds of the thread's last turn.
        unsent: after `join`: what could not be written, by stream.
    """

    def __init__(self, sink: LineSink, reports: PublishReports, clock: Clock) -> None:
        self._sink = sink
        self._reports = reports
        self._clock = clock
        self._lock = threading.Lock()
        self._coming: list[PublishQueue] = []
        self._going: list[PublishQueue] = []
        self._queues: list[PublishQueue] = []
        self._numbers: dict[str, int] = {}
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._deadline = 0.0
        self.heartbeat = clock.monotonic()
        self.unsent: Mapping[str, Unsent] = {}
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def add(self, queue: PublishQueue) -> None:
        """Write what comes into `queue` from now on."""
        with self._lock:
            self._coming.append(queue)
        queue.on_put(self._wake.set)
        self._wake.set()

    def remove(self, queue: PublishQueue) -> None:
        """Write what waits in `queue`, then forget it; its stream's numbers go on should it come back."""
        with self._lock:
            self._going.append(queue)
        self._wake.set()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, within: float) -> None:
        """Write what waits and end, after at most `within` seconds."""
        self._deadline = self._clock.monotonic() + within
        self._stopping.set()
        self._wake.set()

    def join(self, timeout: float) -> bool:
        """Wait for the thread's end; False where it still runs after `timeout` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._write_all()
            self._count_unsent()
            if self.unsent:
                self._abandon()
            else:
                self._sink.finish()
        except BaseException as error:  # noqa: BLE001 - the outermost loop: the owner must know
            _log.critical("publisher ended: %s", error)
            self._count_unsent()
            self._abandon()
            self._reports.failed(error)

    def _write_all(self) -> None:
        """Until stopped: then until nothing is left, or the deadline."""
        while True:
            stopping = self._stopping.is_set()  # asked first: what was put before the stop must be written
            wrote = self._turn()
            if stopping and (not wrote or self._clock.monotonic() >= self._deadline):
                return

    def _turn(self) -> bool:
        """Write a batch of each stream, or wait for one. False where nothing was there to write."""
        self._wake.clear()
        self.heartbeat = self._clock.monotonic()
        with self._lock:
            leaving, self._going = self._going, []
            self._queues += self._coming
            self._coming = []
        for queue in leaving:  # first: whatever came after it in the same stream stands behind it
            while self._write_batch(queue):
                pass
            queue.close()
            self._queues.remove(queue)
        wrote = [queue for queue in self._queues if self._write_batch(queue)] or leaving
        if not wrote:
            self._clock.wait(self._wake, 0.0 if self._stopping.is_set() else _LONGEST_WAIT)
        return bool(wrote)

    def _write_batch(self, queue: PublishQueue) -> bool:
        batch = queue.take(_BATCH)
        if not batch:
            return False
        first = self._numbers.get(queue.stream, 0) + 1
        lines = (draft.encode(self._sink.epoch, seq) + b"\n" for seq, draft in enumerate(batch, first))
        self._sink.write(b"".join(lines))
        self._numbers[queue.stream] = first + len(batch) - 1
        queue.settle()
        self._reports.published(queue.stream, batch, self._clock.monotonic())
        return True

    def _abandon(self) -> None:
        try:
            self._sink.discard()
        except OutputError as error:
            _log.error("%s", error)

    def _count_unsent(self) -> None:
        unsent: dict[str, Unsent] = {}
        for queue in (*self._queues, *self._coming):
            add_unsent(unsent, queue.stream, Unsent(queue.records, queue.frames))
        self.unsent = unsent
