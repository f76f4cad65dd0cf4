"""One box convention: labels of other conventions become tight ones (WIDER FACE's).

A label that a teacher with tight boxes sees surely takes the teacher's box; the others are mapped by a fixed affine,
fitted on training pictures alone. The affine by itself is not enough: part of Dataturks' labels are whole heads, part
end at brows and mouth (their sides are 0.8 to 1.8 times tight ones, with two modes), and the mean fits neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from detector_training.errors import DataError
from detector_training.pictures import Boxes, Picture, overlaps
from detector_training.seen import Detector, read_picture

MATCH_IOU = 0.4
SNAP_IOU = 0.3
SURE = 0.8
"""Score from which the teacher's box is taken as a measure."""


@dataclass(frozen=True, slots=True)
class Affine:
    """A label of centre (cx, cy) and sides (w, h) becomes centre (cx + across·w, cy + down·h), sides (width·w,
    height·h)."""

    across: float
    down: float
    width: float
    height: float
    pairs: int

    def apply(self, boxes: Boxes) -> Boxes:
        """(N, 4) px to (N, 4) px."""
        sides = boxes[:, 2:4] - boxes[:, :2]
        centres = (boxes[:, :2] + boxes[:, 2:4]) / 2 + sides * (self.across, self.down)
        half = sides * (self.width, self.height) / 2
        return np.concatenate([centres - half, centres + half], 1)

    def to_json(self) -> dict[str, float]:
        return {key: round(value, 4) for key, value in asdict(self).items()}


def match(first: Boxes, second: Boxes, iou: float = MATCH_IOU) -> list[tuple[int, int]]:
    """One-to-one pairs of boxes with the largest sum of IoU, those under `iou` left out."""
    table, _ = overlaps(first, second)
    return [(int(a), int(b)) for a, b in zip(*linear_sum_assignment(-table), strict=True) if table[a, b] >= iou]


def fit_affine(labels: Boxes, tight: Boxes) -> Affine:
    """Medians over pairs (N, 4), (N, 4) of the same faces: robust against a wrong pair.

    Raises:
        DataError: fewer than 20 pairs.
    """
    if len(labels) < 20:
        raise DataError(f"only {len(labels)} faces of the training pictures are seen by the teacher too; 20 are needed")
    sides = labels[:, 2:4] - labels[:, :2]
    moved = (tight[:, :2] + tight[:, 2:4] - labels[:, :2] - labels[:, 2:4]) / 2 / sides
    scaled = (tight[:, 2:4] - tight[:, :2]) / sides
    across, down = np.median(moved, 0)
    width, height = np.median(scaled, 0)
    return Affine(float(across), float(down), float(width), float(height), len(labels))


@dataclass(frozen=True, slots=True)
class Tightener:
    """Maps a set's labels to tight boxes."""

    affine: Affine
    teacher: Detector

    @classmethod
    def fit(cls, pictures: Sequence[Picture], teacher: Detector) -> Tightener:
        """Fit the affine between the labels of training pictures and what the teacher sees there.

        Raises:
            DataError: the teacher sees too few of the labelled faces.
        """
        labels, tight = [], []
        for picture in pictures:
            if not len(picture.faces):
                continue
            seen = _sure(teacher, picture)
            for a, b in match(picture.faces, seen):
                labels.append(picture.faces[a])
                tight.append(seen[b])
        return cls(fit_affine(np.array(labels).reshape(-1, 4), np.array(tight).reshape(-1, 4)), teacher)

    def __call__(self, picture: Picture) -> Boxes:
        """(N, 4) px: a tight box for each of the picture's faces."""
        boxes = self.affine.apply(picture.faces)
        seen = _sure(self.teacher, picture)
        for a, b in match(picture.faces, seen, SNAP_IOU):
            boxes[a] = seen[b]
        return boxes


def _sure(teacher: Detector, picture: Picture) -> Boxes:
    seen = teacher(read_picture(picture.path)).boxes
    sure: Boxes = seen[seen[:, 4] >= SURE, :4]
    return sure
