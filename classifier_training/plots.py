"""Pictures of an evaluation: confusion matrix, reliability, risk against coverage, confident mistakes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from classifier_training import measure
from classifier_training.data import FaceSet
from classifier_training.labels import LabelSet

_GALLERY = (4, 8)


def _save(figure: Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def write_plots(
    folder: Path, figures: dict[str, Any], probabilities: NDArray[np.float32], labels: NDArray[np.int64]
) -> None:
    """confusion.png, reliability.png, risk_coverage.png of one evaluation (`figures` as `measure_all` gives them)."""
    folder.mkdir(parents=True, exist_ok=True)
    _confusion(folder / "confusion.png", figures)
    _reliability(folder / "reliability.png", probabilities, labels)
    coverage, accuracies = measure.risk_coverage(probabilities, labels)
    figure, axes = plt.subplots(figsize=(5, 4))
    axes.plot(coverage * 100, (1 - accuracies) * 100)
    axes.set(xlabel="coverage, %", ylabel="errors among those kept, %", title="Risk against coverage", xlim=(0, 100))
    axes.grid(alpha=0.3)
    _save(figure, folder / "risk_coverage.png")


def _confusion(path: Path, figures: dict[str, Any]) -> None:
    matrix = np.array(figures["confusion"], float)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1) * 100
    names = list(figures["per_class"])
    figure, axes = plt.subplots(figsize=(6, 5.5))
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    for i, j in np.ndindex(share.shape):
        axes.text(j, i, f"{share[i, j]:.0f}", ha="center", va="center", color="white" if share[i, j] > 55 else "black")
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="label", title=f"Of each label, %; accuracy {figures['accuracy'] * 100:.1f} %")
    _save(figure, path)


def _reliability(path: Path, probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    bins = measure.reliability(probabilities, labels)
    confidence, accuracies, counts = (np.array(values) for values in zip(*bins, strict=True))
    figure, (above, below) = plt.subplots(2, 1, figsize=(5, 5.5), height_ratios=(3, 1), sharex=True)
    above.plot((0, 1), (0, 1), "--", color="gray", linewidth=1)
    above.plot(confidence, accuracies, "o-")
    above.set(ylabel="accuracy", ylim=(0, 1), title=f"Reliability, ECE-15 {measure.ece(probabilities, labels):.3f}")
    below.bar(confidence, counts, width=1 / measure.BINS * 0.9)
    below.set(xlabel="confidence", ylabel="pictures", xlim=(0, 1))
    _save(figure, path)


def write_curves(path: Path, history: Sequence[dict[str, float]]) -> None:
    """Loss and accuracy over the epochs of one run (entries as train writes them), as one PNG."""
    epochs = [entry["epoch"] for entry in history]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5))
    left.plot(epochs, [entry["loss"] for entry in history], label="training, with auxiliary terms")
    if "train_accuracy" in history[0]:
        right.plot(epochs, [entry["train_accuracy"] for entry in history], label="training, augmented")
    if "holdout_nll" in history[0]:
        left.plot(epochs, [entry["holdout_nll"] for entry in history], label="hold-out")
        right.plot(epochs, [entry["holdout_accuracy"] for entry in history], label="hold-out")
    left.set(xlabel="epoch", ylabel="loss, nats")
    right.set(xlabel="epoch", ylabel="accuracy")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    _save(figure, path)


def write_quality(path: Path, figures: dict[str, Any]) -> None:
    """Accuracy over each quality value, with 95 % intervals (`figures` as `quality.measure_quality` gives them)."""
    figure, grid = plt.subplots(2, 3, figsize=(10, 5.5), sharey=True)
    for axes, (name, value) in zip(grid.flat, figures["values"].items(), strict=True):
        for key, title in (("alone", "its fault alone"), ("camera", "all faults")):
            bins = value[key]["bins"] if value[key] is not None else []
            middles = [(bin_["from"] + bin_["to"]) / 2 for bin_ in bins]
            spans = [(bin_["to"] - bin_["from"]) / 2 for bin_ in bins]
            accuracies = np.array([bin_["accuracy"] for bin_ in bins]) * 100
            ends = np.array([bin_["interval_95"] for bin_ in bins]).reshape(-1, 2).T * 100
            axes.errorbar(middles, accuracies, abs(ends - accuracies), spans, fmt="o", capsize=3, label=title)
        axes.set(xlabel=name, ylim=(0, 100))
        axes.grid(alpha=0.3)
    grid[0, 0].legend(fontsize=8)
    for axes in grid[:, 0]:
        axes.set_ylabel("right, %")
    _save(figure, path)


def write_gallery(folder: Path, labels: LabelSet, faces: FaceSet, probabilities: NDArray[np.float32]) -> None:
    """mistakes.png: the mistakes that the model was surest of. Shows people: keep it out of git."""
    folder.mkdir(parents=True, exist_ok=True)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != faces.labels)
    wrong = wrong[np.argsort(-confidence[wrong])][: _GALLERY[0] * _GALLERY[1]]
    figure, grid = plt.subplots(*_GALLERY, figsize=(12, 7))
    for axes in grid.flat:
        axes.axis("off")
    for axes, i in zip(grid.flat, wrong, strict=False):
        axes.imshow(faces.images[i], cmap="gray", vmin=0, vmax=255)
        title = f"{labels.names[predicted[i]]} {confidence[i]:.2f}\nlabel {labels.names[faces.labels[i]]}"
        axes.set_title(title, fontsize=8)
    _save(figure, folder / "mistakes.png")
