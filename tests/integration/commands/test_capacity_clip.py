"""What `capacity` plays when it is given a camera."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from tests.camera import Camera
from worker.commands import capacity
from worker.demo.cameras import DOOR, make_video

pytestmark = pytest.mark.alone


def test_a_camera_is_recorded_as_it_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = tmp_path / "door.mp4"
    make_video(DOOR._replace(seconds=2), clip)
    monkeypatch.setattr(capacity, "_RECORD_S", 3.0)
    with Camera(clip, auth="basic") as camera:
        recorded = capacity.clip_of(camera.url, tmp_path)
    with av.open(str(recorded)) as container:
        frames = list(container.decode(video=0))
    assert 40 <= len(frames) <= 50, "three seconds at 15 fps"
    assert frames[0].key_frame
    assert (frames[0].width, frames[0].height) == (1280, 720)


def test_without_a_source_it_is_the_demos_clip(tmp_path: Path) -> None:
    assert capacity.clip_of(None, tmp_path).stat().st_size > 10_000
    assert capacity.clip_of(str(tmp_path / "demo.mp4"), tmp_path) == (tmp_path / "demo.mp4").resolve()
