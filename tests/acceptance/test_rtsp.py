"""The whole worker on RTSP cameras: healthy ones do not notice those that die, stay silent or refuse the password."""

from __future__ import annotations

import json
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
import redis

from tests.acceptance.command import emotion_worker, service, wait_until
from tests.camera import Camera
from worker.embedded_redis import EmbeddedRedis
from worker.events.schema import events_key

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def small_clip(faces_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three faces again, smaller and at 10 fps, so that four cameras fit into one core."""
    path = tmp_path_factory.mktemp("small") / "small.mp4"
    with av.open(str(faces_video)) as source, av.open(str(path), "w") as target:
        track = target.add_stream("libx264", rate=10, options={"preset": "veryfast", "g": "10", "bf": "2"})
        track.width, track.height, track.pix_fmt = 640, 360, "yuv420p"
        for number, frame in enumerate(source.decode(video=0)):
            small = frame.reformat(640, 360)
            small.pts, small.time_base = number, Fraction(1, 10)
            target.mux(track.encode(small))
        target.mux(track.encode())
    return path


def entries(server: EmbeddedRedis, stream: str) -> list[dict[str, Any]]:
    with redis.Redis.from_url(server.url) as client:
        return [json.loads(fields[b"data"]) for _, fields in client.xrange(events_key(stream))]


def states(server: EmbeddedRedis, stream: str) -> list[str]:
    return [record["state"] for record in entries(server, stream) if record["type"] == "emotion.status.v1"]


def totals_ms(server: EmbeddedRedis, streams: list[str], after: int) -> list[float]:
    """Total latencies of frames numbered above `after` in their stream, sorted."""
    records = [record for stream in streams for record in entries(server, stream) if record["seq"] > after]
    return sorted(record["latency_ms"]["total"] for record in records if record["type"] == "emotion.frame.v1")


def p95(values: list[float]) -> float:
    return values[round(0.95 * (len(values) - 1))]


def test_trouble_of_some_cameras_is_not_felt_by_the_others(
    embedded: EmbeddedRedis, small_clip: Path, faces_video: Path, tmp_path: Path
) -> None:
    short = {"open_timeout": "2s", "read_timeout": "2s", "max_fps": 2}
    with (
        Camera(small_clip) as one,
        Camera(small_clip, auth="digest") as two,
        Camera(small_clip) as dying,
        Camera(small_clip, auth="basic") as locked,
        Camera(small_clip) as freezing,
        Camera(small_clip, mute=True) as silent,
    ):
        wrong = locked.url.replace(":secret@", ":notsecret@")
        streams = [
            {"id": "one", "url": one.url, **short},
            {"id": "two", "url": two.url, **short},
            {"id": "dying", "url": dying.url, **short},
            {"id": "locked", "url": wrong, **short},
            {"id": "freezing", "url": freezing.url, **short},
            {"id": "silent", "url": silent.url, **short},
            {"id": "absent", "url": "rtsp://127.0.0.1:9/live", **short},
            {"id": "file", "url": str(faces_video), "max_fps": 2, "realtime": True},
        ]
        with service(tmp_path, {"streams": streams, "redis": {"url": embedded.url}}) as running:
            wait_until(lambda: len(entries(embedded, "two")) > 12, 90, "the healthy cameras' events")
            mark = max(len(entries(embedded, name)) for name in ("one", "two"))
            dying.kill()
            freezing.frozen.set()
            wait_until(lambda: "backoff" in states(embedded, "dying"), 90, "the dead camera's back-off")
            time.sleep(4)
            dying.start()
            wait_until(lambda: states(embedded, "dying")[-1] == "live", 90, "the camera's return")
            wait_until(lambda: "auth_failed" in states(embedded, "locked"), 90, "the refused password")
            wait_until(lambda: "stalled" in states(embedded, "freezing"), 90, "the stall")
            for name in ("absent", "silent"):
                assert states(embedded, name)[-1] == "backoff", name
            assert locked.refusals <= 2 * locked.connections <= 6, "accounts lock when a password is tried every second"
            assert running.get("/readyz")[0] == 200
            assert running.stop() == 0, running.text()
            assert "notsecret" not in running.text()
    before = totals_ms(embedded, ["one", "two"], 0)[: 2 * mark]
    during = totals_ms(embedded, ["one", "two"], mark)
    assert p95(during) < 3 * p95(before) + 200, (p95(before), p95(during))
    causes = [record["cause"] for record in entries(embedded, "dying") if record["type"] == "emotion.gap.v1"]
    assert causes == ["source_down"]
    assert len({record["run"] for record in entries(embedded, "dying")}) >= 2
    result = emotion_worker("verify", embedded.url)
    assert result.returncode == 0, result.stdout
