"""The Dataturks export and the variants of it that are seen in the wild."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detector_training.dataturks import read_export
from detector_training.errors import DataError
from tests.shared_data import shared
from tests.training.detector.made import dataturks_line

BOX = (0.1, 0.2, 0.5, 0.6)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_lines_array_and_data_object_say_the_same(tmp_path: Path) -> None:
    lines = [dataturks_line("http://x/a.jpg", BOX), dataturks_line("http://x/b.jpg", BOX, (0.6, 0.1, 0.9, 0.3))]
    entries = [json.loads(line) for line in lines]
    forms = ["\n".join(lines), json.dumps(entries), json.dumps({"data": entries})]
    read = [read_export(write(tmp_path / f"{number}.json", text)) for number, text in enumerate(forms)]
    for export in read:
        assert [item.url for item in export.items] == ["http://x/a.jpg", "http://x/b.jpg"]
        np.testing.assert_allclose(export.items[1].shares, [BOX, (0.6, 0.1, 0.9, 0.3)])
        assert not export.problems


def test_corners_come_in_any_order(tmp_path: Path) -> None:
    text = "\n".join(
        dataturks_line(f"http://x/{n}.jpg", box)
        for n, box in enumerate([(0.5, 0.6, 0.1, 0.2), (0.5, 0.2, 0.1, 0.6), BOX])
    )
    for item in read_export(write(tmp_path / "e.json", text)).items:
        np.testing.assert_allclose(item.shares, [BOX])


def test_a_box_outside_is_cut_and_an_empty_one_left_out(tmp_path: Path) -> None:
    text = dataturks_line("http://x/a.jpg", (-0.2, 0.5, 0.4, 1.3), (1.1, 0.1, 1.3, 0.4), (0.3, 0.3, 0.3, 0.5))
    export = read_export(write(tmp_path / "e.json", text))
    np.testing.assert_allclose(export.items[0].shares, [(0.0, 0.5, 0.4, 1.0)])
    assert "2 boxes are empty or outside" in export.problems[0].why


def test_px_need_the_size_and_missing_sizes_are_told(tmp_path: Path) -> None:
    entry = json.loads(dataturks_line("http://x/a.jpg", (32, 48, 160, 144)))
    bare = json.loads(dataturks_line("http://x/b.jpg", (32, 48, 160, 144), BOX))
    for annotation in bare["annotation"]:
        del annotation["imageWidth"]
    export = read_export(write(tmp_path / "e.json", json.dumps([entry, bare])))
    np.testing.assert_allclose(export.items[0].shares, [BOX])
    np.testing.assert_allclose(export.items[1].shares, [BOX])
    assert "px without the picture's size" in export.problems[0].why


def test_duplicates_keep_the_fuller_labels(tmp_path: Path) -> None:
    lines = [dataturks_line("u", BOX), dataturks_line("u", BOX, (0.6, 0.1, 0.9, 0.3)), dataturks_line("u", BOX)]
    export = read_export(write(tmp_path / "e.json", "\n".join(lines)))
    assert len(export.items) == 1
    assert len(export.items[0].shares) == 2
    assert len(export.problems) == 2


@pytest.mark.parametrize(
    "line",
    [
        '{"content": "u", "annotation": null}',
        '{"content": "u"}',
        '{"annotation": []}',
        "{broken",
        "[1]",
        '"text"',
        '{"content": "u", "annotation": [{"label": ["Face"], "points": [{"x": 1}]}]}',
        '{"content": "u", "annotation": [{"label": ["Face"], "points": null}]}',
        '{"content": "u", "annotation": [7]}',
    ],
)
def test_a_bad_line_is_told_and_skipped(tmp_path: Path, line: str) -> None:
    export = read_export(write(tmp_path / "e.json", line + "\n\n" + dataturks_line("http://x/good.jpg", BOX)))
    assert [item.url for item in export.items] == ["http://x/good.jpg"]
    assert export.problems


def test_other_labels_do_not_count(tmp_path: Path) -> None:
    text = "\n".join([dataturks_line("a", BOX, label="Car"), dataturks_line("b", BOX, label="face")])
    assert [item.url for item in read_export(write(tmp_path / "e.json", text)).items] == ["b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (dataturks_line("a", BOX, label="Car"), "labels in it: Car"),
        ("3", "no Dataturks export"),
        ("<html>", "no box"),
    ],
)
def test_a_useless_export_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_export(write(tmp_path / "e.json", text))


def test_the_real_export_is_read_whole() -> None:
    export = read_export(shared("faces/dataturks/face_detection.json"))
    assert len(export.items) == 335
    assert sum(len(item.shares) for item in export.items) == 936
