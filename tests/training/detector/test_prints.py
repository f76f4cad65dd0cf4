"""Drawings printed into faceless pictures."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector_training.errors import DataError
from detector_training.prints import LONGER_SIDE, make_prints, print_on, read_drawing
from tests.training.detector.made import made_picture


def write_drawing(path: Path) -> None:
    """A red disc in the middle of much transparent ground."""
    drawing = np.zeros((120, 200, 4), np.uint8)
    cv2.circle(drawing, (100, 60), 30, (0, 0, 255, 255), -1)
    cv2.imwrite(str(path), drawing)


def test_a_drawing_is_cut_to_what_is_drawn(tmp_path: Path) -> None:
    write_drawing(tmp_path / "disc.png")
    drawing = read_drawing(tmp_path / "disc.png")
    assert drawing is not None
    assert drawing.shape == (61, 61, 4)
    cv2.imwrite(str(tmp_path / "plain.png"), np.zeros((60, 60, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "empty.png"), np.zeros((60, 60, 4), np.uint8))
    assert read_drawing(tmp_path / "plain.png") is None
    assert read_drawing(tmp_path / "empty.png") is None


@pytest.mark.parametrize("seed", range(5))
def test_a_print_changes_only_its_own_place(tmp_path: Path, seed: int) -> None:
    write_drawing(tmp_path / "disc.png")
    drawing = read_drawing(tmp_path / "disc.png")
    assert drawing is not None
    gray = np.full((240, 320, 3), 200, np.uint8)
    laid = print_on(gray, drawing, random.Random(seed))
    changed = (laid != gray).any(2)
    assert 0.003 < changed.mean() < 0.5
    red = laid[changed].astype(int)
    assert (red[:, 2] >= red[:, 0]).all()  # red ink on gray ground is nowhere bluer than red


def test_prints_are_made_alike_from_one_seed(tmp_path: Path) -> None:
    grounds, drawings = tmp_path / "grounds", tmp_path / "drawings"
    for folder in (grounds, drawings):
        folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(grounds / f"{number}.png"), made_picture(number))
    write_drawing(drawings / "disc.png")
    outs = [tmp_path / name for name in ("one", "two")]
    for out in outs:
        assert make_prints([drawings / "disc.png"], sorted(grounds.iterdir()), 4, out, seed=7) == 4
    first, second = ([path.read_bytes() for path in sorted(out.iterdir())] for out in outs)
    assert first == second
    assert len(first) == 4
    picture = cv2.imread(str(outs[0] / "print_0000.webp"))
    assert picture is not None
    assert max(picture.shape) == LONGER_SIDE


def test_without_drawings_or_backgrounds_it_says_so(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "plain.png"), made_picture(0))
    with pytest.raises(DataError, match="name their folders"):
        make_prints([], [tmp_path / "plain.png"], 1, tmp_path / "out", 0)
    with pytest.raises(DataError, match="alpha channel"):
        make_prints([tmp_path / "plain.png"], [tmp_path / "plain.png"], 1, tmp_path / "out", 0)
