"""`emotion-worker probe` on a camera of our own, real faces and files that are none."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import cv2
import pytest
import yaml

from tests.camera import Camera
from worker.cli import call
from worker.demo.cameras import HALL, make_video

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three faces, 15 frames a second."""
    path = tmp_path_factory.mktemp("video") / "hall.mp4"
    make_video(HALL._replace(seconds=3), path)
    return path


def test_a_camera_from_its_codec_to_its_settings(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Camera(clip, auth="basic") as camera:
        assert call(["probe", camera.url, "--seconds", "4", "--picture", str(tmp_path / "seen.jpg")]) == 0
    out = capsys.readouterr().out
    assert "secret" not in out
    for word in ("h264", "1280 x 720", "15.00 a second", "B-frames", "RTCP", "hardware decode", "happiness", "verdict"):
        assert word in out, word
    (entry,) = yaml.safe_load(out[out.index("streams:") :])["streams"]
    assert entry["url"] == f"rtsp://viewer:${{CAMERA_127_0_0_1_LIVE_PASSWORD}}@127.0.0.1:{camera.port}/live"
    picture = cv2.imread(str(tmp_path / "seen.jpg"))
    assert picture is not None
    assert picture.shape == (720, 1280, 3)


def test_several_are_a_table_and_what_fails_is_told_last(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.mp4"
    page.write_text("<html>no video</html>")
    arguments = [str(clip), str(page), "rtsp://admin:hunter2@127.0.0.1:1/x"]
    assert call(["probe", *arguments, "--seconds", "1", "--json"]) == 66
    told = capsys.readouterr()
    found: list[dict[str, Any]] = json.loads(told.out)
    assert [item["verdict"] == "not usable" for item in found] == [False, True, True]
    good = found[0]
    assert (good["codec"], good["width"], good["height"], good["damaged"]) == ("h264", 1280, 720, 0)
    assert good["measured_fps"] == pytest.approx(15, abs=0.1)
    assert {face["label"] for face in good["faces"] if not face["refused"]} >= {"happiness"}
    assert min(face["size_px"] for face in good["faces"]) > 40
    errors = [line for line in told.err.splitlines() if line.startswith("error: ")]
    assert "a web page, not a video" in errors[0]
    assert "connection refused" in errors[1]
    assert "hunter2" not in told.out + told.err


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["rtsp://x:${NO_SUCH_NAME}@h/1"], 78, "NO_SUCH_NAME"),
        (["rtsp://h/1", "--transport", "pigeon"], 78, "pigeon"),
        (["face.jpg"], 66, "analyze"),
        (["ftp://h/1"], 66, "error: ftp://h/1: a source cannot have the scheme 'ftp:'"),
    ],
)
def test_mistakes(arguments: list[str], code: int, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["probe", *arguments]) == code
    assert word in next(line for line in capsys.readouterr().err.splitlines() if line.startswith("error: "))


def test_a_picture_without_a_folder_is_told_before_anything_is_watched(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["probe", "rtsp://192.0.2.1/live", "--picture", "/no/such/folder/seen.jpg"]) == 74
    assert "its folder does not exist: make it first" in capsys.readouterr().err


def test_sound_alone_is_told_in_the_words_of_the_other_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = tmp_path / "sound.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))
    assert call(["probe", str(sound)]) == 66
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {sound}: there is no video in it, only other tracks"
