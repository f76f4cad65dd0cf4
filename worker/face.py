"""Faces and emotions as values: what the models say of one frame."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""The seven emotions, always in this order (FER2013's)."""


class Box(NamedTuple):
    """A rectangle in pixels of the upright picture, edges as floats; may reach outside the picture."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def width(self) -> float:
        return self.x_max - self.x_min

    @property
    def height(self) -> float:
        return self.y_max - self.y_min

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 where either is empty."""
        across = min(self.x_max, other.x_max) - max(self.x_min, other.x_min)
        down = min(self.y_max, other.y_max) - max(self.y_min, other.y_min)
        if across <= 0 or down <= 0:
            return 0.0
        shared = across * down
        return shared / (self.width * self.height + other.width * other.height - shared)


class Detection(NamedTuple):
    """A face that the detector sees; `score` in 0..1."""

    box: Box
    score: float


class Abstention(StrEnum):
    """Why the worker says no emotion of a face (closed set, schema v1)."""

    TOO_SMALL = "too_small"
    BLURRED = "blurred"
    DARK = "dark"
    PARTIAL = "partial"
    LOW_CONFIDENCE = "low_confidence"


@dataclass(frozen=True, slots=True)
class Quality:
    """What can be said of a face's picture before it is classified.

    Attributes:
        size_px: geometric mean of the box's sides, pixels of the full picture.
        sharpness: 0..1, from the 48x48 crop (see `worker.models.quality`).
        brightness: 0..1, mean luma of the 48x48 crop / 255.
        inside: 0..1, share of the box that lies inside the picture.
    """

    size_px: float
    sharpness: float
    brightness: float
    inside: float
