"""Score a detector on YOLO folders: the shipped bundle, another bundle, or OpenCV's YuNet.

python -m detector_training.evaluate --data data/faces/val/wider_sub --json figures.json
python -m detector_training.evaluate --detector yunet_2023mar.onnx --data data/faces/val/wider_sub
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from detector_training.copies import read_names
from detector_training.detectors import BundleDetector, open_other
from detector_training.errors import DataError, run_command
from detector_training.formats import read_yolo
from detector_training.pictures import Picture
from detector_training.scoring import Scored, figures, threshold_for
from detector_training.seen import BUDGET, Detector, read_picture
from detector_training.worst import write_curve, write_worst
from worker.errors import OutputError

SHIPPED = Path(__file__).resolve().parents[1] / "worker" / "bundles" / "detector"
OTHERS_THRESHOLD = 0.5
"""Working threshold of detectors that come without one, unless --threshold says otherwise."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scored pictures of one set with what they were, and the seconds that detecting took a picture (median)."""

    set_name: str
    pictures: list[Picture]
    scored: list[Scored]
    seconds: float


def read_set(folder: Path, only: frozenset[str] = frozenset(), prefix: str = "") -> list[Picture]:
    """The pictures of a YOLO folder, with suggestions among the ignore regions.

    Args:
        folder: has `images/` and `labels/`, perhaps `ignore/` and `teacher_extra/`.
        only: names of a list file (`SET/images/NAME`), where SET is the folder's name; empty takes all.
        prefix: how file names begin.

    Raises:
        DataError: nothing is left, or a picture cannot be read.
    """
    reading = read_yolo(folder.resolve().name, folder)
    if reading.problems:
        where, why = reading.problems[0]
        raise DataError(f"{len(reading.problems)} pictures of {folder} cannot be scored, first {where}: {why}")
    pictures = [
        picture
        for picture in reading.pictures
        if picture.name.startswith(prefix) and (not only or f"{picture.set_name}/images/{picture.name}" in only)
    ]
    if not pictures:
        raise DataError(f"no picture of {folder} is to be scored: look at --list and --prefix")
    return pictures


def score_pictures(pictures: Sequence[Picture], detector: Detector) -> Evaluation:
    """Run a detector over pictures."""
    scored, seconds = [], []
    for picture in tqdm(pictures, desc=detector.name, unit="picture"):
        pixels = read_picture(picture.path)
        began = time.perf_counter()
        seen = detector(pixels)
        seconds.append(time.perf_counter() - began)
        detections = seen.boxes.copy()
        detections[:, :4] *= seen.scale
        ignore = np.concatenate([picture.ignore, picture.suggestions[:, :4]]) * seen.scale
        scored.append(Scored(picture.name, picture.faces * seen.scale, ignore, detections, seen.scale))
    return Evaluation(pictures[0].set_name, list(pictures), scored, float(np.median(seconds)))


def describe(evaluation: Evaluation, detector: Detector, threshold: float) -> dict[str, Any]:
    """The figures of one set as they are written to JSON."""
    result = figures(evaluation.scored, threshold)
    result["detector"] = detector.name
    result["threshold"] = threshold
    result["compute_precision"] = detector.precision
    result["speed_ms"] = round(1000 * evaluation.seconds, 1)
    if isinstance(detector, BundleDetector):
        manifest = detector.bundle.manifest
        result["input_size"] = [list(shape) for shape in manifest.input_shapes]
        result["gmac"] = manifest.gmac
        result["bundle_sha256"] = detector.bundle.sha256
    else:
        result["input_size"] = f"{BUDGET} px"
        result["gmac"] = result["bundle_sha256"] = None
    return result


def write_predictions(path: Path, evaluations: Sequence[Evaluation]) -> None:
    """Every box in px of the stored pictures as COCO results; `image_id` counts a set's pictures by name from 1."""
    rows = []
    for evaluation in evaluations:
        for number, scored in enumerate(evaluation.scored, 1):
            for x_min, y_min, x_max, y_max, score in scored.detections.tolist():
                box = [round(value / scored.scale, 3) for value in (x_min, y_min, x_max - x_min, y_max - y_min)]
                rows.append(
                    {"image_id": number, "category_id": 1, "bbox": box, "score": round(score, 6),
                     "file_name": f"{evaluation.set_name}/images/{scored.name}"}
                )  # fmt: skip
    write_json(path, rows)


def write_json(path: Path, content: Any) -> None:
    """Write JSON beside, then rename.

    Raises:
        OutputError: the folder cannot be written to.
    """
    beside = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}): choose another place") from error


def open_detector(bundle: Path, other: Path | None, precision: Literal["auto", "f32"], threads: int) -> Detector:
    return open_other(other) if other else BundleDetector(bundle, precision, threads)


def print_table(results: dict[str, dict[str, Any]]) -> None:
    """One line a set."""
    columns = ("AP40", "AP50", "AP75", "AP50_95", "recall", "false_per_image", "images", "boxes", "speed_ms")
    print(f"{'':14}" + "".join(f"{column:>16}" for column in columns))
    for name, row in results.items():
        print(f"{name[:14]:14}" + "".join(f"{'-' if row[column] is None else row[column]:>16}" for column in columns))
        sizes = row["by_size"].items()
        parts = [f"{size} px {'-' if of['AP50'] is None else of['AP50']} ({of['boxes']})" for size, of in sizes]
        print(f"{'':14}  AP50 by size: " + ", ".join(parts) + f"; AP50 95 %: {row['intervals']['AP50']}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="detector_training.evaluate", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, action="append", required=True, help="YOLO folder (images/, labels/, ignore/); repeatable")
    add("--bundle", type=Path, default=SHIPPED, help="detector bundle (the shipped one)")
    add("--detector", type=Path, help="yunet*.onnx, retinaface*.onnx or faster_rcnn*.pt instead of a bundle")
    add("--list", type=Path, help="score only the pictures of this file (SET/images/NAME a line)")
    add("--prefix", default="", help="score only pictures whose names begin so (val_ and train_ of WIDER FACE)")
    add("--threshold", type=float, help="working threshold (the bundle's own, or 0.5)")
    add("--find-threshold", type=float, metavar="PRECISION", help="find the threshold of this precision on all sets")
    add("--precision", choices=("auto", "f32"), default="auto", help="auto is what serving takes, f32 is reproducible")
    add("--threads", type=int, default=0, help="CPU threads of the network; 0 takes all")
    add("--json", type=Path, help="write the figures: of one set as they are, of several by set")
    add("--predictions", type=Path, help="write every box as COCO results JSON")
    add("--out", type=Path, help="folder for the PR curve and sheets of the worst misses and false faces")
    return parser.parse_args()


def main() -> None:
    args = _parse()
    only = frozenset(read_names(args.list)) if args.list else frozenset()
    detector = open_detector(args.bundle, args.detector, args.precision, args.threads)
    evaluations = [score_pictures(read_set(folder, only, args.prefix), detector) for folder in args.data]
    threshold = args.threshold
    if args.find_threshold is not None:
        threshold = threshold_for([one for evaluation in evaluations for one in evaluation.scored], args.find_threshold)
        print(f"threshold for precision {args.find_threshold}: {threshold:.4f}")
    elif threshold is None:
        own = isinstance(detector, BundleDetector)
        threshold = detector.bundle.manifest.thresholds.score if own else OTHERS_THRESHOLD  # type: ignore[attr-defined]
    results = {one.set_name: describe(one, detector, threshold) for one in evaluations}
    print_table(results)
    if args.json:
        write_json(args.json, results if len(results) > 1 else next(iter(results.values())))
    if args.predictions:
        write_predictions(args.predictions, evaluations)
    if args.out:
        for one in evaluations:
            write_curve(
                args.out / f"{one.set_name}_curve.png", one.scored, threshold, f"{detector.name} {one.set_name}"
            )
            write_worst(args.out, one.set_name, one.pictures, one.scored, threshold)


if __name__ == "__main__":
    raise SystemExit(run_command(main))
