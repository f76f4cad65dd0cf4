"""Makes the bundle that the worker runs out of a trained ResNet-29.

    python -m classifier_training.export --run runs/resnet29 --data DIR --version 1.0 --out worker/bundles/classifier

Temperature and abstention threshold come from the run's hold-out, the figures in manifest and card from the exported
network itself, in OpenVINO, at f32 and at the CPU's own precision. The bundle is written beside the old one, compared
with the trained network, and renamed. `--validation` adds the figures on PublicTest: a look at it, to be logged.
"""

import argparse
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from classifier_training import measure
from classifier_training.card import model_card
from classifier_training.data import FaceSet, read_faces
from classifier_training.errors import TrainingError, run_command
from classifier_training.evaluate import SHIPPED, measure_all, measure_robustness
from classifier_training.gates import measure_gates
from classifier_training.labels import LABEL_SETS
from classifier_training.nets import multiply_adds
from classifier_training.predict import bundle_predictor
from classifier_training.runs import WEIGHTS, RunWeights, holdout_rows, load_network, logits_of, read_weights
from worker.models.bundle import (
    Bundle,
    ClassifierManifest,
    ClassifierThresholds,
    Crop,
    Gates,
    Licences,
    load_bundle,
)
from worker.models.export import export_bundle

WANTED_ACCURACY = 0.5
"""The worker abstains where a face of this confidence is named rightly in less than half, as with the gates."""

_MANIFEST_FIGURES = (
    "images", "accuracy", "accuracy_interval_95", "accuracy_no_copies", "balanced_accuracy", "macro_f1", "ece", "nll",
    "brier", "coverage", "selective_accuracy_70", "per_class", "tta", "robustness", "robustness_ece",
)  # fmt: skip
_LICENCES = Licences(
    code="AGPL-3.0-or-later; started from dlib's face-recognition ResNet (CC0)",
    data="FER2013: photos from the web without a clear licence; FER+ votes: MIT",
)


@dataclass(frozen=True)
class Calibration:
    """What the hold-out gives: temperature, threshold, the coverage of that threshold, and the gates."""

    temperature: float
    threshold: float
    coverage: float
    gates: Gates


def holdout_of(run: Path, data: Path) -> FaceSet:
    """The faces that the run held out.

    Raises:
        TrainingError: the data holds none of them, or the run saw everything.
    """
    faces = read_faces([data], "train").faces
    held_out = faces.where(np.isin(faces.rows, holdout_rows(run)))
    if not len(held_out):
        raise TrainingError(f"{run} held out no rows of {data}: without a hold-out there is no honest temperature")
    return held_out


def calibrate(weights: RunWeights, holdout: FaceSet, crop: Crop) -> Calibration:
    """Fits everything that is fitted after training, on the hold-out alone."""
    net, model = load_network(weights), weights.settings.model
    logits = logits_of(net, holdout.images, model)
    temperature = round(measure.fit_temperature(logits, holdout.labels), 3)

    def classify(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return measure.softmax(logits_of(net, images, model), temperature).astype(np.float32)

    probabilities = measure.softmax(logits, temperature)
    threshold, coverage = measure.threshold_for(probabilities, holdout.labels, WANTED_ACCURACY)
    return Calibration(temperature, round(threshold, 3), coverage, measure_gates(classify, holdout, crop))


def manifest_for(weights: RunWeights, calibration: Calibration, crop: Crop, version: str) -> ClassifierManifest:
    """Everything but the figures and the files.

    Raises:
        TrainingError: the run is no ResNet-29 of seven emotions, the only kind that the worker runs.
    """
    settings = weights.settings
    if settings.model.architecture != "resnet29" or settings.data.classes != len(LABEL_SETS[7].names):
        raise TrainingError(
            f"the worker runs resnet29 with 7 emotions, not {settings.model.architecture} with {settings.data.classes}"
        )
    fingerprint = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:16]
    return ClassifierManifest(
        name="fer-resnet29",
        version=version,
        input_shapes=((settings.model.size, settings.model.size),),
        gmac=round(multiply_adds(load_network(weights), settings.model.size), 4),
        licences=_LICENCES,
        training={
            "epochs": weights.epoch,
            "steps": weights.step,
            "minutes": round(weights.seconds / 60, 1),
            "settings_sha256": fingerprint,
            "start": "dlib face-recognition ResNet (CC0)",
            "teachers": len(settings.loss.teachers),
            "holdout_coverage": round(calibration.coverage, 4),
        },
        crop=crop,
        mean=settings.model.mean,
        scale=settings.model.scale,
        temperature=calibration.temperature,
        thresholds=ClassifierThresholds(low_confidence=calibration.threshold, gates=calibration.gates),
    )


def measured(bundle: Path, sets: dict[str, FaceSet], train: FaceSet | None) -> dict[str, Any]:
    """Figures of a bundle for each named set at both precisions; camera conditions on the last set at the first."""
    figures: dict[str, Any] = {}
    precisions: tuple[Literal["auto", "f32"], ...] = ("auto", "f32")
    for name, faces in sets.items():
        figures[name] = {}
        for precision in precisions:
            predictor = bundle_predictor(bundle, precision)
            if predictor.compute_precision in figures[name]:
                continue
            found = measure_all(predictor, faces, LABEL_SETS[7], train if name == "public_test" else None)
            if precision == "auto" and name == list(sets)[-1]:
                found |= measure_robustness(predictor, faces, LABEL_SETS[7])
            figures[name][predictor.compute_precision] = {
                key: found[key] for key in _MANIFEST_FIGURES if found[key] is not None
            }
    return figures


def export(
    run: Path, data: Path, out: Path, version: str, *, crop: Crop, validation: bool
) -> Bundle[ClassifierManifest]:
    """Writes the bundle of a run to `out` and returns it."""
    weights = read_weights(run / WEIGHTS)
    holdout = holdout_of(run, data)
    calibration = calibrate(weights, holdout, crop)
    manifest = manifest_for(weights, calibration, crop, version)
    sets = {"holdout": holdout}
    if validation:
        sets["public_test"] = read_faces([data], "validation").faces
    with tempfile.TemporaryDirectory() as scratch:
        export_bundle(Path(scratch) / "bundle", manifest, weights.net, "not measured yet")
        train = read_faces([data], "train").faces if validation else None
        figures = measured(Path(scratch) / "bundle", sets, train)
    manifest = manifest.model_copy(update={"metrics": figures})
    return export_bundle(out, manifest, weights.net, model_card(manifest))


def _crop(options: argparse.Namespace) -> Crop:
    """The crop rule given, or that of the bundle which is replaced: it is measured on video, not here."""
    if options.margin is not None and options.dy is not None:
        return Crop(margin=options.margin, dy=options.dy)
    if options.margin is not None or options.dy is not None:
        raise TrainingError("give --margin and --dy together, or neither to keep the rule of the bundle in --out")
    if not options.out.exists():
        raise TrainingError(f"{options.out} holds no bundle whose crop rule could be kept: give --margin and --dy")
    return load_bundle(options.out, "classifier").manifest.crop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of a run")
    parser.add_argument("--data", type=Path, required=True, help="FER2013: folder of parquet files, or fer2013.csv")
    parser.add_argument("--version", required=True, help="of the bundle, as 1.2")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--margin", type=float, help="crop rule: side of the square in box sides")
    parser.add_argument("--dy", type=float, help="crop rule: shift downwards in sides of the square")
    parser.add_argument("--validation", action="store_true", help="also measure on PublicTest")
    options = parser.parse_args()
    bundle = export(
        options.run, options.data, options.out, options.version, crop=_crop(options), validation=options.validation
    )
    manifest = bundle.manifest
    print(f"{bundle.label} written to {bundle.path}")
    print(f"temperature {manifest.temperature}, threshold {manifest.thresholds.low_confidence}, crop {manifest.crop}")


if __name__ == "__main__":
    run_command(main)
