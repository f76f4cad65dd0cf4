"""Write a prepared data set: `train/SET/` and `val/SET/`, each a YOLO folder of its own, and `data.yaml`.

train/SET/images, labels            tight boxes, unlabelled faces painted over or added
train/SET/labels_as_given           what the source said
val/SET/images, labels, ignore      labels as they are; where a detection does not count
data.yaml summary.json report/
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from detector_training.pictures import Boxes, Picture, clip_boxes
from detector_training.seen import read_picture
from worker.errors import OutputError
from worker.frame import Pixels

PAINT = 114
"""Gray of a painted-over place: the value that surrounds letterboxed pictures, so it means nothing."""


def yolo_rows(boxes: Boxes, width: int, height: int) -> str:
    """Rows `0 cx cy w h` in shares of the sides, for boxes cut to the picture."""
    lines = []
    for x_min, y_min, x_max, y_max in clip_boxes(boxes, width, height)[:, :4].tolist():
        cx, cy = (x_min + x_max) / 2 / width, (y_min + y_max) / 2 / height
        lines.append(f"0 {cx:.6f} {cy:.6f} {(x_max - x_min) / width:.6f} {(y_max - y_min) / height:.6f}\n")
    return "".join(lines)


def paint_over(pixels: Pixels, places: Boxes, faces: Boxes) -> Pixels:
    """The picture with `places` painted gray, except where a labelled face lies."""
    painted = pixels.copy()
    for x_min, y_min, x_max, y_max in _whole(places):
        painted[y_min:y_max, x_min:x_max] = PAINT
    for x_min, y_min, x_max, y_max in _whole(faces):
        painted[y_min:y_max, x_min:x_max] = pixels[y_min:y_max, x_min:x_max]
    return painted


def _whole(boxes: Boxes) -> list[tuple[int, int, int, int]]:
    outer = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:4])], 1).clip(0).astype(int)
    return [(int(a), int(b), int(c), int(d)) for a, b, c, d in outer]


def write_picture(folder: Path, picture: Picture, labels: Boxes, ignore: Boxes, given: Boxes | None) -> None:
    """Write one picture of a set. In training (`given` are the source's boxes) ignored places are painted over,
    in validation (`given` None) they are written to `ignore/`."""
    width, height = picture.looks.width, picture.looks.height
    target = folder / "images" / picture.name
    target.parent.mkdir(parents=True, exist_ok=True)
    if given is not None and len(ignore):
        target = target.with_suffix(".webp")
        painted = paint_over(read_picture(picture.path), ignore, labels)
        if not cv2.imwrite(str(target), painted, [cv2.IMWRITE_WEBP_QUALITY, 95]):
            raise OutputError(f"{target.name} cannot be written to {target.parent}: is the disk full?")
    else:
        shutil.copyfile(picture.path, target)
    _write(folder / "labels" / f"{target.stem}.txt", yolo_rows(labels, width, height))
    if given is not None:
        _write(folder / "labels_as_given" / f"{target.stem}.txt", yolo_rows(given, width, height))
    elif len(ignore):
        _write(folder / "ignore" / f"{target.stem}.txt", yolo_rows(ignore, width, height))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_data_yaml(folder: Path, sets: Mapping[str, Sequence[str]]) -> None:
    """`data.yaml` as ultralytics reads it; `sets` are the set names of `train` and `val`."""
    document: dict[str, Any] = {
        side: [f"{side}/{name}/images" for name in sorted(names)] for side, names in sets.items()
    }
    document["names"] = {0: "face"}
    _write(folder / "data.yaml", yaml.safe_dump(document, sort_keys=False))


def write_summary(folder: Path, summary: dict[str, Any]) -> None:
    _write(folder / "summary.json", json.dumps(summary, indent=1, sort_keys=True) + "\n")
