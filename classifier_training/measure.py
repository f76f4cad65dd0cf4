"""Figures of a classifier from its probabilities: accuracy, calibration, abstention, uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

Floats = NDArray[np.floating]
Labels = NDArray[np.int64]

BINS = 15
_BOOTSTRAP_DRAWS = 1000
_TEMPERATURES = np.geomspace(0.25, 4.0, 401)


@dataclass(frozen=True)
class ClassFigures:
    """Precision, recall, F1 (0 where undefined) and number of pictures of one class."""

    precision: float
    recall: float
    f1: float
    support: int


def confusion_matrix(predicted: Labels, labels: Labels, classes: int) -> NDArray[np.int64]:
    """int64 (classes, classes): rows are labels, columns what was predicted."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def class_figures(confusion: NDArray[np.int64]) -> list[ClassFigures]:
    """One entry a class, in the order of the matrix."""
    right = np.diag(confusion).astype(float)
    precision = right / np.maximum(confusion.sum(axis=0), 1)
    recall = right / np.maximum(confusion.sum(axis=1), 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    values = zip(precision, recall, f1, confusion.sum(axis=1), strict=True)
    return [ClassFigures(float(p), float(r), float(f), int(n)) for p, r, f, n in values]


def accuracy(probabilities: Floats, labels: Labels) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())


def reliability(probabilities: Floats, labels: Labels) -> list[tuple[float, float, int]]:
    """Mean confidence, accuracy and count of 15 equal bins of confidence (empty bins are left out)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    filled = [bins == b for b in range(BINS) if (bins == b).any()]
    return [(float(confidence[b].mean()), float(right[b].mean()), int(b.sum())) for b in filled]


def ece(probabilities: Floats, labels: Labels) -> float:
    """Expected calibration error over 15 equal bins (Naeini et al. 2015; Guo et al. 2017)."""
    return sum(abs(c - a) * n for c, a, n in reliability(probabilities, labels)) / len(labels)


def nll(probabilities: Floats, labels: Labels) -> float:
    """Mean negative log-likelihood in nats."""
    picked = probabilities[np.arange(len(labels)), labels].astype(float)
    return float(-np.log(np.maximum(picked, 1e-12)).mean())


def brier(probabilities: Floats, labels: Labels) -> float:
    """Mean squared distance to the one-hot label, summed over classes (0 to 2)."""
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def risk_coverage(probabilities: Floats, labels: Labels) -> tuple[Floats, Floats]:
    """Coverage (n,) and accuracy (n,) of the surest 1, 2, ... n pictures."""
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    right = (probabilities.argmax(axis=1) == labels)[order]
    kept = np.arange(1, len(labels) + 1)
    return kept / len(labels), np.cumsum(right) / kept


def selective_accuracy(probabilities: Floats, labels: Labels, coverage: float) -> float:
    """Accuracy of the surest share `coverage` of the pictures."""
    _, accuracies = risk_coverage(probabilities, labels)
    return float(accuracies[max(1, round(coverage * len(labels))) - 1])


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Logits (n, k) divided by `temperature`, to probabilities."""
    scaled = logits / temperature
    weights: Floats = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def fit_temperature(logits: Floats, labels: Labels) -> float:
    """The temperature between 0.25 and 4 with the least negative log-likelihood (Guo et al. 2017), within 0.7 %."""
    losses = [nll(softmax(logits, float(t)), labels) for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def threshold_for(probabilities: Floats, labels: Labels, wanted: float) -> tuple[float, float]:
    """The confidence from which on faces are named rightly in the share `wanted`, and the share of faces that reach it.

    Accuracy as a function of confidence is the isotonic fit to the faces (rising, otherwise free); 1.0 where it never
    reaches `wanted`.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    fitted = IsotonicRegression().fit(confidence, right.astype(float)).predict(confidence)
    enough = confidence[fitted >= wanted]
    threshold = float(enough.min()) if len(enough) else 1.0
    return threshold, float((confidence >= threshold).mean())


def bootstrap_interval(right: NDArray[np.bool_], seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean of `right` by 1,000 resamples."""
    generator = np.random.default_rng(seed)
    means = [generator.choice(right, len(right)).mean() for _ in range(_BOOTSTRAP_DRAWS)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def vote_agreement(predicted: Labels, votes: NDArray[np.uint8], emotion_columns: Sequence[int]) -> float | None:
    """Share of pictures whose prediction is the FER+ majority among the emotions; None where nothing was voted on.

    Args:
        predicted: (n,) positions in the seven emotions.
        votes: (n, 10) counts.
        emotion_columns: the column of `votes` of each of the seven emotions.
    """
    counts = votes[:, list(emotion_columns)].astype(int)
    voted = counts.sum(axis=1) > 0
    if not voted.any():
        return None
    # A tie counts as agreement with either side.
    best = counts[voted].max(axis=1)
    return float((counts[voted, predicted[voted]] == best).mean())
