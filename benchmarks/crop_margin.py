"""Measures how FER2013 frames a face: the margin and the shift that make a detector's box its 48x48 picture.

    python -m benchmarks.crop_margin FER2013_TRAIN.parquet [--bundle DIR] [--pictures 1500]

A quarter of the pictures each is enlarged to 96, 144, 192 and 240 px and set into a larger one with its edges
replicated (on a plain ground the detector boxes the picture, not the face); the detector's best box is compared with
the picture's own 48x48 frame. The rule that follows stands in the classifier's manifest: `margin` = frame side /
median of the box's longer side, `dy` = median of (frame centre - box centre) / frame side, downwards. Training
pictures only. Needs the extra `train` (pyarrow).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from worker.face import Box
from worker.frame import Letterbox, Pixels
from worker.models.backends import choose_backend, open_backend
from worker.models.bundle import load_bundle
from worker.models.detector import FaceDetector

CANVAS = (640, 384)
SIDES_PX = (96, 144, 192, 240)
SHIPPED = Path(__file__).parents[1] / "worker" / "bundles" / "detector"


def read_pictures(parquet: Path, count: int) -> list[Pixels]:
    """`count` pictures spread over the file, (48, 48) uint8; blank ones are left out."""
    from pyarrow.parquet import read_table

    encoded = read_table(parquet, columns=["image"]).column("image").to_pylist()
    chosen = [encoded[i] for i in np.linspace(0, len(encoded) - 1, count).astype(int)]
    pictures = [cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE) for png in chosen]
    return [np.asarray(picture, np.uint8) for picture in pictures if picture is not None and picture.std() > 1]


def framed(picture: Pixels, side: int) -> tuple[Pixels, Box]:
    """The picture at `side` px in the middle of the canvas, BGR, and where it lies."""
    width, height = CANVAS
    left, top = (width - side) // 2, (height - side) // 2
    large = cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC)
    canvas = cv2.copyMakeBorder(
        large, top, height - side - top, left, width - side - left, borderType=cv2.BORDER_REPLICATE
    )
    return np.asarray(cv2.cvtColor(canvas, cv2.COLOR_GRAY2BGR), np.uint8), Box(left, top, left + side, top + side)


def relations(detector: FaceDetector, pictures: list[Pixels], side: int) -> npt.NDArray[np.float64]:
    """For each picture whose face is found: longer side, shift right and shift down of the box, in frame sides."""
    geometry = Letterbox.fit(*CANVAS, (CANVAS,))
    rows = []
    for picture in pictures:
        canvas, frame = framed(picture, side)
        faces = [face for face in detector.detect(canvas[None], [geometry])[0] if face.box.iou(frame) > 0.3]
        if faces:
            box = faces[0].box
            right = (box.x_min + box.x_max - frame.x_min - frame.x_max) / 2 / side
            down = (box.y_min + box.y_max - frame.y_min - frame.y_max) / 2 / side
            rows.append((max(box.width, box.height) / side, right, down))
    return np.array(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parquet", type=Path)
    parser.add_argument("--bundle", type=Path, default=SHIPPED)
    parser.add_argument("--pictures", type=int, default=1500)
    arguments = parser.parse_args()
    bundle = load_bundle(arguments.bundle, "detector")
    detector = FaceDetector(bundle, open_backend(bundle, choose_backend("openvino"), "f32"))
    pictures = read_pictures(arguments.parquet, arguments.pictures)
    print(f"{bundle.label}, {len(pictures)} pictures")
    print("side_px  found  margin      dy      dx  longer side p25 p75")
    margins, shifts = [], []
    for part, side in zip(np.array_split(np.arange(len(pictures)), len(SIDES_PX)), SIDES_PX, strict=True):
        found = relations(detector, [pictures[i] for i in part], side)
        longer, right, down = np.median(found, axis=0)
        low, high = np.percentile(found[:, 0], (25, 75))
        margins.append(1 / longer)
        shifts.append(-down)
        share = len(found) / len(part)
        print(f"{side:7d}  {share:5.2f}  {1 / longer:6.3f}  {-down:+.3f}  {-right:+.3f}  {low:.3f} {high:.3f}")
    print(f"mean of the rows: margin {np.mean(margins):.3f}, dy {np.mean(shifts):+.3f}")


if __name__ == "__main__":
    main()
