"""Do the quality values of a record tell whether its emotion is right? Shown on labelled faces.

    python -m classifier_training.quality --data DIR/fer2013 [--json FILE] [--plot FILE]

The faces are the shipped network's grouped hold-out out of Training; PublicTest is not looked at. Each is shown as it
is, with one fault alone, and twice as cameras show it (`views.py`). Each view goes through the worker's own crop,
quality values, gates and classifier; the label says whether the answer was right. Intervals are 95 %, over 1,000 draws
of faces.

AUC: how often a right answer has a higher value than a wrong one; 0.5 tells nothing.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from classifier_training.data import FaceSet, read_faces
from classifier_training.errors import run_command, write_whole
from classifier_training.evaluate import SHIPPED
from classifier_training.plots import write_quality
from classifier_training.predict import bundle_predictor
from classifier_training.settings import DataSettings
from classifier_training.split import split_faces
from classifier_training.views import View, camera_view, one_fault, untouched
from worker.events.gates import Gates
from worker.face import Abstention
from worker.models.bundle import ClassifierManifest, load_bundle
from worker.models.crop import crop_face
from worker.models.quality import face_quality

QUALITIES = ("size_px", "sharpness", "brightness", "inside")
VALUES = (*QUALITIES, "weight", "confidence")
"""`inside` is not in records, only in the gates; `weight` is how much a reading counts in `stable`, by size and
sharpness together; `confidence`, the highest probability, is no quality value but what they have to compare with."""

LIGHT = 0.1
"""Brightness from which on sharpness can be trusted: the few steps of gray that a darker crop has left look sharp."""

BINS = 5
_VIEWS_EACH = 2
_DRAWS = 1000

Interval = tuple[float, float, float]
"""A figure and its 95 % interval."""


@dataclass(frozen=True)
class Seen:
    """Views that were classified.

    Attributes:
        values: float64 (n,) for each of `VALUES`.
        right: bool (n,), whether the most probable emotion is the label.
        face: int64 (n,), which face is shown.
        refusals: (n,) why the worker would publish no emotion, None where it would.
    """

    values: dict[str, NDArray[np.float64]]
    right: NDArray[np.bool_]
    face: NDArray[np.int64]
    refusals: tuple[Abstention | None, ...]

    def where(self, mask: NDArray[np.bool_]) -> "Seen":
        """The views where `mask`, bool (n,), is true."""
        values = {name: value[mask] for name, value in self.values.items()}
        refusals = tuple(reason for reason, kept in zip(self.refusals, mask, strict=True) if kept)
        return Seen(values, self.right[mask], self.face[mask], refusals)

    @property
    def published(self) -> "Seen":
        """The views whose emotion would be published."""
        return self.where(np.array([reason is None for reason in self.refusals]))


Classify = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
Show = Callable[[NDArray[np.uint8]], View]


def look(classify: Classify, manifest: ClassifierManifest, faces: FaceSet, show: Show) -> Seen:
    """One view of each face, as the worker sees and judges it."""
    thresholds = manifest.thresholds
    gates = Gates(**thresholds.gates.model_dump(), confidence=thresholds.low_confidence)
    views = [show(image) for image in faces.images]
    crops = [crop_face(view.luma, view.box, manifest.crop) for view in views]
    qualities = [
        face_quality(view.box, crop, view.luma.shape[1], view.luma.shape[0])
        for view, crop in zip(views, crops, strict=True)
    ]
    probabilities = classify(np.stack(crops))
    confidence = probabilities.max(axis=1).astype(np.float64)
    values = {name: np.array([getattr(quality, name) for quality in qualities]) for name in QUALITIES}
    unsure = confidence < gates.confidence
    refusals = tuple(
        gates.refuse(quality) or (Abstention.LOW_CONFIDENCE if less else None)
        for quality, less in zip(qualities, unsure, strict=True)
    )
    return Seen(
        values | {"weight": np.array([gates.weight(quality) for quality in qualities]), "confidence": confidence},
        probabilities.argmax(axis=1) == faces.labels,
        np.arange(len(faces)),
        refusals,
    )


def together(parts: list[Seen]) -> Seen:
    """The views of the same faces as one."""
    return Seen(
        {name: np.concatenate([part.values[name] for part in parts]) for name in VALUES},
        np.concatenate([part.right for part in parts]),
        np.concatenate([part.face for part in parts]),
        sum((part.refusals for part in parts), ()),
    )


def _resamples(seen: Seen) -> NDArray[np.int64]:
    """How often each view counts in each draw of faces: int64 (1 + 1000, n); the first row is the views themselves."""
    faces = int(seen.face.max(initial=0)) + 1
    drawn = np.random.default_rng(0).multinomial(faces, np.full(faces, 1 / faces), _DRAWS)
    return np.concatenate([np.ones((1, faces), np.int64), drawn])[:, seen.face]


def _with_interval(figures: NDArray[np.float64]) -> Interval:
    low, high = np.nanquantile(figures[1:], (0.025, 0.975))
    return float(figures[0]), float(low), float(high)


def share_right(right: NDArray[np.bool_], counts: NDArray[np.int64]) -> Interval:
    """Accuracy of views (n,) under the resamples `counts` (draws, n)."""
    with np.errstate(invalid="ignore"):  # a draw may hold none of these views
        return _with_interval(counts @ right.astype(np.int64) / counts.sum(axis=1))


def auc(values: NDArray[np.float64], right: NDArray[np.bool_], counts: NDArray[np.int64]) -> Interval | None:
    """The chance that a right view has a higher value than a wrong one, ties half; None where all values are equal."""
    distinct, ranks = np.unique(values, return_inverse=True)
    if len(distinct) < 2 or right.all() or not right.any():
        return None
    figures = np.empty(len(counts))
    for draw, weights in enumerate(counts):
        rights = np.bincount(ranks, weights * right, len(distinct))
        wrongs = np.bincount(ranks, weights * ~right, len(distinct))
        below = np.cumsum(wrongs) - wrongs / 2
        with np.errstate(invalid="ignore"):  # a draw of few faces may hold no wrong answer
            figures[draw] = (rights * below).sum() / (rights.sum() * wrongs.sum())
    return _with_interval(figures)


def bins_of(values: NDArray[np.float64], right: NDArray[np.bool_], counts: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Accuracy between the quantiles of a value; fewer bins where many views share one value."""
    number = np.digitize(values, np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])))
    found = []
    for bin_ in np.unique(number):
        inside = number == bin_
        accuracy, low, high = share_right(right[inside], counts[:, inside])
        ends = {"from": float(values[inside].min()), "to": float(values[inside].max()), "views": int(inside.sum())}
        found.append(ends | {"accuracy": accuracy, "interval_95": [low, high]})
    return found


def figures_of(name: str, seen: Seen) -> dict[str, Any] | None:
    """What the value `name` tells of the answers to these views; None where it is the same for all of them."""
    values, counts = seen.values[name], _resamples(seen)
    found = auc(values, seen.right, counts)
    if found is None:
        return None
    return {
        "auc": found,
        "spearman": float(spearmanr(values, seen.right).statistic),
        "bins": bins_of(values, seen.right, counts),
    }


def report(as_they_are: Seen, camera: Seen, alone: dict[str, Seen]) -> dict[str, Any]:
    """Every figure; `alone` has the views in which only the fault of that value was made."""
    in_light = camera.where(camera.values["brightness"] >= LIGHT)
    sets = {"camera": camera, "in_light": in_light, "camera_published": camera.published, "as_they_are": as_they_are}
    values = {}
    for name in VALUES:
        values[name] = {"alone": figures_of(name, alone[name]) if name in alone else None}
        values[name] |= {key: figures_of(name, seen) for key, seen in sets.items()}
    reasons = np.array([str(reason) if reason else "published" for reason in camera.refusals])
    outcomes = {}
    for reason in np.unique(reasons):
        seen = camera.where(reasons == reason)
        outcomes[str(reason)] = {"views": len(seen.right), "accuracy": share_right(seen.right, _resamples(seen))}
    sets["as_they_are_published"] = as_they_are.published
    accuracies = {key: share_right(seen.right, _resamples(seen)) for key, seen in sets.items()}
    return {"accuracy": accuracies, "values": values, "outcomes": outcomes}


def tell(figures: dict[str, Any]) -> None:
    """The tables of docs/classifier.md."""
    print(f"{figures['bundle']} ({figures['compute_precision']}), {figures['faces']} faces")
    for key, found in figures["accuracy"].items():
        print(f"right, {key.replace('_', ' ')}: {_percent(found)}")
    keys = ("alone", "camera", "in_light", "camera_published", "as_they_are")
    titles = ("its fault alone", "all faults", f"all, brightness {LIGHT} and more", "all, published", "as they are")
    print(f"\n| AUC; Spearman | {' | '.join(titles)} |")
    print("|---" * (len(keys) + 1) + "|")
    for name, value in figures["values"].items():
        print(f"| `{name}` | {' | '.join(_link(value[key]) for key in keys)} |")
    for key, title in (("alone", "its fault alone"), ("camera", "all faults")):
        print(f"\n| right, %: {title} | lowest fifth{' | ' * (BINS - 1)}highest fifth |")
        print("|---" * (BINS + 1) + "|")
        for name, value in figures["values"].items():
            if value[key] is not None:
                print(f"| `{name}` | {' | '.join(_cells(value[key]['bins']))} |")
    print("\n| what the worker does | camera views | right, % |\n|---|---|---|")
    for reason, outcome in figures["outcomes"].items():
        print(f"| {reason} | {outcome['views']} | {_percent(outcome['accuracy'])} |")


def _cells(bins: list[dict[str, Any]]) -> list[str]:
    cells = [
        f"**{bin_['accuracy'] * 100:.0f}** ({bin_['interval_95'][0] * 100:.0f} to {bin_['interval_95'][1] * 100:.0f}) "
        f"at {bin_['from']:.3g} to {bin_['to']:.3g}"
        for bin_ in bins
    ]
    return cells[:-1] + [""] * (BINS - len(cells)) + cells[-1:]


def _percent(found: Interval) -> str:
    return f"{found[0] * 100:.1f} ({found[1] * 100:.1f} to {found[2] * 100:.1f})"


def _link(found: dict[str, Any] | None) -> str:
    if found is None:
        return "-"
    middle, low, high = found["auc"]
    return f"**{middle:.2f}** ({low:.2f} to {high:.2f}; {found['spearman']:+.2f})"


def measure_quality(
    bundle: Path, faces: FaceSet, views_each: int = _VIEWS_EACH, precision: Literal["auto", "f32"] = "auto"
) -> dict[str, Any]:
    """The report of a bundle on labelled faces that it never saw."""
    manifest = load_bundle(bundle, "classifier").manifest
    predictor = bundle_predictor(bundle, precision)
    draw = np.random.default_rng(0)

    def look_at(show: Show) -> Seen:
        return look(predictor.classify, manifest, faces, show)

    crop = manifest.crop
    as_they_are = look_at(lambda face: untouched(face, crop))
    camera = together([look_at(lambda face: camera_view(face, crop, draw)) for _ in range(views_each)])
    alone = {name: look_at(partial(one_fault, name, rule=crop, draw=draw)) for name in QUALITIES}
    told = {"bundle": predictor.name, "bundle_sha256": predictor.bundle_sha256}
    about = {"compute_precision": predictor.compute_precision, "faces": len(faces), "views_each": views_each}
    return told | about | report(as_they_are, camera, alone)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="FER2013: folder of parquet files, or fer2013.csv")
    parser.add_argument("--bundle", type=Path, default=SHIPPED, help="bundle folder (default: the shipped one)")
    parser.add_argument("--precision", choices=("auto", "f32"), default="auto", help="of the bundle's runtime")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--plot", type=Path, help="draw accuracy over every value there (PNG)")
    options = parser.parse_args()
    _, holdout = split_faces(read_faces([options.data], "train").faces, DataSettings())
    figures = measure_quality(options.bundle, holdout, precision=options.precision)
    tell(figures)
    if options.json:
        write_whole(options.json, (json.dumps(figures, indent=2) + "\n").encode())
    if options.plot:
        write_quality(options.plot, figures)


if __name__ == "__main__":
    run_command(main)
