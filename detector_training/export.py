"""Make the bundle that the worker runs from a finished training run, or from a file of weights.

    python -m detector_training.export runs/faces_1 --out worker/bundles/detector --val data/faces/val/wider_sub ...

The working threshold is found on the validation sets (precision 0.95); without them it has to be given.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from detector_training.card import LICENCE_CODE, LICENCE_DATA, write_card
from detector_training.copies import read_names
from detector_training.detectors import BundleDetector
from detector_training.errors import RunError, run_command
from detector_training.evaluate import Evaluation, describe, print_table, read_set, score_pictures
from detector_training.network import read_about, read_weights
from detector_training.offline import quiet_ultralytics
from detector_training.pictures import Picture
from detector_training.run_settings import load_settings
from detector_training.scoring import ON_FACE_IOU, threshold_for
from detector_training.seen import BUDGET
from worker.models.bundle import DETECTOR_SHAPES, Bundle, DetectorManifest, DetectorThresholds, Licences
from worker.models.export import export_bundle
from worker.models.nets.yolo11 import class_width_of

PRECISION = 0.95
"""Share of right detections, after ignores, that the working threshold is chosen for."""
NMS_IOU = 0.5
"""The middle between crowds and couples on the validation pictures; README.md has the figures of 0.45 to 0.7."""
GMAC = {64: 1.893, 80: 1.944}
"""Of YOLO11n with one class at 640x384, by the width of its class branch."""
KEPT = ("AP40", "AP50", "AP75", "AP50_95", "recall", "false_per_image", "images", "boxes", "by_size", "intervals")


@dataclass(frozen=True, slots=True)
class Source:
    """Trained weights, what is known of their training, and how they are to be served."""

    state: dict[str, Tensor]
    training: dict[str, Any]
    version: str = "1.0"
    shapes: tuple[tuple[int, int], ...] = DETECTOR_SHAPES


def read_source(path: Path, settings: Path | None = None) -> Source:
    """Weights of a run folder (its last checkpoint) or of a file; `settings` tells how a file's were trained.

    Raises:
        RunError: there are none, or they cannot be read.
    """
    quiet_ultralytics(Path(tempfile.gettempdir()) / "ultralytics-quiet")
    if path.is_dir():
        weights = path / "weights" / "last.pt"
        if not weights.is_file():
            raise RunError(f"{path} has no weights/last.pt: train first, or name a file of weights")
        training = json.loads((path / "run.json").read_text(encoding="utf-8"))
        training["settings"] = load_settings(path / "settings.yaml").model_dump(mode="json")
    else:
        weights, training = path, {}
        if not path.is_file():
            raise RunError(f"{path} is missing: name a run folder or a file of weights")
        if settings:
            training["settings"] = load_settings(settings).model_dump(mode="json")
        training |= read_about(weights)
    training["weights"] = weights.name
    training["weights_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    state = read_weights(weights)
    name = "model.23.cv3.0.0.1.conv.weight"
    if name not in state or class_width_of(state) not in GMAC or state["model.23.cv3.0.2.weight"].shape[0] != 1:
        raise RunError(f"{weights} holds no YOLO11n with one class: train it with detector_training.train first")
    return Source(state, training)


def export(source: Source, out: Path, sets: dict[str, list[Picture]], score: float | None) -> Bundle[DetectorManifest]:
    """Export, measure at both compute precisions, find the threshold, and write the bundle with its card.

    A first export beside `out` is what is measured, so nothing is half-written and nothing goes out unmeasured.

    Args:
        source: weights and their training.
        out: the bundle's folder; replaced where it exists.
        sets: validation pictures by set.
        score: the working threshold; None finds it on the sets.

    Raises:
        BundleError: the exported network differs from the trained one, or cannot be written.
    """
    metrics: dict[str, Any] = {}
    threshold_source = "as given"
    if sets:
        evaluated = _measure(source, out, sets)
        if score is None:
            scored = [picture for one in evaluated[0][1] for picture in one.scored]
            score = round(threshold_for(scored, PRECISION), 3)
            threshold_source = (
                f"precision {PRECISION} at IoU {ON_FACE_IOU} on {len(scored)} validation pictures of {', '.join(sets)}"
            )
        for detector, evaluations in evaluated:
            figures = {one.set_name: describe(one, detector, score) for one in evaluations}
            print(f"compute precision {detector.precision}")
            print_table(figures)
            metrics[detector.precision] = {name: {key: row[key] for key in KEPT} for name, row in figures.items()}
    if score is None:
        raise RunError("without validation sets the threshold has to be given: --score")
    final = _manifest(source, score, metrics)
    card = write_card(final.model_dump(mode="json"), threshold_source, _about(source.training))
    return export_bundle(out, final, source.state, card)


def _measure(
    source: Source, out: Path, sets: dict[str, list[Picture]]
) -> list[tuple[BundleDetector, Sequence[Evaluation]]]:
    """Score a trial bundle beside `out` at the CPU's own compute precision and at f32."""
    out.parent.mkdir(parents=True, exist_ok=True)
    results: list[tuple[BundleDetector, Sequence[Evaluation]]] = []
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        trial = Path(folder) / "trial"
        export_bundle(trial, _manifest(source, 0.5, {}), source.state, "# measured before it is written\n")
        choices: tuple[Literal["auto", "f32"], ...] = ("auto", "f32")
        for precision in choices:
            detector = BundleDetector(trial, precision)
            if results and detector.precision == results[0][0].precision:
                continue
            results.append((detector, [score_pictures(pictures, detector) for pictures in sets.values()]))
    return results


def _manifest(source: Source, score: float, metrics: dict[str, Any]) -> DetectorManifest:
    width = class_width_of(source.state)
    largest = max(across * down for across, down in source.shapes)
    return DetectorManifest(
        name="face-yolo11n",
        version=source.version,
        class_width=width,
        input_shapes=source.shapes,
        gmac=round(GMAC[width] * largest / BUDGET, 3),
        metrics=metrics,
        licences=Licences(code=LICENCE_CODE, data=LICENCE_DATA),
        training=source.training,
        thresholds=DetectorThresholds(score=score, nms_iou=NMS_IOU),
    )


def _about(training: dict[str, Any]) -> str:
    lines = [f"Weights `{training['weights']}`, SHA-256 `{training['weights_sha256']}`."]
    if settings := training.get("settings"):
        lines.append(
            f"{settings['epochs']} epochs at {settings['size_px']} px, batch {settings['batch']}, SGD from "
            f"{settings['peak_rate']}, {settings['precision']}; augmentation in manifest.json under training.settings."
        )
    if parts := training.get("mean_of"):
        lines.append(f"They are the mean of two stages, {parts}; these settings are the later one's.")
    if start := training.get("start"):
        lines.append(f"Start: `{start}`. Data fingerprint `{training['data_fingerprint']}`.")
    if commit := training.get("git_commit"):
        lines.append(f"Made at commit `{commit}`.")
    return "\n".join(lines)


def _shape(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()) or int(width) % 32 or int(height) % 32:
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT in multiples of 32, got {text!r}")
    return int(width), int(height)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="detector_training.export", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("source", type=Path, help="run folder of detector_training.train, or a file of weights")
    add("--out", type=Path, required=True, help="folder of the bundle, replaced where it exists")
    add("--val", type=Path, action="append", default=[], help="YOLO folder to measure on; repeatable")
    add("--list", type=Path, help="measure only on the pictures of this file (SET/images/NAME a line)")
    add("--score", type=float, help=f"working threshold instead of that of precision {PRECISION} on the --val sets")
    add("--settings", type=Path, help="settings that a file of weights was trained with, for the manifest")
    add("--version", default="1.0", help="version of the bundle")
    add("--shape", type=_shape, action="append", metavar="WxH", help="input shapes instead of the five usual ones")
    args = parser.parse_args()
    if not args.val and args.score is None:
        parser.error("name validation sets with --val, or a threshold with --score")
    return args


def main() -> None:
    args = _parse()
    only = frozenset(read_names(args.list)) if args.list else frozenset()
    sets = {folder.resolve().name: read_set(folder, only) for folder in args.val}
    source = read_source(args.source, args.settings)
    source = replace(source, version=args.version, shapes=tuple(args.shape or DETECTOR_SHAPES))
    bundle = export(source, args.out, sets, args.score)
    print(f"wrote {args.out} ({bundle.label}), threshold {bundle.manifest.thresholds.score}")


if __name__ == "__main__":
    raise SystemExit(run_command(main))
