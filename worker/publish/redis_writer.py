"""The publisher: one thread that carries all streams' records to Redis, and alone retries.

A batch that is in flight does not change until it has arrived; the script makes sending it twice harmless. So every
failure has the same answer: wait, and send the same again.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from worker.clock import Clock
from worker.publish.lane import Lane, LaneSettings
from worker.publish.queue import PublishQueue
from worker.publish.reports import PublishReports, Unsent, add_unsent
from worker.publish.retry import retry_delay
from worker.publish.scripts import Call, Connection, Failure

_LONGEST_WAIT = 1.0  # seconds between two looks at the lanes, and so between two heartbeats of an idle publisher

_log = logging.getLogger(__name__)


class PublisherThread:
    """Verbs: `add`, `remove`, `start`, `stop`, `join`. All but the reports run on the callers' threads.

    Attributes:
        heartbeat: monotonic seconds of the thread's last turn.
        unsent: after `join`: what could not leave, by stream.
    """

    def __init__(self, connection: Connection, settings: LaneSettings, reports: PublishReports, clock: Clock) -> None:
        self._connection = connection
        self._settings = settings
        self._reports = reports
        self._clock = clock
        self._lock = threading.Lock()
        self._coming: list[PublishQueue] = []
        self._going: list[PublishQueue] = []
        self._lanes: list[Lane] = []
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._never = threading.Event()
        self._deadline = 0.0
        self._failures = 0
        self._up: bool | None = None
        self._was_up = False
        self._left: dict[str, Unsent] = {}
        self.heartbeat = clock.monotonic()
        self.unsent: Mapping[str, Unsent] = {}
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def add(self, queue: PublishQueue) -> None:
        """Publish what comes into `queue` from now on."""
        with self._lock:
            self._coming.append(queue)
        queue.on_put(self._wake.set)
        self._wake.set()

    def remove(self, queue: PublishQueue) -> None:
        """Send what waits in `queue`, then give its stream back to whoever claims it."""
        with self._lock:
            self._going.append(queue)
        self._wake.set()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, within: float) -> None:
        """Send what waits and end, after at most `within` seconds and one call's time-out."""
        self._deadline = self._clock.monotonic() + within
        self._stopping.set()
        self._wake.set()

    def join(self, timeout: float) -> bool:
        """Wait for the thread's end; False where it still runs after `timeout` seconds (a silent server holds it)."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            # It stands in a call, so its lanes stand still; what that call carries may or may not have arrived.
            self._count_unsent()
            return False
        return True

    def _run(self) -> None:
        try:
            while not self._finished():
                self._rest(self._turn())
            self._part()
        except BaseException as error:  # noqa: BLE001 - the outermost loop: the owner must know
            _log.critical("publisher ended: %s", error)
            self._count_unsent()
            self._reports.failed(error)
        finally:
            self._connection.close()

    def _finished(self) -> bool:
        if not self._stopping.is_set():
            return False
        if self._clock.monotonic() >= self._deadline:
            return True
        with self._lock:
            return not self._coming and not self._lanes

    def _rest(self, seconds: float) -> None:
        """Wait for a record, or through a retry's delay. A record does not shorten a retry, a stop does so once."""
        if self._stopping.is_set():
            seconds = min(seconds, max(0.0, self._deadline - self._clock.monotonic()))
        if not self._failures:
            self._clock.wait(self._wake, seconds)
        elif self._stopping.is_set():
            self._clock.wait(self._never, seconds)
        else:
            self._clock.wait(self._stopping, seconds)

    def _turn(self) -> float:
        """One round trip for all lanes that want one. Seconds until the next."""
        self._wake.clear()
        self.heartbeat = now = self._clock.monotonic()
        self._admit()
        plan = [(lane, calls) for lane in self._lanes if (calls := lane.calls(now))]
        if plan:
            try:
                replies = self._connection.run([call for _, calls in plan for call in calls])
            except Failure as failure:
                return self._failed(failure)
            self._failures = 0
            self._hand_out(plan, iter(replies))
        self._forget_gone()
        if self._stopping.is_set() and not self._lanes:
            return 0.0
        now = self._clock.monotonic()
        return max(0.0, min((_LONGEST_WAIT, *(lane.due(now) - now for lane in self._lanes))))

    def _hand_out(self, plan: list[tuple[Lane, list[Call]]], replies: Iterator[Any]) -> None:
        """Give each lane the answer to its first call. A lane whose call failed alone waits alone."""
        now = self._clock.monotonic()
        failures: dict[str, Failure] = {}
        for lane, calls in plan:
            answers = list(islice(replies, len(calls)))
            failures |= {answer.kind: answer for answer in answers if isinstance(answer, Failure)}
            lane.answer(answers, now)
        for failure in failures.values():
            self._report(failure)
        self._tell_up(not any(lane.failing for lane in self._lanes))

    def _failed(self, failure: Failure) -> float:
        """Nothing got through: seconds to wait before all lanes send the same again."""
        self._report(failure)
        self._failures += 1
        self._tell_up(False)
        return retry_delay(self._failures, random.random())

    def _report(self, failure: Failure) -> None:
        """Tell a failure. A password that never was right ends the thread."""
        if failure.kind == "auth" and not self._was_up:
            raise failure.error
        self._reports.publish_error(failure.kind, failure.error)

    def _tell_up(self, up: bool) -> None:
        self._was_up = self._was_up or up
        if up is not self._up:
            self._up = up
            self._reports.redis_up(up)

    def _admit(self) -> None:
        """Take in new queues, one a stream: the next waits until the one before has left."""
        with self._lock:
            waiting: list[PublishQueue] = []
            present = {lane.stream for lane in self._lanes}
            for queue in self._coming:
                if queue.stream in present:
                    waiting.append(queue)
                    continue
                present.add(queue.stream)
                self._lanes.append(Lane(queue, self._settings, self._reports, self._clock))
            self._coming = waiting
            going, self._going = self._going, [queue for queue in self._going if queue in waiting]
        for lane in self._lanes:
            if lane.queue in going or self._stopping.is_set():
                lane.close()

    def _forget_gone(self) -> None:
        for lane in [lane for lane in self._lanes if lane.gone]:
            self._lanes.remove(lane)
            add_unsent(self._left, lane.stream, lane.unsent())

    def _part(self) -> None:
        """What could not leave is counted; its streams are free for others at once."""
        self._count_unsent()
        calls = [call for lane in self._lanes for call in lane.give_up()]
        if calls and not self._failures:
            try:
                self._connection.run(calls)
            except Failure as failure:
                self._reports.publish_error(failure.kind, failure.error)

    def _count_unsent(self) -> None:
        """Of lanes that have left, of those that are here, and of queues that waited for their turn."""
        unsent = dict(self._left)
        for lane in self._lanes:
            add_unsent(unsent, lane.stream, lane.unsent())
        for queue in self._coming:
            add_unsent(unsent, queue.stream, Unsent(queue.records, queue.frames))
        self.unsent = unsent
