"""A worker without cameras and without Redis, for the photo page alone."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial

from worker.assembly.hall import HallKeys, open_hall
from worker.assembly.photo import PhotoDesk
from worker.assembly.reports import HallReport
from worker.assembly.study import Author, stream_events
from worker.assembly.window import Vitals, open_window
from worker.assembly.workshop import open_workshop
from worker.clock import Clock
from worker.errors import StageDied, WorkerError
from worker.events.reading import Reading
from worker.pipeline.mailbox import Bell
from worker.settings import Settings

_STOP_S = 3.0


class PhotoHouse:
    """The port, the models and the inference thread. Its methods are called on the main thread."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """
        Raises:
            WorkerError: the port cannot be had, or a model cannot be loaded.
        """
        self._wake = threading.Event()
        self._error: BaseException | None = None
        bell = Bell()
        self._vitals = Vitals(clock)
        self._window = open_window(settings.web, self._vitals, self._failed, home="photo")
        with ExitStack() as undo:
            undo.callback(self._window.stop, 1.0)
            workshop = open_workshop(settings.models)
            undo.pop_all()  # the window stays open
        for labels in workshop.labels():
            self._window.metrics.model(**labels)
        author = Author(settings.worker.name, workshop.names(), timed=False)
        keys = HallKeys(author, HallReport(self._window.metrics), self._failed)
        self._hall = open_hall(workshop, settings.pipeline, bell, clock, keys)
        fresh = partial(stream_events, workshop, settings.events, Reading.PHOTOS)
        self._photos = PhotoDesk(fresh, workshop, bell.ring, clock)

    @property
    def port(self) -> int:
        """The port in use."""
        assert self._window.server is not None
        return self._window.server.port

    def start(self) -> None:
        """Take photos from now on."""
        self._hall.start()
        self._photos.open(self._hall)
        self._vitals.beats = {"inference": lambda: self._hall.beat}
        self._window.desks.photo = self._photos.analyse
        self._vitals.warm = True

    def wait(self) -> None:
        """Until a thread has died; whoever is interrupted calls `stop`.

        Raises:
            WorkerError: what it died of.
        """
        self._wake.wait()
        if self._error is not None:
            known = isinstance(self._error, WorkerError)
            raise self._error if known else StageDied(f"a thread died: {self._error!r}") from self._error

    def stop(self) -> None:
        """End everything; what is being looked at is answered first."""
        self._vitals.warm = False
        self._window.desks.photo = None
        self._photos.close()
        self._hall.drain()
        self._hall.join(_STOP_S)
        self._window.stop(_STOP_S)

    def _failed(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._wake.set()
