"""Small frames, outboxes and studies for the hall's tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from worker.draft import Draft
from worker.face import Box, Detection, Quality
from worker.frame import Frame, Letterbox, Pixels, Skip
from worker.pipeline.ports import Latency

SHAPES = ((64, 32), (32, 64))


def make_frame(
    stream: str, index: int, run: str = "r", tall: bool = False, skipped: dict[str, int] | None = None
) -> Frame:
    width, height = (30, 60) if tall else (60, 30)
    letterbox = Letterbox.fit(width, height, SHAPES)
    return Frame(
        stream=stream,
        run=run,
        index=index,
        pts_s=index / 10,
        captured_at=1e9 + index / 10,
        clock="arrival",
        arrived=index / 10,
        letterbox=letterbox,
        detector_input=np.full((letterbox.input_height, letterbox.input_width, 3), index % 256, np.uint8),
        luma=np.zeros((height, width), np.uint8),
        skipped=skipped or {},
    )


class CountingOutbox:
    """A publish queue of `room` places that keeps what it gets."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room
        self.drafts: list[Draft] = []

    def reserve(self) -> bool:
        if self.room <= 0:
            return False
        self.room -= 1
        return True

    def put(self, draft: Draft) -> None:
        self.drafts.append(draft)

    def cancel_reservation(self) -> None:
        self.room += 1


class CountingStudy:
    """A study that finds each detection anew and writes the frame's number and skips."""

    def __init__(self) -> None:
        self.frame: Frame | None = None
        self.results: list[npt.NDArray[np.float32]] = []

    def begin(self, frame: Frame, detections: Sequence[Detection]) -> Sequence[Box]:
        self.frame = frame
        return [detection.box for detection in detections]

    def choose(self, qualities: Sequence[Quality]) -> Sequence[int]:
        return range(len(qualities))

    def finish(self, results: Sequence[npt.NDArray[np.float32]], latency: Latency) -> Draft:
        assert self.frame is not None
        self.results = list(results)
        frames = 1 + sum(self.frame.skipped.values())
        body = f'{{"index":{self.frame.index}}}'.encode()
        return Draft(self.frame.stream, "emotion.frame.v1", body, frames, self.frame.run, 0.0)


class SilentReport:
    """Keeps what the hall reports."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.skips: list[tuple[str, Skip, int]] = []
        self.errors: list[Exception] = []

    def batch(self, frames: int) -> None:
        self.batches.append(frames)

    def stage(self, name: str, seconds: float) -> None:
        assert seconds >= 0

    def skipped(self, stream: str, reason: Skip, frames: int) -> None:
        self.skips.append((stream, reason, frames))

    def inference_failed(self, error: Exception) -> None:
        self.errors.append(error)


def cut(luma: Pixels, box: Box) -> tuple[Pixels, Quality]:
    return np.zeros((48, 48), np.uint8), Quality(48.0, 1.0, 0.5, 1.0)
