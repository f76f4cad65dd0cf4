"""The fake producer's records are a worker's in all that a consumer can see."""

from __future__ import annotations

import json

from worker.events import schema
from worker.events.fake import FakeCamera, face
from worker.events.ledger import Ledger


def told(camera: FakeCamera) -> Ledger:
    ledger = Ledger()
    for record in camera.records:
        ledger.take(json.loads(record.model_dump_json()), record.id)
    return ledger


def a_day(client: None = None) -> FakeCamera:
    camera = FakeCamera(client, "lobby", fps=5)
    camera.status("connecting")
    camera.status("live")
    camera.frame(face("happiness"), face("sadness", track=2, abstained="too_small"), skipped={"max_fps": 2})
    camera.frame()
    camera.gap("spool_full", frames=7)
    camera.frame(face("anger"))
    camera.status("backoff", "connection lost")
    camera.gap("source_down", seconds=9.7)
    camera.status("live", "reconnected")
    camera.frame(face())
    camera.restart()
    camera.status("live")
    camera.frame(face())
    return camera


def test_its_records_add_up() -> None:
    ledger = told(a_day())
    assert ledger.findings == []
    assert ledger.accounts["lobby"].decoded == 5 + 2 + 7
    assert ledger.accounts["lobby"].events == 5


def test_a_frame_taken_out_is_found() -> None:
    camera = a_day()
    del camera.records[3]
    assert told(camera).findings


def test_each_is_valid_and_survives_json() -> None:
    for record in a_day().records:
        text = record.model_dump_json()
        assert schema.parse(text, record.type).model_dump_json() == text


def test_its_clock_moves_with_its_frames() -> None:
    camera = FakeCamera(None, fps=4)
    first, second = camera.frame(), camera.frame()
    assert first.frame.captured_at is not None
    assert second.frame.captured_at is not None
    assert (second.frame.captured_at - first.frame.captured_at).total_seconds() == 0.25
    assert second.frame.pts_s == 0.25
