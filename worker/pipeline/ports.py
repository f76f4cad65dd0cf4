"""What the hall needs of the other rooms, as protocols: `worker.assembly` plugs the rooms in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from worker.draft import Draft
from worker.face import Box, Detection, Quality
from worker.frame import Frame, Letterbox, Notice, Pixels, Skip, StateChange


class Detect(Protocol):
    """(N, h, w, 3) uint8 BGR inputs of one shape to N lists of detections in picture pixels."""

    def __call__(self, inputs: Pixels, letterboxes: Sequence[Letterbox]) -> list[list[Detection]]: ...


class Classify(Protocol):
    """(N, 48, 48) uint8 crops to (N, 7) calibrated probabilities."""

    def __call__(self, crops: Pixels) -> npt.NDArray[np.float32]: ...


class Crop(Protocol):
    """Full-range luma (H, W) uint8 and a box to the (48, 48) uint8 crop and what can be said of it."""

    def __call__(self, luma: Pixels, box: Box) -> tuple[Pixels, Quality]: ...


class Request(Protocol):
    """A face that is to be looked at on this frame."""

    @property
    def box(self) -> Box: ...


class Study(Protocol):
    """What is known of one stream over time: tracks, smoothing, abstention, frames that got no record."""

    def begin(self, frame: Frame, detections: Sequence[Detection]) -> Sequence[Request]:
        """Update the tracks; the faces to be looked at on this frame."""
        ...

    def refuses(self, quality: Quality) -> bool:
        """Whether a crop of this quality need not be classified."""
        ...

    def finish(
        self,
        frame: Frame,
        qualities: Sequence[Quality],
        results: Sequence[npt.NDArray[np.float32] | None],
        latency: Latency,
    ) -> Draft:
        """The frame's record; one quality and one result (7,) a request, the result None where it was refused."""
        ...

    def skip(self, frame: Frame, reason: Skip) -> None:
        """The frame gets no record: the next record of its run tells it."""
        ...

    def carry(self, change: StateChange) -> StateChange:
        """The change together with what was skipped since the run's last record."""
        ...


class Outbox(Protocol):
    """A stream's publish queue."""

    def reserve(self) -> bool:
        """Take a credit (one free place); False: no room, do not take a frame of this stream."""
        ...

    def put(self, draft: Draft) -> None:
        """Put a record; a frame's record uses the credit that was taken for it."""
        ...

    def cancel_reservation(self) -> None:
        """Give a credit back: the frame that it was taken for gets no record."""
        ...


class Write(Protocol):
    """A notice to its record."""

    def __call__(self, notice: Notice) -> Draft: ...


class Latency(Protocol):
    """Seconds that a frame spent in each stage."""

    @property
    def decode_s(self) -> float: ...
    @property
    def wait_s(self) -> float: ...
    @property
    def detect_s(self) -> float: ...
    @property
    def classify_s(self) -> float: ...
    @property
    def total_s(self) -> float: ...


class Report(Protocol):
    """Facts that the hall tells; assembly connects them to the metrics."""

    def batch(self, frames: int) -> None: ...

    def stage(self, name: str, seconds: float) -> None: ...

    def skipped(self, stream: str, reason: Skip, frames: int) -> None: ...

    def inference_failed(self, error: Exception) -> None: ...
