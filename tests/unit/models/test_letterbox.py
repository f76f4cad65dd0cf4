"""Photos reach the detector as video frames do: right colours, right place, the scaler's values."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from tests.unit.models.bundles import PORTRAITS
from worker.models.bundle import DETECTOR_SHAPES
from worker.models.letterbox import PADDING, letterbox_picture


def test_colours_and_borders() -> None:
    picture = np.zeros((192, 192, 3), np.uint8)
    picture[:] = (255, 10, 30)  # blue, green, red
    made, geometry = letterbox_picture(picture, ((640, 384),))
    assert made.shape == (384, 640, 3)
    assert (geometry.left, geometry.top, geometry.inner_width, geometry.inner_height) == (128, 0, 384, 384)
    assert made[100, 300].tolist() == [255, 10, 30]
    assert np.unique(made[:, :128]).tolist() == [PADDING]
    assert np.unique(made[:, 512:]).tolist() == [PADDING]


def test_a_picture_of_an_input_shape_is_kept() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (416, 576, 3), np.uint8)
    made, geometry = letterbox_picture(picture, DETECTOR_SHAPES)
    assert np.array_equal(made, picture)
    assert (geometry.left, geometry.top) == (0, 0)


@pytest.mark.parametrize(
    ("size", "shape"),
    [((1920, 1080), (640, 384)), ((640, 480), (576, 416)), ((500, 500), (512, 480)), ((720, 1280), (384, 640))],
)
def test_the_shape_that_shows_most_is_taken(size: tuple[int, int], shape: tuple[int, int]) -> None:
    made, _ = letterbox_picture(np.zeros((size[1], size[0], 3), np.uint8), DETECTOR_SHAPES)
    assert made.shape == (shape[1], shape[0], 3)


def test_shrinking_averages() -> None:
    picture = np.zeros((768, 1280, 3), np.uint8)
    picture[::2, ::2] = 200
    made, _ = letterbox_picture(picture, ((640, 384),))
    assert np.unique(made).tolist() == [50]


@pytest.mark.parametrize("factor", [0.45, 1.0, 2.3], ids=["small", "as it is", "large"])
@pytest.mark.parametrize("name", ["grace_hopper.jpg", "eileen_collins.jpg"])
def test_it_is_near_what_the_sources_do(name: str, factor: float) -> None:
    """swscale's area (shrinking) and bilinear (growing), as in worker.sources, differ by a gray level on average."""
    picture = cv2.imread(str(PORTRAITS / name))
    assert picture is not None
    picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    made, geometry = letterbox_picture(np.asarray(picture, np.uint8), DETECTOR_SHAPES)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "bgr24")
    method = "AREA" if geometry.inner_width < picture.shape[1] else "BILINEAR"
    scaled = frame.reformat(geometry.inner_width, geometry.inner_height, "bgr24", interpolation=method).to_ndarray()
    inner = made[
        geometry.top : geometry.top + geometry.inner_height, geometry.left : geometry.left + geometry.inner_width
    ]
    difference = np.abs(inner.astype(int) - scaled.astype(int))
    assert difference.mean() < 1.0
