"""Pictures and sets made for tests: bright ovals on noise stand for faces."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt


def made_picture(seed: int, width: int = 320, height: int = 240) -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8: low-frequency noise, so that perceptual hashes of two seeds differ."""
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def draw_face(picture: npt.NDArray[np.uint8], box: tuple[int, int, int, int]) -> None:
    """A cartoon face that fills the box x_min, y_min, x_max, y_max."""
    x_min, y_min, x_max, y_max = box
    centre, axes = ((x_min + x_max) // 2, (y_min + y_max) // 2), ((x_max - x_min) // 2, (y_max - y_min) // 2)
    cv2.ellipse(picture, centre, axes, 0, 0, 360, (150, 190, 240), -1)
    for side in (-1, 1):
        eye = (centre[0] + side * axes[0] // 2, centre[1] - axes[1] // 4)
        cv2.circle(picture, eye, max(1, axes[0] // 6), (20, 20, 20), -1)
    cv2.ellipse(
        picture, (centre[0], centre[1] + axes[1] // 3), (axes[0] // 2, axes[1] // 6), 0, 0, 180, (40, 40, 160), 2
    )


def write_yolo(folder: Path, count: int, seed: int = 0, suffix: str = ".png") -> None:
    """A YOLO folder of `count` pictures with one or two faces each."""
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    chance = np.random.default_rng(seed)
    for number in range(count):
        picture = made_picture(1000 * seed + number)
        rows = []
        for column in range(int(chance.integers(1, 3))):
            side = int(chance.integers(50, 100))
            x, y = column * 160 + int(chance.integers(0, 160 - side)), int(chance.integers(0, 240 - side))
            draw_face(picture, (x, y, x + side, y + side))
            rows.append(f"0 {(x + side / 2) / 320} {(y + side / 2) / 240} {side / 320} {side / 240}\n")
        cv2.imwrite(str(folder / "images" / f"p{number:02}{suffix}"), picture)
        (folder / "labels" / f"p{number:02}.txt").write_text("".join(rows))


def dataturks_line(url: str, *boxes: tuple[float, float, float, float], label: str = "Face") -> str:
    """One line of an export; boxes are two corners in shares."""
    annotation = [
        {
            "label": [label],
            "notes": "",
            "points": [{"x": a, "y": b}, {"x": c, "y": d}],
            "imageWidth": 320,
            "imageHeight": 240,
        }
        for a, b, c, d in boxes
    ]
    return json.dumps({"content": url, "annotation": annotation, "extras": None})
