"""Contact sheets: many pictures with their boxes on one JPEG, for people to look at. They stay out of git."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from detector_training.pictures import Boxes
from detector_training.seen import read_picture
from worker.errors import OutputError
from worker.frame import Pixels

GREEN, RED, BLUE, YELLOW = (60, 220, 60), (40, 40, 240), (240, 120, 40), (30, 220, 240)
Layer = tuple[Boxes, tuple[int, int, int]]


def draw(pixels: Pixels, layers: Iterable[Layer], side: int) -> Pixels:
    """The picture fitted into `side` x `side` px, boxes of each layer in its colour (BGR)."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    for boxes, colour in layers:
        for x_min, y_min, x_max, y_max in np.rint(boxes[:, :4] * scale).astype(int).tolist():
            cv2.rectangle(small, (x_min, y_min), (x_max, y_max), colour, 1, cv2.LINE_AA)
    tile = np.full((side, side, 3), 30, np.uint8)
    tile[: small.shape[0], : small.shape[1]] = small
    return tile


def sheet(tiles: Sequence[Pixels], captions: Sequence[str], columns: int = 5) -> Pixels:
    """Tiles of one size in rows, each with a caption below."""
    cells = []
    for tile, caption in zip(tiles, captions, strict=True):
        bar = np.full((18, tile.shape[1], 3), 30, np.uint8)
        cv2.putText(bar, caption[-40:], (3, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (230, 230, 230), 1, cv2.LINE_AA)
        cells.append(np.concatenate([tile, bar]))
    while len(cells) % columns:
        cells.append(np.zeros_like(cells[0]))
    rows = [np.concatenate(cells[at : at + columns], 1) for at in range(0, len(cells), columns)]
    return np.concatenate(rows)


def write_sheet(path: Path, entries: Sequence[tuple[Path, Sequence[Layer], str]], side: int = 240) -> None:
    """Write one JPEG of (picture, layers, caption) entries; nothing where there are none.

    Raises:
        OutputError: the file cannot be written.
    """
    if not entries:
        return
    tiles = [draw(read_picture(picture), layers, side) for picture, layers, _ in entries]
    write_jpeg(path, sheet(tiles, [caption for _, _, caption in entries]))


def write_jpeg(path: Path, pixels: Pixels) -> None:
    """Write a JPEG whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not done:
        raise OutputError(f"{path.name} cannot be encoded as JPEG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())
