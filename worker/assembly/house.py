"""The running worker: every room built, started and stopped in the order in which frames move."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from worker.assembly.capacity import CapacityWatch, planned_warning
from worker.assembly.consumers import ConsumerWatch
from worker.assembly.door import source_options
from worker.assembly.hall import HallKeys, open_hall
from worker.assembly.live import LastFrames, LiveBoard, Sights
from worker.assembly.photo import PhotoDesk, examples
from worker.assembly.post import open_post, redis_target
from worker.assembly.reports import HallReport, PostReport, StreamStates, source_report
from worker.assembly.study import Author, StreamStudy, stream_events
from worker.assembly.window import Vitals, open_window
from worker.assembly.workshop import open_workshop
from worker.clock import Clock
from worker.errors import StageDied, WorkerError
from worker.events.reading import Reading
from worker.frame import State
from worker.pipeline.batcher import Lane
from worker.pipeline.mailbox import Bell, Mailbox
from worker.publish.queue import PublishQueue
from worker.settings import Settings, StreamSettings
from worker.sources.source_thread import SourceThread
from worker.sources.watchdog import Watchdog

_log = logging.getLogger(__name__)
_FINAL = frozenset({State.ENDED, State.FAILED, State.STOPPED})


@dataclass(slots=True)
class _Stream:
    """One stream's furniture. `dropped`: records that its queue had given up when last looked at."""

    settings: StreamSettings
    mailbox: Mailbox
    queue: PublishQueue
    source: SourceThread
    dropped: int = 0


class House:
    """Owns every thread of the worker but the main one, on which all of its methods are called.

    What lasts as long as the house is made by `__init__`, in the order in which it is needed; `start` sets the
    threads going. Whatever `__init__` raises, only the port has been opened, and is closed again.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Open the port, the models and the post.

        Raises:
            WorkerError: something that no waiting mends.
        """
        self._settings = settings
        self._clock = clock
        self._wake = threading.Event()
        self._error: BaseException | None = None
        self._streams: dict[str, _Stream] = {}
        self._states = StreamStates()
        self._last = LastFrames(keep_pictures=False)
        self._bell = Bell()
        self._vitals = Vitals(clock, streams=self._states.all, room=self._has_room)
        self._window = open_window(settings.web, self._vitals, self._failed_in("web"))
        try:
            self._furnish(settings)
        except BaseException:
            self._window.stop(1.0)
            raise

    def _furnish(self, settings: Settings) -> None:
        metrics = self._window.metrics
        self._workshop = workshop = open_workshop(settings.models)
        for labels in workshop.labels():
            metrics.model(**labels)
        _log.info("models run on %s (%s)", workshop.choice.name, workshop.choice.reason)
        self._author = Author(settings.worker.name, workshop.names())
        self._post_report = PostReport(metrics, self._failed_in("publisher"))
        ids = [stream.id for stream in settings.own_streams]
        self._post = open_post(settings, ids, self._author, self._post_report, self._clock)
        self._hall_report = HallReport(metrics)
        keys = HallKeys(self._author, self._hall_report, self._failed_in("inference"))
        self._hall = open_hall(workshop, settings.pipeline, self._bell, self._clock, keys)
        fresh = partial(stream_events, workshop, settings.events, Reading.PHOTOS)
        self._photos = PhotoDesk(fresh, workshop, self._bell.ring, self._clock)
        self._watchdog_beat = self._clock.monotonic()
        self._watchdog = Watchdog(self._sources, self._clock, self._watchdog_moved, self._failed_in("source-watchdog"))
        self._capacity = CapacityWatch(self._states, workshop.picture_s, self._clock, metrics.cores_needed)
        self._consumers: ConsumerWatch | None = None
        if settings.publish.target == "redis":
            target, failed = redis_target(settings.redis), self._failed_in("consumers")
            self._consumers = ConsumerWatch(target, lambda: list(self._streams), metrics, self._clock, failed)

    def start(self) -> None:
        """Start the threads, the last ones in a frame's way first, then the streams."""
        metrics, publisher, hall = self._window.metrics, self._post.publisher, self._hall
        metrics.watch_queue(self._waiting)
        metrics.watch_inference(lambda: hall.busy_s)
        publisher.start()
        hall.start()
        self._photos.open(hall)
        self._watchdog.start()
        if self._consumers is not None:
            self._consumers.start()
        self._vitals.target_up = lambda: self._post_report.up
        self._vitals.beats = {
            "publisher": lambda: publisher.heartbeat,
            "inference": lambda: hall.beat,
            "source-watchdog": lambda: self._watchdog_beat,
        }
        streams = self._settings.own_streams
        if warning := planned_warning(streams, self._workshop.picture_s):
            _log.warning("%s", warning)
        for stream in streams:
            self.add(stream)
        self._open_desks()
        self._vitals.warm = True

    def _open_desks(self) -> None:
        """Answer what is asked at the port."""
        desks, workshop = self._window.desks, self._workshop
        desks.photo = self._photos.analyse
        desks.examples = examples()
        sights = Sights(
            self._window.metrics,
            self._states,
            self._vitals,
            self._last,
            lambda: [stream.settings for stream in list(self._streams.values())],
            self._waiting,
        )
        models = workshop.names().model_dump()
        desks.live = LiveBoard(self._settings, sights, models, workshop.choice.name, self._clock).read

    @property
    def port(self) -> int | None:
        """The HTTP port in use; None where it is not enabled."""
        return None if self._window.server is None else self._window.server.port

    def add(self, stream: StreamSettings) -> None:
        """Take a stream in; the others do not notice."""
        metrics = self._window.metrics
        metrics.stream_added(stream.id)
        policy = stream.mailbox_policy
        mailbox = Mailbox(
            policy,
            self._settings.pipeline.wait_frames,
            self._bell.ring,
            lambda reason, count: metrics.skipped(stream.id, reason, count),
        )
        queue = PublishQueue(stream.id, policy, self._settings.publish.queue_records, self._post.gap_draft)
        options = source_options(stream, self._workshop.detector.shapes)
        source = SourceThread(
            options, mailbox, self._clock, source_report(metrics, self._states, self._clock, stream.live)
        )
        self._streams[stream.id] = _Stream(stream, mailbox, queue, source)
        self._post.publisher.add(queue)
        self._hall.add(Lane(stream.id, mailbox, queue), self._study(stream))
        source.start()

    def remove(self, stream: str, seconds: float) -> None:
        """Stop a stream within `seconds` and let it go; the others do not notice."""
        leaving = self._streams.pop(stream)
        leaving.source.stop(seconds)
        self._hall.remove(stream)
        self._post.publisher.remove(stream)
        self._states.forget(stream)
        self._last.forget(stream)
        self._window.metrics.stream_removed(stream)

    def wait(self) -> None:
        """Until somebody calls `ask_to_stop`, every stream has ended, or a thread has died.

        Raises:
            StageDied: what the thread died of, or that it is stuck.
        """
        while not self._wake.wait(1.0):
            self._capacity.tick()
            self._count_dropped()
            live, reasons = self._vitals.stuck()
            if not live:
                raise StageDied(f"{reasons[0]}: the worker stops, so that it can be started again")
            states = self._states.all()
            if self._streams and all(states.get(stream) in _FINAL for stream in self._streams):
                _log.info("every stream has ended")
                break
        if self._error is not None:
            raise self._error

    def ask_to_stop(self) -> None:
        """Make `wait` return. May be called from a signal handler."""
        self._wake.set()

    def stop(self) -> bool:
        """Stop in the order in which frames move, within `pipeline.stop_deadline`; False: a thread still runs.

        Readiness off and sources first, so that nothing new comes; then the hall empties its mailboxes; then the
        post sends what it has; the port last, so that the end can be watched.
        """
        end = self._clock.monotonic() + self._settings.pipeline.stop_deadline
        self._vitals.warm = False
        self._window.desks.photo = None
        self._photos.close()
        ended = self._stop_sources(end)
        ended &= self._stop_hall(end)
        if self._consumers is not None:
            self._consumers.stop(0.2)  # it may wait for an answer; it owns nothing that has to be finished
        ended &= self._post.stop(max(0.2, self._left(end) - 1.0))
        self._count_dropped()
        return self._window.stop(max(0.5, self._left(end))) and ended

    @property
    def unsent(self) -> int:
        """Records that could not leave (known after `stop`)."""
        return self._post.unsent

    @property
    def all_failed(self) -> bool:
        """Whether there were streams and every one has failed."""
        states = self._states.all()
        return bool(states) and all(state is State.FAILED for state in states.values())

    def _stop_sources(self, end: float) -> bool:
        ended = self._watchdog.stop(1.0)
        sources = self._sources()
        for source in sources:
            source.request_stop()
        until = self._clock.monotonic() + 0.4 * self._left(end)
        for source in sources:
            ended &= source.join(max(0.05, self._left(until)))
        return ended

    def _stop_hall(self, end: float) -> bool:
        """Let the hall empty its mailboxes; what it cannot (no credit: Redis is away) is told as `stopping`."""
        for stream in self._streams.values():
            stream.mailbox.close()
        self._hall.drain()
        if not self._hall.join(0.4 * self._left(end)):
            for stream in self._streams.values():
                stream.mailbox.abandon()
            return self._hall.join(max(0.5, 0.3 * self._left(end)))
        return True

    def _study(self, stream: StreamSettings) -> StreamStudy:
        events = stream_events(self._workshop, self._settings.events, Reading.BY_RULE, stream.min_face_px)
        return StreamStudy(events, self._author, self._hall_report.seen, self._last.keep)

    def _waiting(self) -> int:
        """Records in memory on their way to the target."""
        return sum(stream.queue.records for stream in list(self._streams.values()))

    def _sources(self) -> list[SourceThread]:
        return [stream.source for stream in list(self._streams.values())]

    def _has_room(self) -> bool:
        """Whether some queue can take a record without dropping another."""
        limit = self._settings.publish.queue_records
        streams = list(self._streams.values())
        return not streams or any(stream.queue.records < limit for stream in streams)

    def _count_dropped(self) -> None:
        for name, stream in self._streams.items():
            dropped = stream.queue.dropped
            if dropped > stream.dropped:
                self._window.metrics.dropped(name, dropped - stream.dropped)
                stream.dropped = dropped

    def _watchdog_moved(self, monotonic_s: float) -> None:
        self._watchdog_beat = monotonic_s

    def _left(self, end: float) -> float:
        return max(0.0, end - self._clock.monotonic())

    def _failed_in(self, thread: str) -> Callable[[BaseException], None]:
        """A thread that dies takes the worker down in order."""

        def failed(error: BaseException) -> None:
            if self._error is None:
                known = isinstance(error, WorkerError)
                self._error = error if known else StageDied(f"the thread {thread} died: {error!r}")
                self._error.__cause__ = None if known else error
            self._wake.set()

        return failed
