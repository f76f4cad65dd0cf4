"""What a face detector is given and what it sees, whoever made it: the one call that scoring and preparing need."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from detector_training.errors import DataError
from detector_training.pictures import Boxes
from worker.frame import Pixels

BUDGET = 640 * 384
"""Pixels of a detector's input: other detectors get every picture scaled to this area, whatever its aspect."""
SCORE_FLOOR = 0.01
MAX_BOXES = 2000


class Seen(NamedTuple):
    """What a detector sees in one picture.

    Attributes:
        boxes: (N, 5) float64 px x_min, y_min, x_max, y_max of the picture, and the score 0..1; best first.
        scale: factor between the picture and the detector's input.
    """

    boxes: Boxes
    scale: float


class Detector(Protocol):
    """`name` for tables, `precision` of its arithmetic, and the call: (H, W, 3) uint8 BGR to `Seen`."""

    name: str
    precision: str

    def __call__(self, picture: Pixels) -> Seen: ...


def read_picture(path: Path) -> Pixels:
    """A picture as (H, W, 3) uint8 BGR, upright.

    Raises:
        DataError: it cannot be decoded.
    """
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise DataError(f"{path} cannot be decoded: remove it, or run prepare again")
    return np.asarray(pixels, np.uint8)


def fit_budget(picture: Pixels) -> tuple[Pixels, float]:
    """The picture scaled, up or down, to `BUDGET` pixels, and the factor."""
    height, width = picture.shape[:2]
    scale = float(np.sqrt(BUDGET / (width * height)))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation), np.uint8), scale


def best_first(boxes: Boxes) -> Boxes:
    """The at most `MAX_BOXES` best boxes of at least `SCORE_FLOOR`."""
    kept = boxes[boxes[:, 4] >= SCORE_FLOOR]
    result: Boxes = kept[np.argsort(-kept[:, 4], kind="stable")][:MAX_BOXES]
    return result
