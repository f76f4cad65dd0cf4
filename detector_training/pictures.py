"""Labelled pictures as values, and what is read from a picture's pixels once: its size and its perceptual hashes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

Boxes = npt.NDArray[np.float64]
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


def as_boxes(rows: Iterable[Iterable[float]], columns: int = 4) -> Boxes:
    """(N, columns) float64 of any iterable of rows; (0, columns) where there is none."""
    return np.asarray([tuple(row) for row in rows], np.float64).reshape(-1, columns)


class Looks(NamedTuple):
    """Upright size in px, and the 64-bit perceptual hashes (pHash) of a picture and of its mirror image."""

    width: int
    height: int
    straight: int
    mirrored: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with its labels.

    Attributes:
        set_name: the set that it belongs to.
        name: file name without folder, unique in its set.
        path: where its pixels lie.
        faces: (N, 4) float64 px x_min, y_min, x_max, y_max in the upright picture.
        ignore: (M, 4), places where a detection is neither right nor wrong.
        suggestions: (K, 5), faces without a label that a teacher sees; the last column is its score.
    """

    set_name: str
    name: str
    path: Path
    looks: Looks
    faces: Boxes
    ignore: Boxes = field(default_factory=lambda: as_boxes([]))
    suggestions: Boxes = field(default_factory=lambda: as_boxes([], 5))

    @property
    def stem(self) -> str:
        return Path(self.name).stem


class Problem(NamedTuple):
    """Something that was left out, and why."""

    where: str
    why: str


@dataclass(slots=True)
class Reading:
    """What a reader found: pictures, and what it had to leave out."""

    pictures: list[Picture] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def look(path: Path) -> Looks:
    """Decode a whole picture once.

    Raises:
        ValueError: the file is missing, no picture, cut off, or unreasonably large.
    """
    try:
        with Image.open(path) as file:
            upright = ImageOps.exif_transpose(file).convert("L")
    except FileNotFoundError:
        raise ValueError("the picture is missing") from None
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise ValueError(f"not a readable picture ({error})") from error
    width, height = upright.size
    small = upright.resize((128, 128), Image.Resampling.BOX, reducing_gap=2.0)
    return Looks(width, height, _hash(small), _hash(ImageOps.mirror(small)))


def _hash(picture: Image.Image) -> int:
    return int(str(imagehash.phash(picture)), 16)


def clip_boxes(boxes: Boxes, width: int, height: int) -> Boxes:
    """Boxes cut to the picture, those without extent left out."""
    clipped = boxes.copy()
    clipped[:, [0, 2]] = clipped[:, [0, 2]].clip(0, width)
    clipped[:, [1, 3]] = clipped[:, [1, 3]].clip(0, height)
    kept = (clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])
    result: Boxes = clipped[kept]
    return result


def overlaps(first: Boxes, second: Boxes) -> tuple[Boxes, Boxes]:
    """Pairwise (N, M) intersection over union, and the share of each of `first` that lies inside each of `second`."""
    corner = np.maximum(first[:, None, :2], second[None, :, :2])
    far = np.minimum(first[:, None, 2:4], second[None, :, 2:4])
    shared = (far - corner).clip(0).prod(2)
    area_first = (first[:, 2:4] - first[:, :2]).prod(1)[:, None]
    area_second = (second[:, 2:4] - second[:, :2]).prod(1)[None, :]
    union = area_first + area_second - shared
    iou: Boxes = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    inside: Boxes = np.divide(shared, area_first, out=np.zeros_like(shared), where=area_first > 0)
    return iou, inside
