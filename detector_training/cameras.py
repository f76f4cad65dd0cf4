"""Augmentation for cameras: gray, dark, small, blurred, noisy, compressed pictures, hidden faces, pasted small faces.

Both classes are transforms of ultralytics' pipeline: they take and return its dictionary (`img` (H, W, 3) uint8 BGR,
`instances`, `cls`). Chance comes from Python's `random`, which ultralytics seeds in every loader process.
"""

from __future__ import annotations

import random
from typing import Any

import cv2
import numpy as np

from detector_training.pictures import Boxes, overlaps
from detector_training.run_settings import CameraSettings
from worker.frame import Pixels


class CameraLook:
    """Makes a picture look as cameras make it, each effect by its own chance."""

    def __init__(self, settings: CameraSettings) -> None:
        self._settings = settings

    def __call__(self, labels: dict[str, Any]) -> dict[str, Any]:
        pixels: Pixels = labels["img"]
        if random.random() < self._settings.hide:
            pixels = hide_faces(pixels, boxes_of(labels))
        for chance, effect in (
            (self._settings.gray, gray),
            (self._settings.gamma, gamma),
            (self._settings.downscale, downscale),
            (self._settings.motion_blur, motion_blur),
            (self._settings.noise, noise),
            (self._settings.jpeg, jpeg),
        ):
            if random.random() < chance:
                pixels = effect(pixels)
        labels["img"] = np.ascontiguousarray(pixels)
        return labels


class SmallCopies:
    """Pastes small copies (10 to 32 px) of a picture's own larger faces where no face is, and labels them."""

    def __init__(self, chance: float) -> None:
        self._chance = chance

    def __call__(self, labels: dict[str, Any]) -> dict[str, Any]:
        if random.random() >= self._chance:
            return labels
        boxes = boxes_of(labels)
        sides = boxes[:, 2:] - boxes[:, :2]
        inside = (boxes[:, :2] >= 0).all(1) & (boxes[:, 2:] <= np.array(labels["img"].shape[1::-1])).all(1)
        large = np.flatnonzero((sides.min(1) >= 40) & inside)
        pasted: list[Boxes] = []
        for row in random.sample(list(large), min(len(large), 4)):
            taken = np.concatenate([boxes, *(box[None] for box in pasted)])
            box = paste_small(labels["img"], boxes[row], taken)
            if box is not None:
                pasted.append(box)
        if pasted:
            _add_boxes(labels, np.stack(pasted))
        return labels


def boxes_of(labels: dict[str, Any]) -> Boxes:
    """(N, 4) px x_min, y_min, x_max, y_max of the instances, which are left in that form."""
    height, width = labels["img"].shape[:2]
    instances = labels["instances"]
    instances.convert_bbox("xyxy")
    instances.denormalize(width, height)
    return np.asarray(instances.bboxes, np.float64).reshape(-1, 4)


def _add_boxes(labels: dict[str, Any], boxes: Boxes) -> None:
    from ultralytics.utils.instance import Instances

    instances = labels["instances"]
    everything = np.concatenate([instances.bboxes, boxes.astype(np.float32)]).astype(np.float32)
    labels["instances"] = Instances(everything, bbox_format="xyxy", normalized=False)
    labels["cls"] = np.concatenate([labels["cls"], np.zeros((len(boxes), 1), labels["cls"].dtype)])


def paste_small(pixels: Pixels, face: Boxes, taken: Boxes) -> Boxes | None:
    """Paste a shrunk copy of `face` with a rim of its surroundings into `pixels`, in place.

    Returns:
        The copy's box (4,), or None where no free place was found.
    """
    height, width = pixels.shape[:2]
    x_min, y_min, x_max, y_max = face
    rim = 0.3 * max(x_max - x_min, y_max - y_min)
    left, top = int(max(x_min - rim, 0)), int(max(y_min - rim, 0))
    right, bottom = int(min(x_max + rim, width)), int(min(y_max + rim, height))
    scale = random.uniform(10, 32) / float(np.sqrt((x_max - x_min) * (y_max - y_min)))
    size = (max(4, round((right - left) * scale)), max(4, round((bottom - top) * scale)))
    copy = cv2.resize(pixels[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
    for _ in range(5):
        x, y = random.randint(0, max(width - size[0], 0)), random.randint(0, max(height - size[1], 0))
        place = np.array([[x, y, x + size[0], y + size[1]]], np.float64)
        if place[0, 2] > width or place[0, 3] > height or overlaps(taken, place)[0].any():
            continue
        pixels[y : y + size[1], x : x + size[0]] = copy
        factors = np.array([size[0] / (right - left), size[1] / (bottom - top)] * 2)
        box: Boxes = (face - (left, top, left, top)) * factors + (x, y, x, y)
        return box
    return None


def hide_faces(pixels: Pixels, boxes: Boxes) -> Pixels:
    """Cover the lower, left or right 30 to 50 % of about a third of the faces with a colour of the picture."""
    covered = pixels.copy()
    height, width = pixels.shape[:2]
    for x_min, y_min, x_max, y_max in boxes.astype(int).tolist():
        if random.random() > 0.33:
            continue
        share, side = random.uniform(0.3, 0.5), random.choice(("low", "left", "right"))
        across, down = int(share * (x_max - x_min)), int(share * (y_max - y_min))
        left = x_max - across if side == "right" else x_min
        right = x_min + across if side == "left" else x_max
        top = y_max - down if side == "low" else y_min
        colour = pixels[random.randrange(height), random.randrange(width)]
        covered[max(top, 0) : max(y_max, 0), max(left, 0) : max(right, 0)] = colour
    return covered


def gray(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)


def gamma(pixels: Pixels) -> Pixels:
    """Darker more often than brighter: exponents 0.6 to 2.7."""
    table = (np.linspace(0, 1, 256) ** np.exp(random.uniform(-0.5, 1.0)) * 255).round().astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, table), np.uint8)


def downscale(pixels: Pixels) -> Pixels:
    """Shrunk to 35 to 80 % and enlarged again: a poor lens or a scaled stream."""
    height, width = pixels.shape[:2]
    share = random.uniform(0.35, 0.8)
    small = cv2.resize(pixels, (max(1, int(width * share)), max(1, int(height * share))), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def motion_blur(pixels: Pixels) -> Pixels:
    """A straight smear of 3 to 9 px in any direction."""
    length = random.choice((3, 5, 7, 9))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1.0
    turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), random.uniform(0, 180), 1.0)
    kernel = np.asarray(cv2.warpAffine(kernel, turn, (length, length)), np.float32)
    return np.asarray(cv2.filter2D(pixels, -1, kernel / max(float(kernel.sum()), 1e-6)), np.uint8)


def noise(pixels: Pixels) -> Pixels:
    """Gaussian noise of 3 to 15 levels."""
    generator = np.random.default_rng(random.getrandbits(32))
    rough = generator.standard_normal(pixels.shape, np.float32) * random.uniform(3, 15)
    return np.asarray((pixels + rough).clip(0, 255), np.uint8)


def jpeg(pixels: Pixels) -> Pixels:
    """Compressed at quality 20 to 75."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, random.randint(20, 75)])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
