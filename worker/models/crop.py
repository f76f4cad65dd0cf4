"""The crop rule: how a face's box becomes the 48x48 picture that the classifier knows, in training as in serving.

FER2013's pictures are 48x48; a crop is made to that size first, whatever the network's input, because resizing a
large face straight to the network's input shows detail that training never had.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from worker.face import Box
from worker.frame import Pixels
from worker.models.bundle import Crop


def crop_square(box: Box, rule: Crop) -> tuple[int, int, int]:
    """Left, top and side in whole px of the square that `rule` puts around `box`; it may leave the picture."""
    side = max(box.width, box.height) * rule.margin
    x = (box.x_min + box.x_max) / 2
    y = (box.y_min + box.y_max) / 2 + rule.dy * side
    return round(x - side / 2), round(y - side / 2), max(1, round(side))


def crop_face(luma: Pixels, box: Box, rule: Crop) -> Pixels:
    """The face in `box` as (48, 48) uint8.

    The square's pixels outside the picture repeat the picture's edge. Large squares shrink by area, small ones grow
    bilinearly.

    Args:
        luma: (height, width) uint8, full range, full resolution.
        box: a tight box in its pixels.
        rule: from the classifier's manifest.
    """
    left, top, side = crop_square(box, rule)
    height, width = luma.shape
    rows = slice(min(max(top, 0), height - 1), max(min(top + side, height), 1))
    columns = slice(min(max(left, 0), width - 1), max(min(left + side, width), 1))
    inside = luma[rows, columns]
    square = cv2.copyMakeBorder(
        inside,
        rows.start - min(top, rows.start),
        max(top + side, rows.stop) - rows.stop,
        columns.start - min(left, columns.start),
        max(left + side, columns.stop) - columns.stop,
        cv2.BORDER_REPLICATE,
    )
    return resize_square(np.asarray(square, np.uint8), rule.base)


def resize_square(square: Pixels, side: int) -> Pixels:
    """(n, n) uint8 to (side, side): by area where it shrinks, bilinearly where it grows."""
    interpolation = cv2.INTER_AREA if square.shape[0] > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (side, side), interpolation=interpolation), np.uint8)


def classifier_input(crops: Pixels, size: int, mean: float, scale: float) -> npt.NDArray[np.float32]:
    """(n, 48, 48) uint8 to the network's (n, 1, size, size) float32: bilinear (pixel centres aligned), normalised.

    Equal to `torch.nn.functional.interpolate(..., mode="bilinear", align_corners=False)` within 1e-4 gray levels.
    """
    out = np.empty((len(crops), 1, size, size), np.float32)
    for crop, target in zip(crops, out, strict=True):
        target[0] = cv2.resize(crop.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    out -= mean
    out /= scale
    return out
