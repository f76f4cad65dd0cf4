"""Files wait for their readers: no new frame while trimming would pass a consumer group that was named (design 12.9).

Redis is asked once a second; between two answers, what this worker has published since is added.
"""

from __future__ import annotations

import logging

from worker.publish.queue import PublishQueue
from worker.publish.scripts import Call, Trimming, unread_call

_ASK_EVERY = 1.0  # seconds

_log = logging.getLogger(__name__)


class Hold:
    """Holds a `wait` queue while its readers are behind. Owned by the lane."""

    def __init__(self, queue: PublishQueue, trimming: Trimming, groups: tuple[str, ...]) -> None:
        self._queue = queue
        self._groups = groups if queue.policy == "wait" and trimming.max_records else ()
        self._limit = trimming.max_records - queue.capacity
        self._unread = 0
        self._held = False
        self._due = 0.0 if self._groups else float("inf")

    def due(self) -> float:
        """Monotonic seconds of the next question."""
        return self._due

    def calls(self, now: float) -> list[Call]:
        """The question, when it is time."""
        if now < self._due:
            return []
        self._due = now + _ASK_EVERY
        return [unread_call(self._queue.stream, self._groups)]

    def published(self, records: int) -> None:
        """So many more wait to be read."""
        self._unread += records
        self._decide()

    def answer(self, unread: int) -> None:
        """The slowest group has yet to read or acknowledge `unread` records."""
        self._unread = unread
        self._decide()

    def _decide(self) -> None:
        # A queue larger than what Redis keeps must still get on once everything is read.
        held = bool(self._groups) and self._unread > 0 and self._unread >= self._limit
        if held == self._held:
            return
        self._held = held
        self._queue.hold(held)
        groups = ", ".join(self._groups)
        if held:
            _log.warning("stream %s waits: %s has %d records to read", self._queue.stream, groups, self._unread)
        else:
            _log.info("stream %s goes on: %s has caught up", self._queue.stream, groups)
