"""Measures a classifier on labelled pictures.

    python -m classifier_training.evaluate --images DIR                         (the shipped bundle)
    python -m classifier_training.evaluate --run runs/vgg19/weights.safetensors --images DIR
    python -m classifier_training.evaluate --run A --run B --images DIR         (their average)
    python -m classifier_training.evaluate --peer FILE.onnx --peer-labels angry,disgust,... --images DIR

`--images` is a folder (EMOTION/*.jpg in any usual spelling, with or without splits), fer2013.csv, or packed parquet.
"""

import argparse
import csv
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier_training import measure
from classifier_training.copies import copy_pairs, thumbnails
from classifier_training.data import VOTE_NAMES, FaceSet, read_faces
from classifier_training.degrade import CONDITIONS, degrade
from classifier_training.errors import TrainingError, run_command, write_whole
from classifier_training.labels import DROPPED, LABEL_SETS, LabelSet
from classifier_training.plots import write_gallery, write_plots
from classifier_training.predict import (
    PeerInput,
    Predictor,
    average_predictor,
    bundle_predictor,
    flipped_too,
    in_batches,
    peer_predictor,
    run_predictor,
)
from worker.face import EMOTIONS

SHIPPED = Path(__file__).resolve().parent.parent / "worker" / "bundles" / "classifier"
SELECTIVE_COVERAGE = 0.7
_CALIBRATED_CONDITIONS = ("24px", "motion_blur")
_TOLD = (
    "accuracy_no_copies", "balanced_accuracy", "macro_f1", "ece", "nll", "brier", "selective_accuracy_70", "threshold",
    "coverage", "ferplus_agreement",
)  # fmt: skip


def label_set_for(predictor: Predictor, classes: int) -> LabelSet:
    """The label set to measure on.

    Raises:
        TrainingError: the model knows fewer classes than asked for.
    """
    wanted = LABEL_SETS[classes]
    if predictor.labels not in (EMOTIONS, wanted.names):
        raise TrainingError(f"{predictor.name} has {len(predictor.labels)} classes: give --classes to match")
    return wanted


def classifier_of(predictor: Predictor, labels: LabelSet) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Probabilities over `labels`, folded from the seven emotions where the model gives those."""
    classify = in_batches(predictor.classify)
    if predictor.labels == labels.names:
        return classify
    return lambda images: labels.fold(classify(images))


def measure_all(predictor: Predictor, faces: FaceSet, labels: LabelSet, train: FaceSet | None) -> dict[str, Any]:
    """Every figure on the pictures as they are; `train` marks the pictures that have a copy among the training rows.

    The camera conditions are None until `measure_robustness` fills them.
    """
    classify = classifier_of(predictor, labels)
    probabilities = classify(faces.images)
    predicted = probabilities.argmax(axis=1)
    right = predicted == faces.labels
    confusion = measure.confusion_matrix(predicted, faces.labels, len(labels.names))
    classes = measure.class_figures(confusion)
    present = [c for c in classes if c.support]
    threshold = predictor.threshold
    mirrored = flipped_too(classify)(faces.images)
    return {
        "model": predictor.name,
        "bundle_sha256": predictor.bundle_sha256,
        "compute_precision": predictor.compute_precision,
        "gmac": predictor.gmac,
        "images": len(faces),
        "accuracy": float(right.mean()),
        "accuracy_interval_95": list(measure.bootstrap_interval(right)),
        **_without_copies(right, faces, train),
        "balanced_accuracy": float(np.mean([c.recall for c in present])),
        "macro_f1": float(np.mean([c.f1 for c in present])),
        "weighted_f1": float(np.average([c.f1 for c in present], weights=[c.support for c in present])),
        "ece": measure.ece(probabilities, faces.labels),
        "nll": measure.nll(probabilities, faces.labels),
        "brier": measure.brier(probabilities, faces.labels),
        "temperature": predictor.temperature,
        "threshold": threshold,
        "coverage": None if threshold is None else float((probabilities.max(axis=1) >= threshold).mean()),
        "selective_accuracy_70": measure.selective_accuracy(probabilities, faces.labels, SELECTIVE_COVERAGE),
        "per_class": {name: asdict(figures) for name, figures in zip(labels.names, classes, strict=True)},
        "confusion": confusion.tolist(),
        "tta": {
            "flip_accuracy": measure.accuracy(mirrored, faces.labels),
            "flip_ece": measure.ece(mirrored, faces.labels),
        },
        "ferplus_agreement": _agreement(predicted, faces) if labels is LABEL_SETS[7] else None,
        "robustness": None,
        "robustness_ece": None,
    }


def _agreement(predicted: NDArray[np.int64], faces: FaceSet) -> float | None:
    return measure.vote_agreement(predicted, faces.votes, [VOTE_NAMES.index(emotion) for emotion in EMOTIONS])


def _without_copies(right: NDArray[np.bool_], faces: FaceSet, train: FaceSet | None) -> dict[str, Any]:
    """Accuracy without the pictures that have a near-copy (or an exact copy) among the training rows."""
    if train is None:
        return {"accuracy_no_copies": None, "accuracy_no_exact_copies": None, "near_copies": None, "exact_copies": None}
    near = np.zeros(len(faces), np.bool_)
    near[copy_pairs(thumbnails(faces.images), thumbnails(train.images))[:, 0]] = True
    known = {image.tobytes() for image in train.images}
    exact = np.array([image.tobytes() in known for image in faces.images])
    near |= exact
    return {
        "accuracy_no_copies": float(right[~near].mean()) if (~near).any() else None,
        "accuracy_no_exact_copies": float(right[~exact].mean()) if (~exact).any() else None,
        "near_copies": int(near.sum()),
        "exact_copies": int(exact.sum()),
    }


def measure_robustness(predictor: Predictor, faces: FaceSet, labels: LabelSet) -> dict[str, dict[str, float]]:
    """Accuracy under every camera condition, and ECE where a goal is set; means over a condition's variants."""
    classify = classifier_of(predictor, labels)
    accuracies, errors = {}, {}
    for name, variants in CONDITIONS.items():
        results = [classify(degrade(faces.images, variant)) for variant in variants]
        accuracies[name] = float(np.mean([measure.accuracy(result, faces.labels) for result in results]))
        if name in _CALIBRATED_CONDITIONS:
            errors[name] = float(np.mean([measure.ece(result, faces.labels) for result in results]))
    return {"robustness": accuracies, "robustness_ece": errors}


def write_predictions(path: Path, labels: LabelSet, faces: FaceSet, probabilities: NDArray[np.float32]) -> None:
    """One line a picture: row, label, predicted class and every probability."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "label", "predicted", *labels.names])
        for row, label, line in zip(faces.rows, faces.labels, probabilities, strict=True):
            named = [labels.names[label], labels.names[int(line.argmax())]]
            writer.writerow([int(row), *named, *(f"{value:.6f}" for value in line)])


def write_figures(path: Path, figures: dict[str, Any]) -> None:
    """JSON, written beside `path` and renamed."""
    write_whole(path, (json.dumps(figures, indent=2) + "\n").encode())


def tell(figures: dict[str, Any]) -> None:
    """Prints the figures, the camera conditions too where they were measured."""
    low, high = figures["accuracy_interval_95"]
    print(f"{figures['model']} on {figures['images']} pictures ({figures['compute_precision']})")
    print(f"accuracy {figures['accuracy']:.4f} (95 % interval {low:.4f} to {high:.4f})")
    print(f"accuracy with the mirror image {figures['tta']['flip_accuracy']:.4f}")
    for key in _TOLD:
        if figures[key] is not None:
            print(f"{key} {figures[key]:.4f}")
    for name, c in figures["per_class"].items():
        print(f"{name:10} precision {c['precision']:.3f} recall {c['recall']:.3f} f1 {c['f1']:.3f} of {c['support']}")
    for name, value in (figures["robustness"] or {}).items():
        calibration = figures["robustness_ece"].get(name)
        print(f"{name:12} {value:.4f}" + ("" if calibration is None else f" (ece {calibration:.4f})"))


def _predictor(options: argparse.Namespace) -> Predictor:
    if options.peer is not None:
        wanted = PeerInput(options.peer_mean, options.peer_scale, tuple(options.peer_labels.split(",")))
        return peer_predictor(options.peer, wanted)
    if options.run:
        return run_predictor(options.run[0]) if len(options.run) == 1 else average_predictor(options.run)
    return bundle_predictor(options.bundle, options.precision)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="labelled pictures: folder, csv or parquet")
    parser.add_argument("--split", choices=("train", "validation", "test"), help="that part of --images alone")
    parser.add_argument("--strict", action="store_true", help="a picture that cannot be used is an error")
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--bundle", type=Path, default=SHIPPED, help="bundle folder (default: the shipped one)")
    model.add_argument("--run", type=Path, action="append", help="folder or weights of a run; several are averaged")
    model.add_argument("--peer", type=Path, help="another's ONNX file")
    parser.add_argument("--peer-labels", default=",".join(EMOTIONS), help="its outputs in order")
    parser.add_argument("--peer-mean", type=float, default=0.0)
    parser.add_argument("--peer-scale", type=float, default=255.0)
    parser.add_argument("--precision", choices=("auto", "f32"), default="auto", help="of the bundle's runtime")
    parser.add_argument("--classes", type=int, choices=tuple(LABEL_SETS), default=7)
    parser.add_argument("--train", type=Path, help="training rows, to tell accuracy without their copies")
    parser.add_argument("--robustness", action="store_true", help="also under camera conditions")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--predictions", type=Path, help="write every probability there (csv)")
    parser.add_argument("--plots", type=Path, help="folder for confusion, reliability, risk-coverage, mistakes")
    return parser


def main() -> None:
    options = _parser().parse_args()
    predictor = _predictor(options)
    labels = label_set_for(predictor, options.classes)
    reading = read_faces([options.images], options.split, strict=options.strict)
    for problem in reading.problems:
        print(f"skipped {problem}")
    mapped = labels.map(reading.faces.labels)
    faces = FaceSet(reading.faces.images, mapped, reading.faces.votes, reading.faces.rows).where(mapped != DROPPED)
    if not len(faces):
        raise TrainingError(f"{options.images}: no picture of the classes {', '.join(labels.names)}")
    train = read_faces([options.train], "train").faces if options.train else None
    figures = measure_all(predictor, faces, labels, train)
    if options.robustness:
        figures |= measure_robustness(predictor, faces, labels)
    tell(figures)
    if options.json:
        write_figures(options.json, figures)
    probabilities = classifier_of(predictor, labels)(faces.images)
    if options.predictions:
        write_predictions(options.predictions, labels, faces, probabilities)
    if options.plots:
        write_plots(options.plots, figures, probabilities, faces.labels)
        write_gallery(options.plots, labels, faces, probabilities)


if __name__ == "__main__":
    run_command(main)
