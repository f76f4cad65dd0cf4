"""What can be said of a face's picture before it is classified: size, sharpness, brightness, how much of it is seen."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from worker.face import Box, Quality
from worker.frame import Pixels

BLUR_PX = 5


def face_quality(box: Box, crop: Pixels, width: int, height: int) -> Quality:
    """The quality of one face.

    Args:
        box: the detector's box, in px of the picture.
        crop: the face, (48, 48) uint8, as `worker.models.crop.crop_face` makes it.
        width, height: of the picture, px.
    """
    across = max(0.0, min(box.x_max, width) - max(box.x_min, 0.0))
    down = max(0.0, min(box.y_max, height) - max(box.y_min, 0.0))
    area = box.width * box.height
    return Quality(
        size_px=float(np.sqrt(area)),
        sharpness=sharpness(crop),
        brightness=float(crop.mean()) / 255,
        inside=across * down / area if area > 0 else 0.0,
    )


def sharpness(crop: Pixels) -> float:
    """0 (blurred) to 1 (sharp): how much of the variation between neighbouring pixels a strong blur takes away.

    A blurred picture loses little when it is blurred again (Crété et al. 2007, The Blur Effect). The less sharp of
    the two directions counts, so that motion blur is seen; contrast does not matter. A flat picture has 0.
    """
    pixels = crop.astype(np.float32)
    down = _kept_variation(pixels)
    across = _kept_variation(np.ascontiguousarray(pixels.T))
    return min(down, across)


def _kept_variation(pixels: npt.NDArray[np.float32]) -> float:
    blurred = cv2.blur(pixels, (1, BLUR_PX), borderType=cv2.BORDER_REPLICATE)
    before = np.abs(np.diff(pixels, axis=0))
    after = np.abs(np.diff(blurred, axis=0))
    total = float(before.sum())
    return float(np.maximum(before - after, 0).sum()) / total if total > 0 else 0.0
