"""Whole pictures (photos, training data) to the detector's input; the sources do the same to decoded frames.

Sources resize by swscale's area filter, this by OpenCV's: both average where a picture shrinks and interpolate
linearly where it grows, and the tests hold them together.
"""

from __future__ import annotations

import cv2
import numpy as np

from worker.frame import Letterbox, Pixels

PADDING = 114


def letterbox_picture(picture: Pixels, shapes: tuple[tuple[int, int], ...]) -> tuple[Pixels, Letterbox]:
    """Fit a picture, (h, w, 3) uint8 BGR, into that one of `shapes` ((width, height), ...) that shows it largest.

    Returns:
        The input, (input_height, input_width, 3) uint8 BGR, and its geometry.
    """
    height, width = picture.shape[:2]
    geometry = Letterbox.fit(width, height, shapes)
    shrinks = geometry.inner_width < width  # the same condition as in worker.sources
    inner = cv2.resize(
        picture,
        (geometry.inner_width, geometry.inner_height),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    canvas = np.full((geometry.input_height, geometry.input_width, 3), PADDING, np.uint8)
    bottom, right = geometry.top + geometry.inner_height, geometry.left + geometry.inner_width
    canvas[geometry.top : bottom, geometry.left : right] = inner
    return canvas, geometry
