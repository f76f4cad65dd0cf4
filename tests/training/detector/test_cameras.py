"""Augmentation for cameras: pixels change, boxes stay true."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("ultralytics")

from ultralytics.utils.instance import Instances

from detector_training import cameras
from detector_training.pictures import overlaps
from detector_training.run_settings import CameraSettings
from tests.training.detector.made import draw_face, made_picture

FACE = (100, 60, 180, 160)


def labels() -> dict[str, Any]:
    pixels = made_picture(1)
    draw_face(pixels, FACE)
    boxes = np.array([FACE], np.float32)
    return {
        "img": pixels,
        "instances": Instances(boxes, bbox_format="xyxy", normalized=False),
        "cls": np.zeros((1, 1), np.float32),
    }


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(7)


@pytest.mark.parametrize("name", ["gray", "gamma", "downscale", "motion_blur", "noise", "jpeg"])
def test_an_effect_changes_pixels_and_keeps_their_form(name: str) -> None:
    effect: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]] = getattr(cameras, name)
    pixels = labels()["img"]
    before = pixels.copy()
    after = effect(pixels)
    assert after.shape == pixels.shape
    assert after.dtype == np.uint8
    assert (after != before).any()
    np.testing.assert_array_equal(pixels, before)
    assert abs(float(after.mean()) - float(before.mean())) < 70


def test_gray_is_gray_and_blur_keeps_brightness() -> None:
    pixels = labels()["img"]
    gray = cameras.gray(pixels)
    assert (gray[..., 0] == gray[..., 2]).all()
    assert abs(float(cameras.motion_blur(pixels).mean()) - float(pixels.mean())) < 2


def test_hiding_covers_a_part_of_a_face_alone() -> None:
    pixels = labels()["img"]
    boxes = np.array([FACE], np.float64)
    changed = np.zeros(pixels.shape[:2], bool)
    for _ in range(20):
        changed |= (cameras.hide_faces(pixels, boxes) != pixels).any(2)
    outside = changed.copy()
    outside[60:160, 100:180] = False
    assert changed.any()
    assert not outside.any()


def test_a_small_copy_lands_where_no_face_is_and_is_labelled() -> None:
    given = labels()
    before = given["img"].copy()
    result = cameras.SmallCopies(1.0)(given)
    boxes = result["instances"].bboxes
    assert len(boxes) == len(result["cls"]) == 2
    np.testing.assert_array_equal(boxes[0], FACE)
    assert 8 <= np.sqrt((boxes[1, 2:] - boxes[1, :2]).prod()) <= 34
    assert overlaps(boxes[:1].astype(float), boxes[1:].astype(float))[0].max() == 0
    x_min, y_min, x_max, y_max = boxes[1].astype(int)
    assert (result["img"][y_min:y_max, x_min:x_max] != before[y_min:y_max, x_min:x_max]).mean() > 0.5


def test_no_chance_leaves_everything() -> None:
    given = labels()
    before = given["img"].copy()
    nothing = CameraSettings(**dict.fromkeys(CameraSettings.model_fields, 0.0))
    after = cameras.CameraLook(nothing)(cameras.SmallCopies(0.0)(given))
    np.testing.assert_array_equal(after["img"], before)
    assert len(after["instances"].bboxes) == 1


def test_all_effects_together_keep_a_trainable_picture() -> None:
    everything = CameraSettings(**dict.fromkeys(CameraSettings.model_fields, 1.0))
    result = cameras.CameraLook(everything)(cameras.SmallCopies(1.0)(labels()))
    assert result["img"].shape == (240, 320, 3)
    assert result["img"].flags.c_contiguous
