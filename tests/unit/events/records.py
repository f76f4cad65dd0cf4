"""Writes the records of one stream as a worker would, as parsed JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from worker.draft import Draft
from worker.events import schema
from worker.events.drafts import frame_draft, gap_draft, latency, status_draft
from worker.events.stream_events import Seen, Stats
from worker.frame import Frame, Gap, GapCause, Letterbox, State, StateChange

Parsed = dict[str, Any]

MODELS = schema.Models(detector="face-yolo11n@1f3a9c02", classifier="fer-resnet@77b0d1e4")
LATENCY = latency(0.0061, 0.003, 0.0214, 0.0042, 0.036)
_LETTERBOX = Letterbox.fit(1920, 1080, ((640, 384),))
_NOTHING = np.zeros((1, 1, 3), np.uint8)


def make_frame(index: int, run: str = "r1", stream: str = "lobby", **changes: Any) -> Frame:
    """A frame of a camera at 10 frames a second."""
    values: dict[str, Any] = {
        "stream": stream,
        "run": run,
        "index": index,
        "pts_s": index / 10,
        "captured_at": 1_764_000_000 + index / 10,
        "clock": "arrival",
        "arrived": 100 + index / 10,
        "letterbox": _LETTERBOX,
        "detector_input": _NOTHING,
        "luma": _NOTHING[..., 0],
    }
    return Frame(**(values | changes))


class Book:
    """The records of one stream; numbers them and remembers the run's frames."""

    def __init__(self, stream: str = "lobby") -> None:
        self.stream = stream
        self.records: list[Parsed] = []
        self.epoch = 1
        self.seq = 0
        self.run = "r1"
        self.next_index = 0
        self._runs = 1

    def event(self, skipped: dict[str, int] | None = None) -> None:
        skipped = skipped or {}
        index = self.next_index + sum(skipped.values())
        seen = Seen([], skipped, Stats(0, {}, {}, 0))
        self._write(frame_draft(make_frame(index, self.run, self.stream), seen, LATENCY, MODELS, "edge-1"))
        self.next_index = index + 1

    def status(self, state: State, skipped: dict[str, int] | None = None) -> None:
        skipped = skipped or {}
        self._write(
            status_draft(StateChange(self.stream, self.run, state, None, "why", 1.0, skipped=skipped), "edge-1")
        )
        self.next_index += sum(skipped.values())

    def gap(self, cause: GapCause, frames: int | None, really: int | None = None) -> None:
        """A gap that tells `frames`; `really` frames were decoded where it tells None."""
        self._write(gap_draft(Gap(self.stream, self.run, cause, 1.0, 2.0, frames), "edge-1"))
        self.next_index += (really or 0) if frames is None else frames

    def begin_run(self) -> None:
        self._runs += 1
        self.run, self.next_index = f"r{self._runs}", 0

    def crash(self, in_flight: int) -> None:
        """The worker dies with `in_flight` decoded frames that nobody knows of; another claims the stream."""
        self.epoch += 1
        self.gap(GapCause.WORKER_RESTART, None, in_flight)
        self.begin_run()

    def redis_forgets(self, count: int) -> None:
        """Redis loses the last `count` records: the worker tells it with the number of the last of them."""
        first = (self.records[-count].get("missing_seq") or [self.records[-count]["seq"]])[0]
        del self.records[-count:]
        gap = Gap(self.stream, self.run, GapCause.REDIS_LOST, 1.0, 2.0)
        draft = gap_draft(gap, "edge-1", (first, self.seq))
        self.records.append(json.loads(draft.encode(self.epoch, self.seq)))

    def _write(self, draft: Draft) -> None:
        self.seq += 1
        self.records.append(json.loads(draft.encode(self.epoch, self.seq)))
