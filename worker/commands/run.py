"""`emotion-worker run`: the service, from its first thread to its last."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import cv2

from worker import __version__
from worker.assembly.house import House
from worker.clock import SystemClock
from worker.commands.config import check_purpose, check_streams
from worker.errors import SourceError, WorkerError
from worker.settings import Settings

_log = logging.getLogger(__name__)
UNSENT = 75
"""Exit code: everything stopped, but some records could not leave (EX_TEMPFAIL)."""


def run(settings: Settings) -> None:
    """Run until every stream has ended, or a signal or an error comes.

    The first SIGTERM or SIGINT stops in order within `pipeline.stop_deadline`, a second one ends at once. If a thread
    does not end by then, the process leaves without it (code 75).

    Raises:
        WorkerError: why it could not start, or what ended it.
    """
    # Every stream's thread resizes pictures of its own. OpenCV would spread each of these small jobs over as many
    # threads as there are cores, all of which would wait for the cores that decoding and inference use.
    cv2.setNumThreads(1)
    check_purpose(settings)
    check_streams(settings)
    for stream in settings.own_streams:
        stream.check()
    house = House(settings, SystemClock())
    error: WorkerError | None = None
    ended = False
    with _signals(house):
        try:
            house.start()
            _log.info(
                "emotion-worker %s is up: %d %s%s",
                __version__,
                len(settings.own_streams),
                "stream" if len(settings.own_streams) == 1 else "streams",
                "" if house.port is None else f", page, metrics and health on port {house.port}",
            )
            house.wait()
        except WorkerError as told:
            error = told
            _log.error("%s", told)
        finally:
            _log.info("stopping")
            ended = house.stop()
    if not ended or house.unsent:
        _leave(f"{house.unsent} records could not leave" if house.unsent else "a thread did not end in time")
    if error is not None:
        raise error
    if house.all_failed:
        raise SourceError("every stream has failed: see the lines above")
    _log.info("stopped; everything was published")


@contextmanager
def _signals(house: House) -> Iterator[None]:
    """Turn the first signal into an orderly stop and the second into the end; put the old handlers back after."""
    seen: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        if seen:
            os._exit(128 + number)
        seen.append(number)
        house.ask_to_stop()

    old = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _leave(reason: str) -> None:
    """End without waiting for threads that hang in a library."""
    _log.error("left before everything was done: %s", reason)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(UNSENT)
