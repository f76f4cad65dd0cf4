"""An experiment: faces turned so that the eyes are level and in one place, by YuNet's landmarks.

    python -m classifier_training.align --images DIR/fer2013 --detector yunet_2023mar.onnx --out DIR/aligned

writes the same rows as `aligned.parquet`, to be trained and measured like any other data. Faces whose eyes are not
found stay as they are. Serving has no landmarks: a network trained on aligned faces needs aligned faces.
"""

import argparse
import io
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from classifier_training.data import SIDE, FaceSet, read_faces
from classifier_training.errors import TrainingError, run_command, write_whole

_PAD = 16
_ENLARGED = 4
_SCORE = 0.5
_USAGE = {"train": 0, "validation": 1, "test": 2}


def find_eyes(image: NDArray[np.uint8], detector: cv2.FaceDetectorYN) -> NDArray[np.float32] | None:
    """The eyes of a (48, 48) face as float32 (2, 2), x and y in its pixels, the left one in the picture first.

    YuNet wants context and size: edges are repeated by 16 pixels, then everything is enlarged four times.
    """
    padded = cv2.copyMakeBorder(image, _PAD, _PAD, _PAD, _PAD, cv2.BORDER_REPLICATE)
    large = cv2.resize(padded, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC)
    detector.setInputSize((large.shape[1], large.shape[0]))
    # OpenCV's stub does not say that there is None where no face is.
    faces = cast("NDArray[np.float32] | None", detector.detect(cv2.cvtColor(large, cv2.COLOR_GRAY2BGR))[1])
    if faces is None:
        return None
    best = faces[np.argmax(faces[:, -1])]
    eyes = (best[4:8].reshape(2, 2) + 0.5) / _ENLARGED - 0.5 - _PAD
    return np.asarray(eyes[np.argsort(eyes[:, 0])], np.float32)


def turn(image: NDArray[np.uint8], eyes: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Moves, turns and scales a (48, 48) face so that its eyes (2, 2) lie at `target` (2, 2); edges replicated."""
    (ax, ay), (bx, by) = eyes.astype(float)
    (cx, cy), (dx, dy) = target.astype(float)
    # As complex numbers a similarity is z -> r z + t.
    r = complex(dx - cx, dy - cy) / complex(bx - ax, by - ay)
    t = complex(cx, cy) - r * complex(ax, ay)
    matrix = np.array([[r.real, -r.imag, t.real], [r.imag, r.real, t.imag]])
    turned = cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


def align(faces: FaceSet, detector: cv2.FaceDetectorYN) -> tuple[FaceSet, int]:
    """All faces turned to the median place of the eyes, made level; and how many had their eyes found."""
    found = [find_eyes(image, detector) for image in faces.images]
    known = [eyes for eyes in found if eyes is not None and eyes[1, 0] - eyes[0, 0] >= 1.0]
    if not known:
        return faces, 0
    target = np.median(np.stack(known), axis=0)
    target[:, 1] = target[:, 1].mean()
    images = [
        image if eyes is None or eyes[1, 0] - eyes[0, 0] < 1.0 else turn(image, eyes, target)
        for image, eyes in zip(faces.images, found, strict=True)
    ]
    return FaceSet(np.stack(images), faces.labels, faces.votes, faces.rows), len(known)


def write_parquet(path: Path, parts: dict[str, FaceSet]) -> None:
    """The packed form that `data.read_faces` reads; `parts` by the name of the split."""
    columns: dict[str, list[object]] = {"row": [], "emotion": [], "usage": [], "votes": [], "image": []}
    for split, faces in parts.items():
        columns["row"] += faces.rows.tolist()
        columns["emotion"] += faces.labels.tolist()
        columns["usage"] += [_USAGE[split]] * len(faces)
        columns["votes"] += faces.votes.tolist()
        columns["image"] += [cv2.imencode(".png", image)[1].tobytes() for image in faces.images]
    packed = io.BytesIO()
    pq.write_table(pa.table(columns), packed)
    write_whole(path, packed.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder, csv or parquet")
    parser.add_argument("--detector", type=Path, required=True, help="YuNet as ONNX")
    parser.add_argument("--out", type=Path, required=True, help="folder for aligned.parquet")
    parser.add_argument("--splits", nargs="+", choices=tuple(_USAGE), default=["train", "validation"])
    options = parser.parse_args()
    if not options.detector.is_file():
        raise TrainingError(f"{options.detector} does not exist: give YuNet's ONNX file")
    detector = cv2.FaceDetectorYN.create(str(options.detector), "", (SIDE, SIDE), score_threshold=_SCORE)
    parts = {}
    for split in options.splits:
        faces = read_faces([options.images], split).faces
        parts[split], found = align(faces, detector)
        print(f"{split}: eyes found in {found} of {len(faces)} faces")
    write_parquet(options.out / "aligned.parquet", parts)


if __name__ == "__main__":
    run_command(main)
