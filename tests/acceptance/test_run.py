"""`emotion-worker run` as an operator runs it: real processes, a real Redis, real faces."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.acceptance.command import Service, emotion_worker, errors_of, records_of, service, wait_until
from worker.embedded_redis import EmbeddedRedis
from worker.events.schema import events_key

pytestmark = pytest.mark.alone


def entries(server: EmbeddedRedis, stream: str) -> list[dict[str, Any]]:
    """All records of a stream, parsed."""
    with redis.Redis.from_url(server.url) as client:
        return [json.loads(fields[b"data"]) for _, fields in client.xrange(events_key(stream))]


def frames(server: EmbeddedRedis, stream: str) -> list[dict[str, Any]]:
    return [record for record in entries(server, stream) if record["type"] == "emotion.frame.v1"]


def has_frames(server: EmbeddedRedis, stream: str, count: int = 1) -> Callable[[], bool]:
    return lambda: len(frames(server, stream)) >= count


def camera(name: str, path: Path) -> dict[str, Any]:
    """A file that plays like a camera."""
    return {"id": name, "url": str(path), "loop": True, "realtime": True, "policy": "keep_latest", "max_fps": 5}


def test_files_go_through_to_redis_and_the_worker_ends_by_itself(
    redis_server: EmbeddedRedis, faces_video: Path, door_video: Path, tmp_path: Path
) -> None:
    settings = {
        "streams": [{"id": "hall", "url": str(faces_video)}, {"id": "door", "url": str(door_video)}],
        "redis": {"url": redis_server.url},
    }
    with service(tmp_path, settings) as running:
        assert running.process.wait(90) == 0, running.text()
    for stream, count in (("hall", 60), ("door", 45)):
        events = frames(redis_server, stream)
        assert [event["frame"]["index"] for event in events] == list(range(count))
        assert all(event["latency_ms"]["total"] > 0 for event in events)
    labels = {f["stable"]["label"] for event in frames(redis_server, "hall") for f in event["faces"] if f["stable"]}
    assert "happiness" in labels
    assert emotion_worker("verify", redis_server.url).returncode == 0


def test_cameras_run_until_sigterm_and_the_books_agree(
    embedded: EmbeddedRedis, faces_video: Path, door_video: Path, tmp_path: Path
) -> None:
    settings = {
        "streams": [camera("hall", faces_video), camera("door", door_video)],
        "redis": {"url": embedded.url},
    }
    with service(tmp_path, settings) as running:
        wait_until(has_frames(embedded, "door", 8), 90, "eight events")
        assert running.get("/livez")[0] == running.get("/readyz")[0] == running.get("/startupz")[0] == 200
        assert running.metric("stream_up", stream="hall") == 1
        assert running.metric("redis_up") == 1
        assert (running.metric("frame_latency_seconds_count", stream="hall") or 0) > 0
        assert (running.metric("stage_seconds_count", stage="publish") or 0) > 0
        began = time.monotonic()
        assert running.stop() == 0, running.text()
        assert time.monotonic() - began < 12
    closing = entries(embedded, "hall")[-1]
    assert (closing["type"], closing["state"]) == ("emotion.status.v1", "stopped")
    result = emotion_worker("verify", embedded.url, "--json")
    assert result.returncode == 0, result.stdout
    book = json.loads(result.stdout)["streams"]["hall"]
    assert book["decoded"] == book["events"] + sum(book["skipped"].values())


def test_metrics_and_records_tell_the_same_numbers(embedded: EmbeddedRedis, faces_video: Path, tmp_path: Path) -> None:
    stream = {"id": "hall", "url": str(faces_video), "max_fps": 5}
    held = {"id": "held", **camera("held", faces_video)}
    with service(tmp_path, {"streams": [stream, held], "redis": {"url": embedded.url}}) as running:
        wait_until(lambda: any(r.get("state") == "ended" for r in entries(embedded, "hall")), 90, "the file's end")
        wait_until(lambda: running.metric("frames_in_flight", stream="hall") == 0, 5, "nothing in flight")
        assert running.metric("frames_decoded_total", stream="hall") == 60
        published = running.metric("frames_published_total", stream="hall")
        skipped = running.metric("frames_skipped_total", stream="hall", reason="max_fps")
    events = frames(embedded, "hall")
    assert published == len(events) == 20
    assert skipped == sum(sum(record.get("skipped", {}).values()) for record in entries(embedded, "hall")) == 40


def test_redis_away_for_a_while_loses_no_files_frames(
    embedded: EmbeddedRedis, faces_video: Path, tmp_path: Path
) -> None:
    settings = {
        "streams": [{"id": "hall", "url": str(faces_video)}, camera("live", faces_video)],
        "redis": {"url": embedded.url},
        "publish": {"queue_records": 16},
    }
    with service(tmp_path, settings) as running:
        wait_until(has_frames(embedded, "hall", 5), 90, "five events")
        embedded.stop()
        wait_until(lambda: running.metric("redis_up") == 0, 90, "redis_up 0")
        time.sleep(8)
        assert running.process.poll() is None
        assert (running.metric("publish_queue_records") or 99) <= 2 * 16 + 8
        embedded.start()
        wait_until(lambda: any(r.get("state") == "ended" for r in entries(embedded, "hall")), 60, "the file's end")
        wait_until(lambda: running.metric("frames_in_flight", stream="live") is not None, 90, "metrics")
        assert running.stop() == 0
    assert [event["frame"]["index"] for event in frames(embedded, "hall")] == list(range(60))
    gaps = [record for record in entries(embedded, "live") if record["type"] == "emotion.gap.v1"]
    assert any(gap["cause"] == "spool_full" and gap["frames"] > 0 for gap in gaps)
    result = emotion_worker("verify", embedded.url)
    assert result.returncode == 0, result.stdout


def test_a_second_worker_waits_and_takes_over_after_the_first(
    embedded: EmbeddedRedis, faces_video: Path, tmp_path: Path
) -> None:
    settings = {"streams": [camera("hall", faces_video)], "redis": {"url": embedded.url}}
    with service(tmp_path, settings, "first") as first:
        wait_until(has_frames(embedded, "hall", 3), 90, "events of the first")
        with service(tmp_path, settings, "second") as second:
            wait_until(lambda: "published by worker first" in second.text(), 90, "the second naming the first")
            assert {event["worker"] for event in frames(embedded, "hall")} == {"first"}
            assert first.stop() == 0
            wait_until(lambda: frames(embedded, "hall")[-1]["worker"] == "second", 90, "the second taking over")
            assert second.stop() == 0
    assert emotion_worker("verify", embedded.url).returncode == 0


def test_a_killed_worker_leaves_a_gap_and_goes_on_counting(
    embedded: EmbeddedRedis, faces_video: Path, tmp_path: Path
) -> None:
    settings = {"streams": [camera("hall", faces_video)], "redis": {"url": embedded.url}}
    with service(tmp_path, settings) as running:
        wait_until(has_frames(embedded, "hall", 3), 90, "events")
        running.process.send_signal(signal.SIGKILL)
        running.process.wait(5)
    before = len(frames(embedded, "hall"))
    with service(tmp_path, settings) as running:
        wait_until(has_frames(embedded, "hall", before + 3), 90, "events after the restart")
        assert running.stop() == 0
    causes = [record["cause"] for record in entries(embedded, "hall") if record["type"] == "emotion.gap.v1"]
    assert "worker_restart" in causes
    assert emotion_worker("verify", embedded.url).returncode == 0


def test_records_to_a_file(door_video: Path, tmp_path: Path) -> None:
    out = tmp_path / "records.jsonl"
    settings = {
        "streams": [{"id": "door", "url": str(door_video)}],
        "publish": {"target": "file", "path": str(out)},
    }
    with service(tmp_path, settings) as running:
        assert running.process.wait(60) == 0, running.text()
    assert sum(record["type"] == "emotion.frame.v1" for record in records_of(out)) == 45
    assert emotion_worker("verify", out).returncode == 0


def refusal(tmp_path: Path, settings: dict[str, Any]) -> tuple[int, str, Service]:
    """Exit code and last line of a worker that should not come up."""
    with service(tmp_path, settings) as running:
        code = running.process.wait(60)
        text = running.text()
        assert "Traceback" not in text
        return code, [line for line in text.splitlines() if line.startswith("error: ")][-1], running


def test_refusals_are_one_line_and_a_code(embedded: EmbeddedRedis, door_video: Path, tmp_path: Path) -> None:
    stream = {"id": "door", "url": str(door_video)}
    with redis.Redis.from_url(embedded.url) as client:
        client.set(events_key("door"), "somebody else's")
    code, line, _ = refusal(tmp_path, {"streams": [stream], "redis": {"url": embedded.url}})
    assert code == 76
    assert "emotion:{door}:events" in line
    code, line, _ = refusal(tmp_path, {"streams": [stream], "models": {"classifier": str(tmp_path)}})
    assert code == 65
    assert "manifest.json" in line
    purpose = {"worker": {"name": "w", "purpose": "workplace"}, "streams": [stream]}
    code, line, _ = refusal(tmp_path, purpose)
    assert code == 77
    assert "Article 5" in line
    (tmp_path / "bad.yaml").write_text("redsi: {url: redis://localhost}\nstreams: [{id: 'a b', url: x.mp4}]\n")
    result = emotion_worker("run", tmp_path / "bad.yaml")
    assert result.returncode == 78
    assert len(errors_of(result)) == 2
    assert any("redsi" in line and "redis" in line for line in errors_of(result))


def test_a_wrong_password_is_told_without_the_password(door_video: Path, tmp_path: Path) -> None:
    with EmbeddedRedis(password="right") as server:
        url = server.url.replace("redis://", "redis://:hunter2@")
        settings = {"streams": [{"id": "door", "url": str(door_video)}], "redis": {"url": url}}
        code, line, running = refusal(tmp_path, settings)
    assert code == 76
    assert "password" in line
    assert "hunter2" not in running.text()


def test_a_port_in_use(embedded: EmbeddedRedis, door_video: Path, tmp_path: Path) -> None:
    settings = {
        "streams": [{"id": "door", "url": str(door_video)}],
        "redis": {"url": embedded.url},
        "web": {"port": embedded.port},
    }
    code, line, _ = refusal(tmp_path, settings)
    assert code == 71
    assert str(embedded.port) in line


def test_all_sources_failing_is_an_error(embedded: EmbeddedRedis, tmp_path: Path) -> None:
    settings = {
        "streams": [{"id": "gone", "url": str(tmp_path / "gone.mp4")}],
        "redis": {"url": embedded.url},
    }
    code, line, _ = refusal(tmp_path, settings)
    assert code == 66
    assert "every stream has failed" in line


def test_check_prints_the_effective_settings_masked(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("redis: {url: 'redis://:hunter2@localhost'}\nstreams: [{id: a, url: 'rtsp://u:hunter2@cam/1'}]\n")
    result = emotion_worker("run", config, "--check")
    assert result.returncode == 0, result.stderr
    assert "hunter2" not in result.stdout + result.stderr
    assert "max_batch: 8" in result.stdout
