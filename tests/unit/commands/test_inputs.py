"""What `analyze` reads, and what it calls it."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.commands.inputs import StreamIds, inputs
from worker.errors import SettingsError


def test_what_is_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "b.jpg").touch()
    found = inputs([str(tmp_path / "b.jpg"), str(tmp_path), f"{tmp_path}/../{tmp_path.name}/a.jpg"])
    assert [item.shown for item in found] == ["b.jpg", "a.jpg"]
    assert [item.mark for item in found] == ["b", "a"]


@pytest.mark.parametrize(
    ("given", "shown", "marks"),
    [
        (["c.mp4", "d.mp4"], ["c.mp4", "d.mp4"], ["c", "d"]),
        (["c.mp4", "c.mkv"], ["c.mp4", "c.mkv"], ["c.mp4", "c.mkv"]),
        (["1/rec.mp4", "2/rec.mp4"], ["1/rec.mp4", "2/rec.mp4"], ["1-rec", "2-rec"]),
        (["1/c.mp4", "1/c.mkv", "2/c.mp4"], ["1/c.mp4", "c.mkv", "2/c.mp4"], ["1-c.mp4", "1-c.mkv", "2-c.mp4"]),
        (["a/1/x.mp4", "b/1/x.mp4", "y.mp4"], ["a/1/x.mp4", "b/1/x.mp4", "y.mp4"], ["1-x.mp4", "2-x.mp4", "3-y.mp4"]),
    ],
)
def test_equal_names_are_told_apart(given: list[str], shown: list[str], marks: list[str]) -> None:
    found = inputs(given)
    assert [item.shown for item in found] == shown
    assert [item.mark for item in found] == marks


@pytest.mark.parametrize("given", ["", "rtsp://u:hunter2@h/x", "s3://bucket/x"])
def test_what_is_no_file_is_refused(given: str) -> None:
    with pytest.raises(SettingsError, match="is no file") as told:
        inputs([given])
    assert "hunter2" not in str(told.value)


def test_equal_files_of_equal_names_are_two_streams() -> None:
    ids = StreamIds()
    made = [ids.of(Path("/v") / folder / ("x" * 80 + ".mp4"), "01ABCDEFGH") for folder in "abc"]
    assert made[1:] == [f"{made[0]}-2", f"{made[0]}-3"]
    assert all(len(stream) <= 64 for stream in made)
