"""Quality values order faces as a person would."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.unit.models.bundles import PORTRAITS
from worker.face import Box
from worker.models.quality import face_quality, sharpness


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    picture = cv2.imread(str(PORTRAITS / "grace_hopper.jpg"), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    height, width = picture.shape
    square = picture[int(height * 0.15) : int(height * 0.6), int(width * 0.3) : int(width * 0.75)]
    return np.asarray(cv2.resize(square, (48, 48), interpolation=cv2.INTER_AREA), np.uint8)


def low_resolution(face: np.ndarray, side: int) -> np.ndarray:
    small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (48, 48), interpolation=cv2.INTER_LINEAR), np.uint8)


def test_less_resolution_is_less_sharp(face: np.ndarray) -> None:
    values = [sharpness(face), *(sharpness(low_resolution(face, side)) for side in (32, 24, 12))]
    assert values == sorted(values, reverse=True)
    assert values[0] > 1.5 * values[2]


@pytest.mark.parametrize("horizontal", [True, False])
def test_motion_blur_in_one_direction_is_seen(face: np.ndarray, horizontal: bool) -> None:
    blurred = cv2.blur(face, (9, 1) if horizontal else (1, 9))
    assert sharpness(np.asarray(blurred, np.uint8)) < 0.6 * sharpness(face)


def test_contrast_does_not_matter(face: np.ndarray) -> None:
    flatter = (100 + face * 0.4).round().astype(np.uint8)
    assert sharpness(flatter) == pytest.approx(sharpness(face), abs=0.05)


def test_a_flat_picture_has_no_sharpness() -> None:
    assert sharpness(np.full((48, 48), 90, np.uint8)) == 0.0


def test_values_lie_between_0_and_1(face: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    assert 0.0 <= sharpness(face) < sharpness(noise) <= 1.0


def test_size_brightness_and_inside() -> None:
    quality = face_quality(Box(-10, 20, 30, 110), np.full((48, 48), 51, np.uint8), width=100, height=80)
    assert quality.size_px == pytest.approx(60)
    assert quality.brightness == pytest.approx(0.2)
    assert quality.inside == pytest.approx((30 * 60) / (40 * 90))


@pytest.mark.parametrize("box", [Box(200, 10, 240, 50), Box(10, 10, 10, 50)], ids=["outside", "empty"])
def test_a_box_that_shows_nothing(box: Box) -> None:
    assert face_quality(box, np.zeros((48, 48), np.uint8), 100, 80).inside == 0.0
