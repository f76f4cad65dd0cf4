"""What is told of streams that are not well, and of a machine that has too much to do."""

from __future__ import annotations

from typing import Any

from worker.assembly.advice import attention, level_of

TARGET = {"kind": "redis", "where": "redis://10.0.0.5", "up": True, "waiting": 0, "capacity": 1000}


def view(name: str = "lobby", **changes: Any) -> dict[str, Any]:
    """A stream that is well."""
    return {
        "id": name,
        "live": True,
        "state": "live",
        "trouble": None,
        "reason": "first frame after 0.4 s",
        "fps": 5.0,
        "frame_age_s": 0.1,
        "latency_p95_ms": 120.0,
        "published": 1000,
        "skipped": {"max_fps": 2000, "superseded": 3},
        "skipped_lately": {"max_fps": 100},
    } | changes


def test_a_stream_that_is_well_needs_nobody() -> None:
    assert level_of(view()) == "good"
    assert attention([view()], TARGET) == []


def test_a_crowded_machine_is_told_once_for_all_streams() -> None:
    crowded = [view(name, fps=1.0, skipped_lately={"superseded": 40}) for name in ("a", "b", "c")]
    assert [level_of(stream) for stream in crowded] == ["wait"] * 3
    (item,) = attention([*crowded, view()], TARGET)
    assert (item["level"], item["stream"]) == ("wait", None)
    assert item["what"] == "3 streams: of the frames that should be analysed, 80% are skipped"
    assert "lower max_fps" in str(item["todo"])
    (item,) = attention([crowded[0], view()], TARGET)
    assert (item["stream"], str(item["what"])[:3]) == ("a", "a: ")


def test_records_that_come_seconds_late_are_told_where_hardly_any_frame_is_analysed() -> None:
    """With one frame in 16 s, most spans of 10 s hold no skipped frame at all."""
    slow = view(fps=0.1, published=11, latency_p95_ms=15_400.0, skipped={"superseded": 40}, skipped_lately={})
    assert level_of(slow) == "wait"
    (item,) = attention([slow], TARGET)
    assert item["what"] == "lobby: records come up to 15 s after their frames"


def test_frames_that_wait_by_choice_are_no_reason_to_worry() -> None:
    assert level_of(view(live=False, latency_p95_ms=60_000.0, skipped={"max_fps": 10})) == "good"


def test_a_target_that_was_away_is_not_taken_for_a_crowded_machine() -> None:
    """Its records were late for a minute, but their frames were analysed."""
    assert level_of(view(latency_p95_ms=60_000.0)) == "good"


def test_the_worst_comes_first_and_says_what_to_do() -> None:
    away = view("gate", state="connecting", trouble="backoff", reason="connection refused")
    old = view("yard", frame_age_s=7.0)
    items = attention([old, away], {**TARGET, "up": False, "waiting": 7})
    assert [(item["level"], item["stream"]) for item in items] == [("bad", None), ("bad", "gate"), ("wait", "yard")]
    assert "7 of 1000 wait in memory" in str(items[0]["what"])
    assert items[1]["what"] == "gate is away: connection refused"
    assert items[2]["what"] == "yard: the newest frame is 7 s old"
    assert all(item["todo"] for item in items)
