"""The camera conditions of the robustness table: what a 48x48 picture goes through before it is classified.

Every condition works on uint8 with edges replicated. Some have several variants (two roll angles, four shifts, two blur
directions); the accuracy of such a condition is the mean of its variants' accuracies.
"""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from classifier_training.data import SIDE
from classifier_training.video import through_h264

Picture = NDArray[np.uint8]
Variant = Callable[[Picture], Picture]

_CENTRE = ((SIDE - 1) / 2, (SIDE - 1) / 2)


def low_resolution(image: Picture, side: int) -> Picture:
    """Shrunk to `side` pixels by area and enlarged again bilinearly: a face seen from far away."""
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)


def jpeg(image: Picture, quality: int) -> Picture:
    """Through OpenCV's JPEG encoder at `quality` (1 to 100)."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def _warp(image: Picture, matrix: NDArray[np.float64]) -> Picture:
    warped = cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)


def scaled(image: Picture, scale: float) -> Picture:
    """The content scaled about the centre: below 1 as by a loose box, above 1 as by a tight one."""
    return _warp(image, np.asarray(cv2.getRotationMatrix2D(_CENTRE, 0.0, scale), np.float64))


def rolled(image: Picture, degrees: float) -> Picture:
    """Turned about the centre."""
    return _warp(image, np.asarray(cv2.getRotationMatrix2D(_CENTRE, degrees, 1.0), np.float64))


def shifted(image: Picture, dx: int, dy: int) -> Picture:
    """Moved by whole pixels."""
    return _warp(image, np.array([[1.0, 0.0, dx], [0.0, 1.0, dy]]))


def gamma(image: Picture, power: float) -> Picture:
    """255 (x / 255) ** power, rounded."""
    table = np.round(255.0 * (np.arange(256) / 255.0) ** power).astype(np.uint8)
    return table[image]


def motion_blur(image: Picture, length: int, vertical: bool) -> Picture:
    """The mean along a line of `length` pixels."""
    kernel = np.full((length, 1) if vertical else (1, length), 1.0 / length, np.float32)
    return np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.uint8)


def filmed(image: Picture) -> Picture:
    """As a frame of a camera that saves space."""
    return np.asarray(through_h264(image[None], 36, (2, 1))[0], np.uint8)


CONDITIONS: dict[str, tuple[Variant, ...]] = {
    "24px": (partial(low_resolution, side=24),),
    "16px": (partial(low_resolution, side=16),),
    "jpeg_q20": (partial(jpeg, quality=20),),
    "h264_crf36": (filmed,),
    "loose_box": (partial(scaled, scale=0.75),),
    "tight_box": (partial(scaled, scale=1.25),),
    "shift_6px": tuple(partial(shifted, dx=dx, dy=dy) for dx, dy in ((6, 0), (-6, 0), (0, 6), (0, -6))),
    "roll_20deg": tuple(partial(rolled, degrees=angle) for angle in (20.0, -20.0)),
    "gamma_2.2": (partial(gamma, power=2.2),),
    "motion_blur": tuple(partial(motion_blur, length=7, vertical=vertical) for vertical in (False, True)),
}


def degrade(images: NDArray[np.uint8], variant: Variant) -> NDArray[np.uint8]:
    """uint8 (n, 48, 48) through one variant of a condition."""
    return np.stack([variant(image) for image in images])
