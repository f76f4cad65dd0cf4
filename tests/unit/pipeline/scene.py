"""Small frames, outboxes and studies for the hall's tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from worker.draft import Draft
from worker.face import Box, Detection, Quality
from worker.frame import Frame, Letterbox, Pixels, Skip, StateChange, merge_skips
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
    """A study that looks at each detection anew and writes the frame's number and skips."""

    def __init__(self) -> None:
        self.results: list[npt.NDArray[np.float32] | None] = []
        self._carried: dict[str, int] = {}

    def begin(self, frame: Frame, detections: Sequence[Detection]) -> Sequence[Detection]:
        return detections

    def refuses(self, quality: Quality) -> bool:
        return quality.size_px < 1

    def finish(
        self,
        frame: Frame,
        qualities: Sequence[Quality],
        results: Sequence[npt.NDArray[np.float32] | None],
        latency: Latency,
    ) -> Draft:
        self.results += results
        skipped = merge_skips(self._carried, frame.skipped)
        self._carried = {}
        body = f'{{"index":{frame.index}}}'.encode()
        return Draft(frame.stream, "emotion.frame.v1", body, 1 + sum(skipped.values()), frame.run, 0.0)

    def skip(self, frame: Frame, reason: Skip) -> None:
        self._carried = merge_skips(self._carried, frame.skipped, {reason: 1})

    def carry(self, change: StateChange) -> StateChange:
        carried, self._carried = self._carried, {}
        return replace(change, skipped=merge_skips(carried, change.skipped))


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
    """A crop whose value is the box's left edge, and whose size is zero where that edge is 13."""
    return np.full((48, 48), box.x_min, np.uint8), Quality(0.0 if box.x_min == 13 else 48.0, 1.0, 0.5, 1.0)
