"""Annotated videos: every picture is there, times rise, jumps do not freeze the video, sizes may change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from worker.commands.annotated import AnnotatedVideo, write_picture
from worker.errors import OutputError
from worker.frame import Pixels


def gray(value: int, width: int = 64, height: int = 48) -> Pixels:
    return np.full((height, width, 3), value, np.uint8)


def written(path: Path, times: Sequence[float | None]) -> list[float]:
    """Write a picture for each time; the times that come back, from 0."""
    with AnnotatedVideo(path) as video:
        for number, time_s in enumerate(times):
            video.write(gray(number * 20), time_s)
    with av.open(str(path)) as container:
        return [float(frame.time or 0) for frame in container.decode(video=0)]


def test_times_of_a_variable_rate_are_kept(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.5, 0.54, 2.0]
    assert written(tmp_path / "v.mp4", times) == pytest.approx(times, abs=1e-3)


def test_jumps_and_missing_times_become_one_usual_step(tmp_path: Path) -> None:
    times = [5.0, 5.1, 1000.0, 1000.1, 3.0, None, 3.2]
    assert written(tmp_path / "v.mp4", times) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], abs=1e-3)


def test_another_size_is_letterboxed_and_an_odd_edge_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with AnnotatedVideo(path) as video:
        video.write(gray(100, 65, 49), 0.0)
        video.write(gray(200, 20, 48), 0.1)
    with av.open(str(path)) as container:
        first, second = (frame.to_ndarray(format="bgr24") for frame in container.decode(video=0))
    assert first.shape == second.shape == (48, 64, 3)
    assert abs(int(second[24, 32, 0]) - 200) < 12
    assert second[24, 4].max() < 20


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail() -> None:
        with AnnotatedVideo(tmp_path / "v.mp4") as video:
            video.write(gray(0), 0.0)
            raise KeyError("something else went wrong")

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.mp4"), AnnotatedVideo(tmp_path / "v.txt") as video:
        video.write(gray(0), 0.0)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="picture"):
        write_picture(tmp_path / "file" / "picture.jpg", gray(0))
