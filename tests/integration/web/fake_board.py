"""A port whose desks are fakes: what the pages do with answers that a real worker gives rarely."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from worker.assembly.advice import attention, level_of
from worker.assembly.photo import read_picture
from worker.assembly.window import Vitals, open_window
from worker.clock import SystemClock
from worker.settings import WebSettings
from worker.web.desks import Desks, Json
from worker.web.tally import BUCKETS, HISTORY

WORKER: Json = {
    "name": "edge",
    "version": "0",
    "purpose": None,
    "up_s": 1.0,
    "ready": True,
    "reasons": [],
    "models": {},
    "backend": "openvino",
    "busy": 0.1,
    "changes": False,
}


def stream(name: str, **changes: Any) -> dict[str, Any]:
    """A camera that is live and sees one happy face, and sometimes one that it cannot read."""
    counts = {"happiness": 8, "abstained": 2, "frames": 10}
    view = {
        "id": name,
        "address": f"rtsp://viewer:***@10.0.0.7/{name}",
        "live": True,
        "state": "live",
        "trouble": None,
        "reason": "first frame after 0.4 s",
        "since_s": 60.0,
        "fps": 2.0,
        "decoded_fps": 15.0,
        "frame_age_s": 0.1,
        "latency_p95_ms": 120.0,
        "decoded": 900,
        "published": 120,
        "decode_errors": 0,
        "skipped": {"max_fps": 780},
        "skipped_lately": {"max_fps": 130},
        "gaps": {},
        "faces": [
            {"track": 1, "label": "happiness", "confidence": 0.8, "since_s": 7.0, "age_s": 0.0, "abstained": None}
        ],
        "faces_age_s": 0.2,
        "history": [[counts.get(column, 0) for column in HISTORY] for _ in range(BUCKETS)],
        "preview": False,
    }
    return view | changes


def away(name: str, next_s: float = 1.0) -> dict[str, Any]:
    """A camera that does not answer."""
    reason = f"rtsp://viewer:***@10.0.0.7/{name}: connection refused; is the camera on?; next try in {next_s} s"
    none: Json = {"fps": 0.0, "frame_age_s": None, "latency_p95_ms": None, "faces": [], "faces_age_s": None}
    empty = [[0] * len(HISTORY) for _ in range(BUCKETS)]
    return stream(name, state="backoff", reason=reason, history=empty, **none)


@dataclass
class FakeBoard:
    """What `/api/v1/live` and `/api/v1/photo` answer; `sent`: the picture files that came."""

    address: str
    desks: Desks
    streams: list[dict[str, Any]] = field(default_factory=list)
    photo: dict[str, Any] = field(default_factory=dict)
    sent: list[bytes] = field(default_factory=list)

    def live(self) -> Json:
        streams = copy.deepcopy(self.streams)
        for view in streams:
            view["level"] = level_of(view)
        target = {"kind": "redis", "where": "redis://10.0.0.5", "up": True, "waiting": 0, "capacity": 1000}
        return {
            "at": "2026-11-25T12:00:00.000Z",
            "worker": WORKER,
            "target": target,
            "streams": streams,
            "attention": attention(streams, target),
            "history_columns": list(HISTORY),
            "history_step_s": 5.0,
        }

    def read(self, data: bytes) -> Json:
        read_picture(data)
        self.sent.append(data)
        return self.photo


@contextmanager
def fake_board() -> Iterator[FakeBoard]:
    """The board on a port of its own."""
    errors: list[BaseException] = []
    window = open_window(WebSettings(port=0), Vitals(SystemClock()), errors.append)
    assert window.server is not None
    board = FakeBoard(f"http://127.0.0.1:{window.server.port}", window.desks)
    window.desks.live, window.desks.photo = board.live, board.read
    yield board
    assert window.stop(5)
    assert errors == []
