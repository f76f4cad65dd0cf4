"""Prepare as a whole: the split, near-copies, what is written, and what is refused."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from detector_training.copies import group_copies, listed_name, near_pairs
from detector_training.errors import DataError
from detector_training.formats import read_yolo
from detector_training.pictures import Picture, as_boxes
from detector_training.prepare import Options, prepare
from detector_training.seen import read_picture
from detector_training.split import split_pictures
from detector_training.tight import Affine, fit_affine
from detector_training.yolo_folder import PAINT, paint_over
from tests.training.detector.made import dataturks_line, draw_face, made_picture, write_yolo


@pytest.fixture
def pictures(tmp_path: Path) -> list[Picture]:
    """20 pictures; p03 comes again mirrored and compressed as p20, p05 smaller as p21."""
    write_yolo(tmp_path / "set", 20)
    images = tmp_path / "set" / "images"
    mirrored = np.ascontiguousarray(read_picture(images / "p03.png")[:, ::-1])
    cv2.imwrite(str(images / "p20.jpg"), mirrored, [cv2.IMWRITE_JPEG_QUALITY, 40])
    cv2.imwrite(str(images / "p21.png"), cv2.resize(read_picture(images / "p05.png"), (160, 120)))
    return read_yolo("set", tmp_path / "set").pictures


def test_near_copies_are_found_mirrored_and_scaled_and_nothing_else(pictures: list[Picture]) -> None:
    assert near_pairs(pictures).tolist() == [[3, 20], [5, 21]]


@pytest.mark.parametrize("seed", range(6))
def test_the_split_keeps_near_copies_on_one_side_and_repeats(pictures: list[Picture], seed: int) -> None:
    groups = group_copies(pictures, [("set/images/p00.png", "set/images/p01.png")])
    first, second = (split_pictures(pictures, groups, 0.2, seed) for _ in range(2))
    held = {picture.stem for picture in first.val}
    assert held == {picture.stem for picture in second.val}
    assert len(first.train) + len(first.val) == len(pictures)
    assert 0 < len(held) < 8
    for a, b in (("p03", "p20"), ("p05", "p21"), ("p00", "p01")):
        assert (a in held) == (b in held)


def test_a_fixed_list_is_honoured_and_its_near_copies_leave_training(pictures: list[Picture]) -> None:
    groups = group_copies(pictures, [])
    split = split_pictures(pictures, groups, 0.2, 0, frozenset({"set/images/p03.png"}))
    assert [listed_name(picture) for picture in split.val] == ["set/images/p03.png"]
    assert [problem.where for problem in split.dropped] == ["set/images/p20.jpg"]


def test_of_near_copies_in_two_sets_the_fuller_stays(pictures: list[Picture]) -> None:
    fuller = replace(pictures[0], set_name="other", faces=np.tile(as_boxes([(1, 1, 9, 9)]), (5, 1)))
    everything = [*pictures[:5], fuller]
    split = split_pictures(everything, group_copies(everything, []), 0.0, 0, frozenset({"set/images/p04.png"}))
    assert [problem.where for problem in split.dropped] == ["set/images/p00.png"]


def test_the_affine_comes_back(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    corners = chance.uniform(0, 200, (50, 2))
    labels = np.concatenate([corners, corners + chance.uniform(20, 90, (50, 2))], 1)
    truth = Affine(0.03, -0.1, 0.8, 0.9, 50)
    tight = truth.apply(labels)
    tight[:5] += 40  # wrong pairs do not move medians
    fitted = fit_affine(labels, tight)
    np.testing.assert_allclose(fitted.apply(labels), truth.apply(labels), atol=1e-6)
    with pytest.raises(DataError, match="20 are needed"):
        fit_affine(labels[:5], tight[:5])


def test_painting_spares_labelled_faces() -> None:
    pixels = made_picture(0)
    painted = paint_over(pixels, as_boxes([(10, 10, 60, 60)]), as_boxes([(40, 40, 80, 80)]))
    assert (painted[12:38, 12:38] == PAINT).all()
    np.testing.assert_array_equal(painted[40:80, 40:80], pixels[40:80, 40:80])
    np.testing.assert_array_equal(painted[100:], pixels[100:])


def options(tmp_path: Path, **changes: Any) -> Options:
    defaults = Options(tmp_path / "out", None, "Face", None, None, (), frozenset(), (), 0, None, None, 0.3, 0)
    return replace(defaults, **changes)


def export(tmp_path: Path, count: int) -> Path:
    folder = tmp_path / "pictures" / "images"
    folder.mkdir(parents=True)
    lines = []
    for number in range(count):
        picture = made_picture(number)
        draw_face(picture, (100, 60, 180, 160))
        cv2.imwrite(str(folder / f"{number}.jpg"), picture)
        lines.append(dataturks_line(f"http://gone.example/{number}.jpg", (100 / 320, 0.25, 180 / 320, 160 / 240)))
    lines.append(dataturks_line("http://gone.example/lost.jpg", (0.1, 0.1, 0.2, 0.2)))
    file = tmp_path / "export.json"
    file.write_text("\n".join(lines))
    return file


def test_an_export_becomes_a_data_set(tmp_path: Path) -> None:
    write_yolo(tmp_path / "more", 6, seed=3)
    (tmp_path / "more" / "ignore").mkdir()
    for number in range(6):
        (tmp_path / "more" / "ignore" / f"p{number:02}.txt").write_text("0 .05 .05 .05 .05\n")
    given = options(
        tmp_path,
        dataturks=export(tmp_path, 8),
        pictures=tmp_path / "pictures" / "images",
        join=(("more", "yolo", tmp_path / "more"),),
    )
    summary = prepare(given)
    assert summary["problems"] == [["http://gone.example/lost.jpg", "not in images/"]]
    out = tmp_path / "out"
    for name, count in {"dataturks": 8, "more": 6}.items():
        train, val = (sorted((out / side / name / "labels").glob("*.txt")) for side in ("train", "val"))
        assert len(train) + len(val) == count
        assert train
        assert val
    row = next((out / "train" / "dataturks" / "labels").glob("*.txt")).read_text().split()
    np.testing.assert_allclose([float(part) for part in row], [0, 140 / 320, 110 / 240, 0.25, 100 / 240], atol=1e-5)
    assert not (out / "train" / "more" / "ignore").exists(), "training paints ignored places over"
    assert len(list((out / "val" / "more" / "ignore").glob("*.txt"))) == len(
        list((out / "val" / "more" / "labels").glob("*.txt"))
    )
    assert (out / "report" / "index.html").read_text().count("<img") >= 4
    assert not list(tmp_path.glob("*.partial"))
    again = prepare(replace(given, out=tmp_path / "again"))
    assert again["fingerprint"] == summary["fingerprint"]
    with pytest.raises(DataError, match="exists"):
        prepare(given)


def test_bad_input_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty" / "images").mkdir(parents=True)
    empty = options(tmp_path, join=(("empty", "yolo", tmp_path / "empty"),))
    with pytest.raises(DataError, match="no picture could be used"):
        prepare(empty)
    write_yolo(tmp_path / "one", 1)
    with pytest.raises(DataError, match="left for"):
        prepare(options(tmp_path, join=(("one", "yolo", tmp_path / "one"),)))
    (tmp_path / "one" / "labels" / "p00.txt").write_text("")
    with pytest.raises(DataError, match="labelled face"):
        prepare(options(tmp_path, join=(("one", "yolo", tmp_path / "one"),)))
    assert not (tmp_path / "out").exists()


def test_the_command_tells_an_error_in_one_line(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "detector_training.prepare",
        "--out",
        str(tmp_path / "o"),
        "--join",
        f"a=yolo:{tmp_path / 'nowhere'}",
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert answer.returncode == 65
    assert answer.stderr.startswith("error: ")
    assert "Traceback" not in answer.stderr


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A limit on file sizes stands for the full disk: writing fails in the middle, as there."""
    write_yolo(tmp_path / "set", 6)
    command = [sys.executable, "-m", "detector_training.prepare", "--join", f"a=yolo:{tmp_path / 'set'}"]
    answer = subprocess.run(
        [*command, "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")},  # it writes too
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)),
    )
    assert answer.returncode == 74, answer.stderr
    assert "error: File too large" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
