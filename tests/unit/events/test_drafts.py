from __future__ import annotations

import json

import jsonschema
import pytest

from tests.unit.events.records import LATENCY, MODELS, make_frame
from worker.draft import Draft
from worker.events import schema, schema_docs
from worker.events.drafts import frame_draft, gap_draft, latency, status_draft
from worker.events.stream_events import Seen, Stats
from worker.frame import Gap, GapCause, State, StateChange

STATS = Stats(0, {}, {}, 0)


def stored(draft: Draft) -> dict[str, object]:
    """The record as Redis holds it, checked by the models and by a JSON Schema validator."""
    data: dict[str, object] = json.loads(draft.encode(1764000000000, 7))
    schema.parse(draft.encode(1764000000000, 7), draft.type)
    jsonschema.validate(data, schema_docs.json_schema(draft.type))
    return data


def test_a_frame() -> None:
    frame = make_frame(5200, "01KA", pts_s=208.0412345678, captured_at=1764000000.1239)
    draft = frame_draft(frame, Seen([], {"max_fps": 2, "superseded": 0}, STATS), LATENCY, MODELS, "edge-1")
    assert stored(draft) == {
        "type": "emotion.frame.v1",
        "id": "lobby/1764000000000/7",
        "stream": "lobby",
        "epoch": 1764000000000,
        "seq": 7,
        "run": "01KA",
        "frame": {
            "index": 5200,
            "pts_s": 208.041235,
            "captured_at": "2025-11-24T16:00:00.123Z",
            "clock": "arrival",
            "width": 1920,
            "height": 1080,
        },
        "skipped": {"max_fps": 2},
        "faces": [],
        "latency_ms": {"decode": 6.1, "wait": 3.0, "detect": 21.4, "classify": 4.2, "total": 36.0},
        "models": {"detector": "face-yolo11n@1f3a9c02", "classifier": "fer-resnet@77b0d1e4"},
        "worker": "edge-1",
    }
    assert (draft.stream, draft.run, draft.frames, draft.wall_s) == ("lobby", "01KA", 3, 1764000000.1239)
    assert draft.arrived == frame.arrived
    assert draft.droppable


def test_the_identity_comes_first_and_in_order() -> None:
    draft = frame_draft(make_frame(0), Seen([], {}, STATS), None, MODELS, "w")
    keys = list(json.loads(draft.encode(1, 1)))
    assert keys[:6] == ["type", "id", "stream", "epoch", "seq", "run"]


def test_an_offline_frame_knows_no_wall_time() -> None:
    frame = make_frame(0, captured_at=None, clock=None, pts_s=None)
    data = stored(frame_draft(frame, Seen([], {}, STATS), None, MODELS, "edge-1"))
    assert data["latency_ms"] is None
    assert data["frame"] == {
        "index": 0,
        "pts_s": None,
        "captured_at": None,
        "clock": None,
        "width": 1920,
        "height": 1080,
    }


def test_a_gap() -> None:
    gap = Gap("lobby", "01KA", GapCause.REDIS_LOST, 1764000000.0, 1764000009.87, None)
    draft = gap_draft(gap, "edge-1", (4, 7))
    data = stored(draft)
    assert (data["cause"], data["from"], data["to"], data["frames"], data["missing_seq"]) == (
        "redis_lost",
        "2025-11-24T16:00:00.000Z",
        "2025-11-24T16:00:09.870Z",
        None,
        [4, 7],
    )
    assert (draft.frames, draft.droppable, draft.arrived, draft.wall_s) == (0, False, None, 1764000009.87)
    untimed = stored(gap_draft(gap, "edge-1", timed=False))
    assert (untimed["from"], untimed["to"], untimed["missing_seq"]) == (None, None, None)


def test_a_status() -> None:
    change = StateChange("lobby", "01KA", State.ENDED, State.LIVE, "end of file", 1764000000.5, True, {"stopping": 2})
    draft = status_draft(change, "edge-1")
    data = stored(draft)
    assert (data["state"], data["previous"], data["reason"], data["at"], data["skipped"]) == (
        "ended",
        "live",
        "end of file",
        "2025-11-24T16:00:00.500Z",
        {"stopping": 2},
    )
    assert (draft.frames, draft.droppable) == (2, False)
    first = StateChange("lobby", "01KA", State.CONNECTING, None, "", 1.0)
    assert stored(status_draft(first, "edge-1", timed=False))["at"] is None


def test_text_of_any_kind_survives() -> None:
    change = StateChange("lobby", "01KA", State.FAILED, None, 'no "camera"\n\u00fc \U0001f600', 1.0)
    assert stored(status_draft(change, "büro"))["reason"] == 'no "camera"\n\u00fc \U0001f600'


def test_nonsense_does_not_leave() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        latency(-1, 0, 0, 0, 0)
    with pytest.raises(ValueError, match="finite"):
        frame_draft(make_frame(0, pts_s=float("nan")), Seen([], {}, STATS), None, MODELS, "w")
    with pytest.raises(ValueError, match="stream"):
        frame_draft(make_frame(0, stream="a/b"), Seen([], {}, STATS), None, MODELS, "w")
