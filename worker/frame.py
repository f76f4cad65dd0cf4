"""A decoded frame on its way through the worker, and the geometry that fits it to a detector's input.

What happens to a stream beside its frames travels in the same order, as a `Notice`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
ClockName = Literal["arrival", "rtcp", "file"]
Region = tuple[float, float, float, float]
"""x, y, width, height of a part of the upright picture, as shares 0..1 of its width and height."""

NO_SKIPS: Mapping[str, int] = {}


class Skip(StrEnum):
    """Why a decoded frame got no event (closed set, schema v1)."""

    MAX_FPS = "max_fps"
    SUPERSEDED = "superseded"
    INFERENCE_ERROR = "inference_error"
    STOPPING = "stopping"


class State(StrEnum):
    """Where a stream stands (closed set, schema v1)."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    BACKOFF = "backoff"
    AUTH_FAILED = "auth_failed"
    ENDED = "ended"
    STOPPED = "stopped"
    FAILED = "failed"


class GapCause(StrEnum):
    """Why a stretch of a stream has no events (closed set, schema v1)."""

    SOURCE_DOWN = "source_down"
    STALL = "stall"
    CORRUPT = "corrupt"
    SPOOL_FULL = "spool_full"
    REDIS_LOST = "redis_lost"
    WORKER_RESTART = "worker_restart"
    TAKEN_OVER = "taken_over"


def merge_skips(*parts: Mapping[str, int]) -> dict[str, int]:
    """Sum counts by reason."""
    total: dict[str, int] = {}
    for part in parts:
        for reason, count in part.items():
            total[reason] = total.get(reason, 0) + count
    return total


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How an upright picture of `width` x `height` px lies inside a detector input of `input_width` x `input_height`.

    Of the picture the detector sees the part `x`, `y`, `across`, `down` (px; usually all of it). That part is scaled by
    one factor, so that it fits, to `inner_width` x `inner_height` and centred at (`left`, `top`); the rest has value
    114. Small pictures are enlarged.
    """

    width: int
    height: int
    x: int
    y: int
    across: int
    down: int
    input_width: int
    input_height: int
    inner_width: int
    inner_height: int
    left: int
    top: int

    @classmethod
    def fit(
        cls, width: int, height: int, shapes: tuple[tuple[int, int], ...], region: Region | None = None
    ) -> Letterbox:
        """The letterbox into that one of `shapes` ((width, height), ...) which shows the picture, or of it `region`,
        largest. A region's edges are rounded to whole px; it keeps at least one.
        """
        x, across = (0, width) if region is None else _pixels(region[0], region[2], width)
        y, down = (0, height) if region is None else _pixels(region[1], region[3], height)

        def scale(shape: tuple[int, int]) -> float:
            return min(shape[0] / across, shape[1] / down)

        input_width, input_height = max(shapes, key=scale)
        factor = scale((input_width, input_height))
        inner_width = min(input_width, max(1, round(across * factor)))
        inner_height = min(input_height, max(1, round(down * factor)))
        return cls(
            width,
            height,
            x,
            y,
            across,
            down,
            input_width,
            input_height,
            inner_width,
            inner_height,
            (input_width - inner_width) // 2,
            (input_height - inner_height) // 2,
        )

    def to_picture(self, xyxy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Boxes (N, 4) in input pixels to boxes in picture pixels; both x_min, y_min, x_max, y_max."""
        offset = np.array([self.left, self.top] * 2, np.float32)
        factor = np.array([self.across / self.inner_width, self.down / self.inner_height] * 2, np.float32)
        return ((xyxy - offset) * factor + np.array([self.x, self.y] * 2, np.float32)).astype(np.float32)

    def to_input(self, xyxy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Boxes (N, 4) in picture pixels to boxes in input pixels."""
        offset = np.array([self.left, self.top] * 2, np.float32)
        factor = np.array([self.inner_width / self.across, self.inner_height / self.down] * 2, np.float32)
        return ((xyxy - np.array([self.x, self.y] * 2, np.float32)) * factor + offset).astype(np.float32)


def _pixels(start: float, length: float, size: int) -> tuple[int, int]:
    """The first px and the number of px of a stretch given in shares of `size` px."""
    first = min(size - 1, round(start * size))
    return first, max(1, min(size, round((start + length) * size)) - first)


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame, as its source hands it over. Pixels never change after that.

    Attributes:
        stream: the stream's id.
        run: ULID of this opening of the stream.
        index: number of this frame among all decoded frames of the run, from 0.
        pts_s: media time in seconds; None where the container tells none.
        captured_at: wall time (Unix seconds) by `clock`; None in offline analysis without a start time.
        arrived: monotonic seconds at which the packet's picture was decoded.
        letterbox: geometry between the upright picture and `detector_input`.
        detector_input: (input_height, input_width, 3) uint8 BGR, the picture or the stream's region of it, letterboxed.
        luma: (height, width) uint8, full range, upright, full resolution.
        picture: (height, width, 3) uint8 BGR, upright; only where the stream was opened with `keep_picture`.
        skipped: decoded frames between the previous handed-over frame of the run and this one, by reason.
        decode_s, convert_s: seconds spent on this frame by decoding and by making its two pictures.
        live: the source goes on whether it is read or not, so that `arrived` tells when the picture was filmed.
    """

    stream: str
    run: str
    index: int
    pts_s: float | None
    captured_at: float | None
    clock: ClockName | None
    arrived: float
    letterbox: Letterbox
    detector_input: Pixels
    luma: Pixels
    picture: Pixels | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)
    decode_s: float = 0.0
    convert_s: float = 0.0
    live: bool = True

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of `detector_input`: (width, height) in px."""
        return self.letterbox.input_width, self.letterbox.input_height

    @property
    def width(self) -> int:
        """Width of the upright picture in px."""
        return self.letterbox.width

    @property
    def height(self) -> int:
        """Height of the upright picture in px."""
        return self.letterbox.height


@dataclass(frozen=True, slots=True)
class StateChange:
    """A stream changed its state; ends run `run` when `closes_run`.

    `skipped` are frames decoded after the run's last handed-over frame. `at` is wall time.
    """

    stream: str
    run: str
    state: State
    previous: State | None
    reason: str
    at: float
    closes_run: bool = False
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of a stream without events. `frames` None: nobody can say how many. Times are wall time."""

    stream: str
    run: str
    cause: GapCause
    start: float
    end: float
    frames: int | None = None


Notice = StateChange | Gap
