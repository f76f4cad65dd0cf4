"""A webcam of this machine, read by OpenCV: the wheels of the video library know no devices."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import cv2
import numpy as np

from worker.errors import SettingsError, SourceTimeout, SourceUnreachable
from worker.frame import Pixels
from worker.sources.decoded import Decoded
from worker.sources.options import SourceOptions, check_source
from worker.sources.pictures import picture_pictures
from worker.sources.report import SourceReport

_SYSTEMS = {"linux": (cv2.CAP_V4L2,), "darwin": (cv2.CAP_AVFOUNDATION,), "win32": (cv2.CAP_DSHOW, cv2.CAP_MSMF)}
_NODE = "/dev/video{}"
_NUMBER = re.compile(r"(?:webcam:|/dev/video)(\d{1,3})", re.IGNORECASE)
_AGAIN_S = 0.05
"""Pause after a picture that did not come: some systems say so at once, others after a second."""

os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")
"""Seconds that OpenCV waits for one picture under Linux; it reads this once, at its first webcam. It would be 10: a
time-out would be told that late, and a stop would have to leave the thread behind."""


class Device(Protocol):
    """An opened webcam, as `cv2.VideoCapture` is one."""

    def grab(self) -> bool:
        """Wait for the next picture; False: none came."""

    def retrieve(self) -> tuple[bool, Any]:
        """The picture that was grabbed as a new (height, width, 3) uint8 BGR array; False: it is damaged."""

    def release(self) -> None:
        """Let the webcam go."""


def opened_device(options: SourceOptions) -> Device:
    """The webcam of `options.url`, at the size that OpenCV asks for (640 x 480 px, or what the webcam has nearest).

    Raises:
        SettingsError: the address is of another device.
        SourceUnreachable: there is no such webcam, no permission, or another program uses it.
    """
    where = options.url
    number = _number(options)
    if sys.platform == "linux":
        _try_node(Path(_NODE.format(number)), where)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # its warnings are no lines of our log
    for system in _SYSTEMS.get(sys.platform, (cv2.CAP_ANY,)):
        device = cv2.VideoCapture(number, system)
        if device.isOpened():
            return device
        device.release()
    raise SourceUnreachable(
        f"{where}: it cannot be opened as a webcam; does another program use it, is its number right (many webcams "
        "have a second device without pictures), and may this program use the camera?"
    )


def _number(options: SourceOptions) -> int:
    """The number of the webcam. Names under /dev/v4l lead to a device."""
    where = options.url
    if where.startswith("/dev/v4l/"):
        if not Path(where).exists():
            raise SourceUnreachable(f"{where}: there is no such webcam; is it plugged in?")
        where = str(Path(where).resolve())
    found = _NUMBER.fullmatch(where)
    if found is None:
        raise SettingsError(f"{options.stream}: {options.url} is no webcam: write webcam:0, 0 being its number")
    return int(found[1])


def _try_node(node: Path, where: str) -> None:
    """Open and close the device: the system says why not, OpenCV does not."""
    try:
        os.close(os.open(node, os.O_RDWR | os.O_NONBLOCK))
    except FileNotFoundError:
        others = ", ".join(sorted(str(other) for other in node.parent.glob("video*"))) or "none"
        raise SourceUnreachable(
            f"{where}: there is no webcam {node} (there are: {others}); is it plugged in, and given to the container?"
        ) from None
    except PermissionError:
        raise SourceUnreachable(
            f"{where}: no permission to use {node}; add the worker's user to the group of that file (mostly `video`) "
            "and log in again"
        ) from None
    except OSError as error:
        raise SourceUnreachable(
            f"{where}: {node} cannot be opened ({error.strerror}); does another program use it?"
        ) from None


class Webcam:
    """An opened webcam. Opened, read and released by one thread; use it as a context manager, as `Video`.

    Media time is arrival since the first picture was asked for: the systems' own stamps differ in what they mean.
    """

    has_end = False
    comes_in_bursts = False

    def __init__(
        self,
        options: SourceOptions,
        report: SourceReport,
        opened: Callable[[SourceOptions], Device] = opened_device,
    ) -> None:
        """Open it; errors as `opened` and `check_source`."""
        check_source(options)
        self._options = options
        self._report = report
        self._device = opened(options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._device.release()

    def frames(self, beat: Callable[[], None]) -> Iterator[Decoded]:
        """Picture after picture, for ever. `beat` is called for each, and for each that did not come.

        Raises:
            SourceTimeout: no picture within the read time-out.
        """
        options = self._options
        began = latest = time.monotonic()
        damaged = False
        while True:
            grabbed = self._device.grab()
            now = time.monotonic()
            picture, spent = self._picture() if grabbed else (None, 0.0)
            if picture is None and now - latest >= options.read_timeout_s:
                raise SourceTimeout(
                    f"{options.url}: no picture within {options.read_timeout_s:g} s; is the webcam still plugged in, "
                    "and does no other program use it?"
                )
            beat()
            if picture is None:
                damaged = damaged or grabbed
                time.sleep(_AGAIN_S)
                continue
            latest = now
            render = partial(picture_pictures, picture, options.shapes, options.keep_picture, options.region)
            yield Decoded(now - began, spent, damaged, None, render)
            damaged = False

    def _picture(self) -> tuple[Pixels | None, float]:
        """What was grabbed, None if damaged (counted), and the seconds that it took.

        It is decoded also where `max_fps` does not want it: only so is a damaged picture known in time, and at a
        webcam's size it costs little.
        """
        started = time.perf_counter()
        whole, found = self._device.retrieve()
        spent = time.perf_counter() - started
        picture = np.asarray(found) if whole else None
        if picture is None or picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            self._report.decode_error(self._options.stream)
            return None, spent
        return picture, spent
