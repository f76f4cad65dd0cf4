"""Below which quality a face is not worth classifying: where accuracy on the degraded hold-out falls under one half.

Size is measured with pictures shrunk and enlarged again, sharpness with blurred, brightness with darkened ones; each
gate is the end of the run of poor values that starts at the poorest.
"""

from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from classifier_training.data import SIDE, FaceSet
from classifier_training.degrade import Variant, degrade, low_resolution, motion_blur
from worker.models.bundle import Crop, Gates
from worker.models.quality import sharpness

LEAST_ACCURACY = 0.5
INSIDE = 0.8
"""Share of the box that must lie in the picture: a rule (`partial`), not measured here."""

_FACES = 400
_LEAST_IN_BIN = 40
_SIDES = (6, 8, 10, 12, 14, 16, 20, 24)
_BLUR_LENGTHS = (5, 9, 13, 17, 21)
_SIGMAS = (1.0, 2.0, 3.0, 4.0)
_DIMMED = (0.5, 0.25, 0.15, 0.1, 0.06, 0.04, 0.02)
_EDGES = np.linspace(0.0, 1.0, 101)

Classify = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def measure_gates(classify: Classify, holdout: FaceSet, crop: Crop) -> Gates:
    """The gates of a classifier (uint8 (n, 48, 48) to probabilities) from the first 400 faces of its hold-out.

    `crop` turns the side of a shrunk picture into the size of the box that it would come from.
    """
    faces = holdout.where(np.arange(len(holdout)) < _FACES)

    def right(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
        hits: NDArray[np.bool_] = classify(images).argmax(axis=1) == faces.labels
        return hits

    small = [right(degrade(faces.images, partial(low_resolution, side=side))) for side in _SIDES]
    blurred = [degrade(faces.images, variant) for variant in _blurs()]
    dark = [degrade(faces.images, partial(dimmed, share=share)) for share in _DIMMED]
    sharpnesses = [sharpness(image) for images in blurred for image in images]
    brightnesses = [float(image.mean()) / 255 for images in dark for image in images]
    return Gates(
        size_px=round(_smallest_side([float(hits.mean()) for hits in small]) / crop.margin, 1),
        sharpness=_poor_until(sharpnesses, [right(images) for images in blurred]),
        brightness=_poor_until(brightnesses, [right(images) for images in dark]),
        inside=INSIDE,
    )


def _blurs() -> list[Variant]:
    lines = [partial(motion_blur, length=n, vertical=vertical) for n in _BLUR_LENGTHS for vertical in (False, True)]
    return [*lines, *(partial(round_blur, sigma=sigma) for sigma in _SIGMAS)]


def dimmed(image: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """`share` of the light."""
    return np.round(image * share).astype(np.uint8)


def round_blur(image: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """A Gaussian of `sigma` pixels: out of focus."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.uint8)


def _smallest_side(accuracies: Sequence[float]) -> int:
    """The smallest side from which on every accuracy is high enough; the full side where none is."""
    good = SIDE
    for side, accuracy in zip(reversed(_SIDES), reversed(accuracies), strict=True):
        if accuracy < LEAST_ACCURACY:
            break
        good = side
    return good


def _poor_until(values: Sequence[float], right: Sequence[NDArray[np.bool_]]) -> float:
    """The upper edge of the last of the low bins of `values` whose faces are named rightly in less than half."""
    bins = np.digitize(values, _EDGES)
    hits = np.concatenate(list(right))
    gate = 0.0
    for number, edge in enumerate(_EDGES[1:], start=1):
        inside = bins == number
        if inside.sum() < _LEAST_IN_BIN:
            continue
        if hits[inside].mean() >= LEAST_ACCURACY:
            break
        gate = float(edge)
    return round(gate, 3)
