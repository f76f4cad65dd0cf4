"""The running worker: every room built, started and stopped in the order in which frames move."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from worker.assembly.capacity import CapacityWatch, planned_warning
from worker.assembly.changes import StreamChanges, opening_streams
from worker.assembly.consumers import ConsumerWatch
from worker.assembly.errands import Errands
from worker.assembly.hall import HallKeys, open_hall
from worker.assembly.live import LastFrames, LiveBoard, Sights
from worker.assembly.photo import PhotoDesk
from worker.assembly.post import open_post, redis_target
from worker.assembly.preview import Previews
from worker.assembly.reports import HallReport, PostReport, StreamStates
from worker.assembly.streams import Rooms, Streams
from worker.assembly.study import Author, StreamStudy, stream_events
from worker.assembly.window import Vitals, open_window
from worker.assembly.workshop import open_workshop
from worker.clock import Clock
from worker.errors import StageDied, WorkerError
from worker.events.reading import Reading
from worker.frame import State
from worker.pipeline.mailbox import Bell
from worker.settings import Settings, StreamSettings
from worker.sources.watchdog import Watchdog

_log = logging.getLogger(__name__)


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
        self._errands = Errands()
        self._error: BaseException | None = None
        self._states = StreamStates()
        self._last = LastFrames(keep_pictures=settings.web.preview != "off")
        self._bell = Bell()
        self._opening = opening_streams(settings)
        self._vitals = Vitals(clock, streams=self._states.all)
        self._window = open_window(settings.web, self._vitals, self._failed_in("web"))
        with ExitStack() as undo:
            undo.callback(self._window.stop, 1.0)
            self._furnish(settings)
            undo.pop_all()  # the window stays open

    def _furnish(self, settings: Settings) -> None:
        metrics = self._window.metrics
        self._workshop = workshop = open_workshop(settings.models)
        for labels in workshop.labels():
            metrics.model(**labels)
        _log.info("models run on %s (%s)", workshop.choice.name, workshop.choice.reason)
        self._author = Author(settings.worker.name, workshop.names())
        self._post_report = PostReport(metrics, self._failed_in("publisher"))
        ids = [stream.id for stream in self._opening]
        self._post = open_post(settings, ids, self._author, self._post_report, self._clock)
        self._hall_report = HallReport(metrics)
        keys = HallKeys(self._author, self._hall_report, self._failed_in("inference"))
        self._hall = open_hall(workshop, settings.pipeline, self._bell, self._clock, keys)
        fresh = partial(stream_events, workshop, settings.events, Reading.PHOTOS)
        self._photos = PhotoDesk(fresh, workshop, self._bell.ring, self._clock)
        shapes = workshop.detector.shapes
        rooms = Rooms(metrics, self._states, self._last, self._bell, self._hall, self._post, self._study, shapes)
        self._streams = Streams(rooms, settings, self._clock)
        self._watchdog_beat = self._clock.monotonic()
        failed = self._failed_in("source-watchdog")
        self._watchdog = Watchdog(self._streams.sources, self._clock, self._watchdog_moved, failed)
        self._capacity = CapacityWatch(self._states, workshop.picture_s, self._clock, metrics.cores_needed)
        self._consumers: ConsumerWatch | None = None
        if settings.publish.target == "redis":
            target, failed = redis_target(settings.redis), self._failed_in("consumers")
            self._consumers = ConsumerWatch(target, self._streams.ids, metrics, self._clock, failed)

    def start(self) -> None:
        """Start the threads, the last ones in a frame's way first, then the streams."""
        metrics, publisher, hall = self._window.metrics, self._post.publisher, self._hall
        metrics.watch_queue(self._streams.waiting)
        metrics.watch_inference(lambda: hall.busy_s)
        publisher.start()
        hall.start()
        self._photos.open(hall)
        self._watchdog.start()
        if self._consumers is not None:
            self._consumers.start()
        self._vitals.target_up = lambda: self._post_report.up
        self._vitals.room = self._streams.has_room
        self._vitals.beats = {
            "publisher": lambda: publisher.heartbeat,
            "inference": lambda: hall.beat,
            "source-watchdog": lambda: self._watchdog_beat,
        }
        if warning := planned_warning(self._opening, self._workshop.picture_s):
            _log.warning("%s", warning)
        for stream in self._opening:
            self._streams.add(stream)
        self._open_desks()
        self._vitals.warm = True

    def _open_desks(self) -> None:
        """Answer what is asked at the port."""
        desks, workshop = self._window.desks, self._workshop
        sights = Sights(
            self._window.metrics,
            self._states,
            self._vitals,
            self._last,
            self._streams.settings,
            self._streams.waiting,
        )
        models = workshop.names().model_dump()
        desks.photo = self._photos.analyse
        desks.live = LiveBoard(self._settings, sights, models, workshop.choice.name, self._clock).read
        desks.streams = StreamChanges(self._settings, self._streams, self._errands)
        desks.preview = Previews(self._settings.web, self._last, self._clock).picture
        desks.settings = lambda: self._settings.model_dump(mode="json")

    @property
    def port(self) -> int | None:
        """The HTTP port in use; None where it is not enabled."""
        return None if self._window.server is None else self._window.server.port

    def wait(self) -> None:
        """Until somebody calls `ask_to_stop`, every stream has ended, or a thread has died.

        A worker whose streams may be changed waits for more when all have ended.

        Raises:
            StageDied: what the thread died of, or that it is stuck.
        """
        while self._errands.run(1.0):
            self._capacity.tick()
            self._streams.count_dropped()
            self._streams.stop_lost()
            live, reasons = self._vitals.stuck()
            if not live:
                raise StageDied(f"{reasons[0]}: the worker stops, so that it can be started again")
            if self._streams.all_over and not self._settings.web.changes:
                _log.info("every stream has ended")
                break
        if self._error is not None:
            raise self._error

    def ask_to_stop(self) -> None:
        """Make `wait` return. May be called from a signal handler."""
        self._errands.end()

    def stop(self) -> bool:
        """Stop in the order in which frames move, within `pipeline.stop_deadline`; False: a thread still runs.

        Readiness off and sources first, so that nothing new comes; then the hall empties its mailboxes; then the
        post sends what it has; the port last, so that the end can be watched.
        """
        end = self._clock.monotonic() + self._settings.pipeline.stop_deadline
        self._errands.end()
        self._vitals.warm = False
        self._window.desks.photo = self._window.desks.streams = None
        self._photos.close()
        ended = self._stop_sources(end)
        ended &= self._stop_hall(end)
        if self._consumers is not None:
            self._consumers.stop(0.2)  # it may wait for an answer; it owns nothing that has to be finished
        ended &= self._post.stop(max(0.2, self._left(end) - 1.0))
        self._streams.count_dropped()
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
        sources = self._streams.sources()
        for source in sources:
            source.request_stop()
        until = self._clock.monotonic() + 0.4 * self._left(end)
        for source in sources:
            ended &= source.join(max(0.05, self._left(until)))
        return ended

    def _stop_hall(self, end: float) -> bool:
        """Let the hall empty its mailboxes; what it cannot (no credit: Redis is away) is told as `stopping`."""
        self._streams.close_mailboxes()
        self._hall.drain()
        if not self._hall.join(0.4 * self._left(end)):
            self._streams.abandon_mailboxes()
            return self._hall.join(max(0.5, 0.3 * self._left(end)))
        return True

    def _study(self, stream: StreamSettings) -> StreamStudy:
        events = stream_events(self._workshop, self._settings.events, Reading.BY_RULE, stream.min_face_px)
        return StreamStudy(events, self._author, self._hall_report.seen, self._last.keep)

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
            self._errands.end()

        return failed
