"""A face as a camera shows it: small, blurred, dark, compressed, in a careless box, at the edge of the picture.

The faults and their ranges are those of the robustness table (`degrade.py`) and of the gates (`gates.py`), drawn
together, because a camera does not send one fault at a time. Draws are independent of one another and of the face.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from classifier_training.degrade import Picture, gamma, jpeg, motion_blur, rolled
from classifier_training.gates import dimmed, round_blur
from worker.face import Box
from worker.models.bundle import Crop

_SIDES = (6, 48)
"""Side of the face's square in camera px; like the dimming, drawn evenly on a logarithmic scale."""
_BLUR_LENGTHS = (1, 21)
_SIGMAS = (0.3, 4.0)
_GAMMAS = (1.0, 2.2)
_DIMMED = (0.02, 1.0)
_ROLL_DEG = 20.0
_JPEG = (10, 80)
_CONTENT_SCALES = (0.75, 1.25)
_SHIFT = 6 / 48
_MOST_CUT = 0.5


@dataclass(frozen=True)
class View:
    """A camera's picture, (h, w) uint8 luma, and the box that a detector put around the face in it."""

    luma: Picture
    box: Box


def untouched(face: Picture, rule: Crop) -> View:
    """The picture (48, 48) as it is, in a box whose crop by `rule` is that very picture."""
    return _framed(face, rule, scale=1.0, dx=0.0, dy=0.0)


def one_fault(value: str, face: Picture, rule: Crop, draw: Generator) -> View:
    """The picture (48, 48) with the one fault that the quality value `value` is there for, at a drawn strength.

    Raises:
        KeyError: no fault belongs to that value.
    """
    if value == "inside":
        return _at_the_edge(untouched(face, rule), draw)
    fault = {"size_px": _shrunk, "sharpness": _blurred, "brightness": _darkened}[value]
    return _framed(fault(face, draw), rule, scale=1.0, dx=0.0, dy=0.0)


def camera_view(face: Picture, rule: Crop, draw: Generator) -> View:
    """The picture (48, 48) as a camera might send it; a size is always drawn, every other fault with its own chance."""
    if draw.random() < 1 / 4:
        face = rolled(face, draw.uniform(-_ROLL_DEG, _ROLL_DEG))
    if draw.random() < 1 / 2:
        face = _blurred(face, draw)
    if draw.random() < 1 / 2:
        face = _darkened(face, draw)
    face = _shrunk(face, draw)
    if draw.random() < 1 / 3:
        face = jpeg(face, int(draw.integers(*_JPEG, endpoint=True)))
    if draw.random() < 1 / 2:
        scale, dx, dy = 1 / draw.uniform(*_CONTENT_SCALES), *draw.uniform(-_SHIFT, _SHIFT, 2)
        view = _framed(face, rule, scale=float(scale), dx=float(dx), dy=float(dy))
    else:
        view = _framed(face, rule, scale=1.0, dx=0.0, dy=0.0)
    return _at_the_edge(view, draw) if draw.random() < 1 / 4 else view


def _logarithmic(limits: tuple[float, float], draw: Generator) -> float:
    return math.exp(draw.uniform(math.log(limits[0]), math.log(limits[1])))


def _blurred(face: Picture, draw: Generator) -> Picture:
    """By motion or out of focus."""
    if draw.random() < 1 / 2:
        return round_blur(face, draw.uniform(*_SIGMAS))
    return motion_blur(face, int(draw.integers(*_BLUR_LENGTHS, endpoint=True)), vertical=bool(draw.random() < 1 / 2))


def _darkened(face: Picture, draw: Generator) -> Picture:
    """Bent as by backlight, or less light altogether."""
    if draw.random() < 1 / 2:
        return gamma(face, draw.uniform(*_GAMMAS))
    return dimmed(face, _logarithmic(_DIMMED, draw))


def _shrunk(face: Picture, draw: Generator) -> Picture:
    side = round(_logarithmic(_SIDES, draw))
    return np.asarray(cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _framed(picture: Picture, rule: Crop, *, scale: float, dx: float, dy: float) -> View:
    """`picture` (n, n) amid its own repeated edge, in a box `scale` times the right one, moved by shares of n."""
    n = len(picture)
    luma = np.asarray(cv2.copyMakeBorder(picture, n, n, n, n, cv2.BORDER_REPLICATE), np.uint8)
    side = n * scale
    x, y = n * (1.5 + dx), n * (1.5 + dy) - rule.dy * side
    half = side / rule.margin / 2
    return View(luma, Box(x - half, y - half, x + half, y + half))


def _at_the_edge(view: View, draw: Generator) -> View:
    """The same with a picture that ends within the box, on one of its sides: up to half of the box lies outside."""
    box, (height, width) = view.box, view.luma.shape
    cut = draw.uniform(0.0, _MOST_CUT)
    left, top, right, bottom = 0, 0, width, height
    match int(draw.integers(0, 4)):
        case 0:
            left = round(box.x_min + cut * box.width)
        case 1:
            right = round(box.x_max - cut * box.width)
        case 2:
            top = round(box.y_min + cut * box.height)
        case _:
            bottom = round(box.y_max - cut * box.height)
    moved = Box(box.x_min - left, box.y_min - top, box.x_max - left, box.y_max - top)
    return View(np.ascontiguousarray(view.luma[top:bottom, left:right]), moved)
