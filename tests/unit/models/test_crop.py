"""The crop rule, on pictures whose right crop can be said beforehand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from worker.face import Box
from worker.models.bundle import Crop
from worker.models.crop import classifier_input, crop_face, crop_square, resize_square

PLAIN = Crop(margin=1.0, dy=0.0)


def ramp(width: int, height: int) -> np.ndarray:
    """Gray that grows to the right by 1 and downwards by 2 a pixel."""
    rows, columns = np.mgrid[0:height, 0:width]
    return (columns + 2 * rows).astype(np.uint8)


def test_a_48_px_box_is_cut_out_as_it_is() -> None:
    luma = ramp(100, 60)
    assert np.array_equal(crop_face(luma, Box(20, 5, 68, 53), PLAIN), luma[5:53, 20:68])


def test_the_square_takes_the_longer_side_the_margin_and_the_shift() -> None:
    # 40 x 60 box around (70, 80): side 60 * 1.1 = 66, centre 0.05 * 66 = 3.3 px further down.
    assert crop_square(Box(50, 50, 90, 110), Crop(margin=1.1, dy=0.05)) == (37, 50, 66)
    assert crop_square(Box(50, 50, 90, 110), Crop(margin=1.1, dy=-0.05)) == (37, 44, 66)
    assert crop_square(Box(10, 10, 10, 10), PLAIN) == (10, 10, 1)


def test_shrinking_averages_areas() -> None:
    luma = np.zeros((96, 96), np.uint8)
    luma[::2, ::2] = 200
    assert np.unique(crop_face(luma, Box(0, 0, 96, 96), PLAIN)).tolist() == [50]


def test_growing_interpolates_between_pixel_centres() -> None:
    luma = np.repeat(np.array([[0, 240]], np.uint8), 2, axis=0)
    grown = crop_face(luma, Box(0, 0, 2, 2), PLAIN)
    assert grown[0, :12].tolist() == [0] * 12
    assert grown[0, 36:].tolist() == [240] * 12
    assert grown[0, 12:36].tolist() == pytest.approx([240 * (i + 0.5) / 24 for i in range(24)], abs=1)


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        (Box(-10, 5, 38, 53), (5, 53), (-10, 38)),
        (Box(80, 30, 128, 78), (30, 78), (80, 128)),
        (Box(-20, -20, 28, 28), (-20, 28), (-20, 28)),
        (Box(26, -6, 74, 42), (-6, 42), (26, 74)),
        (Box(-60, 5, -12, 53), (5, 53), (-60, -12)),
        (Box(120, 70, 168, 118), (70, 118), (120, 168)),
    ],
    ids=["left", "right and below", "corner", "above", "beside the picture", "beyond the corner"],
)
def test_edges_are_repeated_outside(box: Box, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    luma = ramp(100, 60)
    y = np.clip(np.arange(*rows), 0, 59)
    x = np.clip(np.arange(*columns), 0, 99)
    assert np.array_equal(crop_face(luma, box, PLAIN), luma[np.ix_(y, x)])


def test_a_crop_larger_than_the_picture() -> None:
    crop = crop_face(ramp(30, 20), Box(-40, -40, 56, 56), PLAIN)
    assert crop.shape == (48, 48)
    assert crop[0, 0] == 0
    assert crop[-1, -1] == 29 + 2 * 19


def test_the_picture_is_not_changed() -> None:
    luma = ramp(100, 60)
    before = luma.copy()
    crop = crop_face(luma, Box(20, 5, 68, 53), PLAIN)
    crop[:] = 0
    assert np.array_equal(luma, before)


def test_equal_sizes_are_kept() -> None:
    picture = ramp(48, 48)
    assert np.array_equal(resize_square(picture, 48), picture)


def test_input_is_bilinear_then_normalised() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (3, 48, 48), np.uint8)
    made = classifier_input(crops, 64, 114.0, 256.0)
    assert made.shape == (3, 1, 64, 64)
    assert made.dtype == np.float32
    wanted = (cv2.resize(crops[1].astype(np.float64), (64, 64)) - 114.0) / 256.0
    np.testing.assert_allclose(made[1, 0], wanted, atol=1e-5)


@pytest.mark.torch
def test_input_equals_torch_interpolate() -> None:
    torch = pytest.importorskip("torch")
    crops = np.random.default_rng(1).integers(0, 256, (4, 48, 48), np.uint8)
    wanted = torch.nn.functional.interpolate(torch.from_numpy(crops)[:, None].float(), size=64, mode="bilinear")
    made = classifier_input(crops, 64, 0.0, 1.0)
    np.testing.assert_allclose(made, wanted.numpy(), atol=1e-3)
