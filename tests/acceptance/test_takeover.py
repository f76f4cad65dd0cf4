"""A worker that hangs for longer than 15 s loses its stream, and writes nothing more into it when it wakes up."""

from __future__ import annotations

import signal
import time
from itertools import groupby
from pathlib import Path

import pytest

from tests.acceptance.command import emotion_worker, service, wait_until
from tests.acceptance.test_run import camera, entries, frames, has_frames
from worker.embedded_redis import EmbeddedRedis

pytestmark = pytest.mark.alone


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_worker_that_was_stopped_for_too_long_is_fenced(
    embedded: EmbeddedRedis, faces_video: Path, door_video: Path, tmp_path: Path
) -> None:
    hall, door = camera("hall", faces_video), camera("door", door_video)
    redis = {"url": embedded.url}

    def writer() -> str:
        name: str = frames(embedded, "hall")[-1]["worker"]
        return name

    with service(tmp_path, {"streams": [hall, door], "redis": redis}, "first") as first:
        wait_until(has_frames(embedded, "hall", 3), 200, "events of the first")
        with service(tmp_path, {"streams": [hall], "redis": redis}, "second") as second:
            wait_until(lambda: "published by worker first" in second.text(), 200, "the second naming the first")
            assert writer() == "first"
            first.process.send_signal(signal.SIGSTOP)
            stopped = time.monotonic()
            wait_until(lambda: writer() == "second", 60, "the second taking over")
            assert time.monotonic() - stopped > 10, "15 s, less the age of the last sign of life"
            first.process.send_signal(signal.SIGCONT)
            wait_until(lambda: "hall was taken over by worker second" in first.text(), 60, "the first noticing")
            seen, of_door = len(entries(embedded, "hall")), len(frames(embedded, "door"))
            wait_until(has_frames(embedded, "door", of_door + 3), 60, "the first going on with its other stream")
            wait_until(lambda: len(entries(embedded, "hall")) > seen + 3, 60, "the second going on")
            assert first.metric("gaps_total", stream="hall", cause="taken_over") == 1, "what the alert asks for"
            assert second.stop() == 0
        # Whether a frame was on its way when it was stopped is chance; if so it is told, and the code says so.
        code = first.stop()
        assert ("stream hall: " in first.text()) == (code == 75)
        assert code in {0, 75}, first.text()
        assert "stream door: " not in first.text(), "the stream that is still ours lost nothing"
    found = entries(embedded, "hall")
    assert [name for name, _ in groupby(found, lambda record: record["worker"])] == ["first", "second"]
    assert [r["cause"] for r in found if r["type"] == "emotion.gap.v1"] == ["worker_restart"]
    result = emotion_worker("verify", embedded.url)
    assert result.returncode == 0, result.stdout
