"""Unlabelled faces, tight boxes and negatives, with teachers that say what the test tells them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector_training.cleaning import clean, cut_negatives
from detector_training.formats import read_yolo
from detector_training.pictures import Boxes, Picture, as_boxes
from detector_training.seen import Seen, read_picture
from detector_training.tight import Affine, Tightener
from tests.training.detector.made import write_yolo
from worker.frame import Pixels

FIRST, SECOND = (100.0, 60.0, 140.0, 100.0), (200.0, 60.0, 240.0, 100.0)


class Teacher:
    """Sees the same boxes in every picture."""

    name, precision = "teacher", "f32"

    def __init__(self, *rows: tuple[float, ...]) -> None:
        self._boxes: Boxes = as_boxes(rows, 5)

    def __call__(self, picture: Pixels) -> Seen:
        return Seen(self._boxes, 1.0)


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    write_yolo(tmp_path / "set", 1)
    suggested = as_boxes([(*FIRST, 0.8), (*SECOND, 0.7)], 5)
    return replace(read_yolo("set", tmp_path / "set").pictures[0], suggestions=suggested)


def test_a_suggestion_is_added_where_two_teachers_agree_and_else_ignored(picture: Picture) -> None:
    near = (102.0, 61.0, 142.0, 101.0)
    cleaned = clean(picture, None, Teacher((*near, 0.9), (*SECOND, 0.3)))
    assert cleaned.added == 1
    np.testing.assert_array_equal(cleaned.labels, np.concatenate([picture.faces, as_boxes([FIRST])]))
    np.testing.assert_array_equal(cleaned.ignore, as_boxes([SECOND]))


def test_without_a_second_teacher_every_suggestion_is_ignored(picture: Picture) -> None:
    cleaned = clean(picture, None, None)
    assert cleaned.added == 0
    np.testing.assert_array_equal(cleaned.ignore, picture.suggestions[:, :4])


def test_a_sure_teacher_gives_the_tight_box_and_the_affine_the_rest(picture: Picture) -> None:
    labels = as_boxes([(100, 100, 200, 200), (210, 10, 250, 50)])
    tight = (120.0, 115.0, 185.0, 195.0)
    tighten = Tightener(Affine(0.0, 0.0, 0.5, 0.5, 99), Teacher((*tight, 0.9), (215.0, 15.0, 245.0, 45.0, 0.5)))
    boxes = tighten(replace(picture, faces=labels))
    np.testing.assert_allclose(boxes, [tight, (220, 20, 240, 40)])


def test_negative_tiles_hold_no_face_and_repeat(tmp_path: Path) -> None:
    write_yolo(tmp_path / "set", 12)
    pictures = read_yolo("set", tmp_path / "set").pictures
    for one in pictures:
        cv2.imwrite(str(one.path), np.asarray(cv2.resize(read_picture(one.path), (640, 480))))
    pictures = read_yolo("set", tmp_path / "set").pictures
    tiles = cut_negatives(pictures, [Teacher()], 5, tmp_path / "a", seed=1)
    assert 0 < len(tiles) <= 5
    assert all((tile.looks.width, tile.looks.height) == (320, 240) and not len(tile.faces) for tile in tiles)
    again = cut_negatives(pictures, [Teacher()], 5, tmp_path / "b", seed=1)
    assert [tile.path.read_bytes() for tile in again] == [tile.path.read_bytes() for tile in tiles]
    assert cut_negatives(pictures, [Teacher((10.0, 10.0, 50.0, 50.0, 0.5))], 5, tmp_path / "c", seed=1) == []
