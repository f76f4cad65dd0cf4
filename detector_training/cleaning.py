"""What training learns from a picture: tight labels, faces that the labels left out, and tiles without any face."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from detector_training.pictures import Boxes, Picture, as_boxes, look, overlaps
from detector_training.seen import Detector, read_picture
from detector_training.tight import Tightener
from worker.errors import OutputError

AGREE_IOU, AGREE_SCORE = 0.5, 0.5
"""A second teacher confirms a suggestion by a box of this overlap and score."""
QUIET = 0.1
"""A negative tile holds no detection of this score by any teacher."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What becomes of a training picture's labels.

    Attributes:
        labels: (N, 4) px, tight: the given ones mapped, then the added ones.
        added: how many of them are suggestions that a second teacher confirms.
        ignore: (M, 4) px, places to paint over: the source's ignore regions and the other suggestions.
    """

    labels: Boxes
    added: int
    ignore: Boxes


def clean(picture: Picture, tighten: Tightener | None, second: Detector | None) -> Cleaned:
    """Map the labels to tight boxes; suggestions become labels where `second` sees them too, else ignore regions."""
    labels = picture.faces if tighten is None else tighten(picture)
    if not len(picture.suggestions):
        return Cleaned(labels, 0, picture.ignore)
    confirmed = np.zeros(len(picture.suggestions), bool)
    if second is not None:
        seen = second(read_picture(picture.path)).boxes
        seen = seen[seen[:, 4] >= AGREE_SCORE]
        if len(seen):
            confirmed = overlaps(picture.suggestions, seen)[0].max(1) >= AGREE_IOU
    boxes = picture.suggestions[:, :4]
    return Cleaned(
        np.concatenate([labels, boxes[confirmed]]),
        int(confirmed.sum()),
        np.concatenate([picture.ignore, boxes[~confirmed]]),
    )


def cut_negatives(
    pictures: Sequence[Picture], teachers: Sequence[Detector], count: int, folder: Path, seed: int
) -> list[Picture]:
    """Cut `count` tiles in which labels, suggestions and all teachers see nothing, and write them to `folder`.

    Tiles are half as wide and high as their picture, at least 160 px a side, at most one a picture.
    """
    order = list(pictures)
    chance = random.Random(seed)
    chance.shuffle(order)
    tiles: list[Picture] = []
    for picture in order:
        if len(tiles) >= count:
            break
        tile = _quiet_tile(picture, teachers, chance)
        if tile is None:
            continue
        x, y, width, height = tile
        path = folder / f"{picture.set_name}_{picture.stem}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        cut = read_picture(picture.path)[y : y + height, x : x + width]
        if not cv2.imwrite(str(path), cut, [cv2.IMWRITE_WEBP_QUALITY, 95]):
            raise OutputError(f"{path.name} cannot be written to {folder}: is the disk full?")
        tiles.append(
            replace(
                picture,
                set_name="negatives",
                name=path.name,
                path=path,
                looks=look(path),
                faces=as_boxes([]),
                ignore=as_boxes([]),
                suggestions=as_boxes([], 5),
            )
        )
    return tiles


def _quiet_tile(
    picture: Picture, teachers: Sequence[Detector], chance: random.Random
) -> tuple[int, int, int, int] | None:
    width, height = picture.looks.width // 2, picture.looks.height // 2
    if min(width, height) < 160:
        return None
    spots = [(chance.randint(0, width), chance.randint(0, height)) for _ in range(8)]
    taken = np.concatenate([picture.faces, picture.ignore, picture.suggestions[:, :4]])
    tiles = as_boxes((x, y, x + width, y + height) for x, y in spots)
    free = overlaps(tiles, taken)[1].sum(1) == 0 if len(taken) else np.ones(len(tiles), bool)
    if not free.any():
        return None
    pixels = read_picture(picture.path)
    for (x, y), is_free in zip(spots, free, strict=True):
        if not is_free:
            continue
        cut = np.ascontiguousarray(pixels[y : y + height, x : x + width])
        if all((teacher(cut).boxes[:, 4] < QUIET).all() for teacher in teachers):
            return x, y, width, height
    return None
