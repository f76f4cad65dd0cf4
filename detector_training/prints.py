"""Pictures with drawings printed into them: what a detector must not take for faces (a skull on a hoodie, a cartoon).

    python -m detector_training.prints --drawings clipart/people --drawings clipart/animals \\
        --backgrounds faceless --count 300 --out data/prints

Join the folder in `prepare` as `--join prints=faceless:data/prints`. Drawings are pictures with an alpha channel, such
as public domain clip art; backgrounds are pictures without faces.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from detector_training.errors import DataError, run_command
from detector_training.formats import pictures_in
from detector_training.seen import read_picture
from worker.errors import OutputError
from worker.frame import Pixels

LONGER_SIDE = 640
"""px of the pictures written: about the serving scale."""


def read_drawing(path: Path) -> Pixels | None:
    """(H, W, 4) uint8 BGRA, cropped to what is drawn; None where nothing is or there is no alpha channel."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != 4 or pixels.dtype != np.uint8:
        return None
    x, y, width, height = cv2.boundingRect(cv2.findNonZero(np.asarray(pixels[..., 3] > 8, np.uint8)))
    if min(width, height) < 16:
        return None
    return np.asarray(pixels[y : y + height, x : x + width], np.uint8)


def print_on(picture: Pixels, drawing: Pixels, chance: random.Random) -> Pixels:
    """The picture with the drawing on it: turned, in some perspective, as a print (the ground's light and dark shine
    through) or as a sticker."""
    height, width = picture.shape[:2]
    size = chance.uniform(0.1, 0.7) * min(height, width)
    scale = size / max(drawing.shape[:2])
    half = np.array([drawing.shape[1], drawing.shape[0]]) * scale / 2
    angle = np.deg2rad(chance.gauss(0, 12))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([chance.uniform(half[0], max(half[0], width - half[0])), chance.uniform(0.2, 0.8) * height])
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
    corners += np.array([[chance.uniform(-0.12, 0.12) * size for _ in "xy"] for _ in corners])
    source = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * np.array(drawing.shape[1::-1])
    target = corners @ turn.T + centre
    shrunk = max(1, round(1 / scale)) if scale < 1 else 1
    smooth = cv2.blur(drawing, (shrunk, shrunk))
    warp = cv2.getPerspectiveTransform(source.astype(np.float32), target.astype(np.float32))
    laid = cv2.warpPerspective(smooth, warp, (width, height), flags=cv2.INTER_LINEAR).astype(np.float32)
    alpha = laid[..., 3:] / 255 * chance.choice((1.0, 1.0, 0.85))
    ground = picture.astype(np.float32)
    light = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)[..., None] / 255
    ink = laid[..., :3] * (0.4 + 0.6 * light if chance.random() < 0.5 else 1.0)
    return np.asarray(np.clip(ground * (1 - alpha) + ink * alpha, 0, 255), np.uint8)


def make_prints(drawings: Sequence[Path], backgrounds: Sequence[Path], count: int, out: Path, seed: int) -> int:
    """Write `count` pictures; returns how many drawings were laid on them.

    Raises:
        DataError: a background cannot be decoded, or there are no drawings (with an alpha channel) or backgrounds.
        OutputError: a picture cannot be written.
    """
    if not drawings or not backgrounds:
        raise DataError("prints need drawings (PNG with an alpha channel) and backgrounds: name their folders")
    chance = random.Random(seed)
    out.mkdir(parents=True, exist_ok=True)
    used = 0
    for number in tqdm(range(count), "prints", unit="picture"):
        picture = read_picture(chance.choice(backgrounds))
        scale = LONGER_SIDE / max(picture.shape[:2])
        laid: Pixels = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        for path in chance.sample(drawings, min(len(drawings), chance.randint(1, 4))):
            drawing = read_drawing(path)
            if drawing is not None:
                laid, used = print_on(laid, drawing, chance), used + 1
        if not cv2.imwrite(str(out / f"print_{number:04d}.webp"), laid, [cv2.IMWRITE_WEBP_QUALITY, 88]):
            raise OutputError(f"{out} cannot be written: is the disk full?")
    if not used:
        raise DataError("none of the drawings has an alpha channel: clip art as PNG has one")
    return used


def main() -> None:
    parser = argparse.ArgumentParser(prog="detector_training.prints", description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--drawings", type=Path, action="append", required=True, help="folder of drawings, searched through (again)")
    add("--backgrounds", type=Path, required=True, help="folder of pictures without faces")
    add("--count", type=int, default=300)
    add("--seed", type=int, default=0)
    add("--out", type=Path, required=True)
    args = parser.parse_args()
    drawings = sorted(path for folder in args.drawings for path in folder.rglob("*.png"))
    used = make_prints(drawings, pictures_in(args.backgrounds), args.count, args.out, args.seed)
    print(f"{args.count} pictures with {used} drawings on them in {args.out}")


if __name__ == "__main__":
    raise SystemExit(run_command(main))
