"""The baselines without convolutions: majority, random, k nearest neighbours, a multi-layer perceptron.

    python -m classifier_training.classic knn --data DIR --json runs/knn.json

Same rows as every other run (Training without the grouped hold-out), measured on PublicTest by `evaluate`'s figures.
Neighbours and perceptron see 24x24 thumbnails of zero mean and unit length, each training face mirrored too.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

from classifier_training.copies import mirrored, thumbnails
from classifier_training.data import FaceSet, read_faces
from classifier_training.errors import run_command
from classifier_training.evaluate import measure_all, tell, write_figures
from classifier_training.labels import LABEL_SETS
from classifier_training.predict import Images, Predictor, Probabilities
from classifier_training.settings import DataSettings
from classifier_training.split import split_faces

_NEIGHBOURS = 9
_HIDDEN = 256
_EPOCHS = 25
_SCALE = 24.0
"""Thumbnails have unit length over 576 pixels: times 24, a pixel has unit variance, as a perceptron likes it."""


def majority(train: FaceSet, classes: int, _seed: int) -> Callable[[Images], Probabilities]:
    """Always the commonest class, with the classes' shares as probabilities."""
    shares = np.bincount(train.labels, minlength=classes) / len(train)
    return lambda images: np.tile(shares.astype(np.float32), (len(images), 1))


def random(_train: FaceSet, classes: int, seed: int) -> Callable[[Images], Probabilities]:
    """A class drawn evenly for every picture, with even probabilities but for that class."""
    generator = np.random.default_rng(seed)

    def classify(images: Images) -> Probabilities:
        scores = np.full((len(images), classes), 1.0, np.float32)
        scores[np.arange(len(images)), generator.integers(0, classes, len(images))] += 1e-3
        return np.asarray(scores / scores.sum(axis=1, keepdims=True), np.float32)

    return classify


def neighbours(train: FaceSet, classes: int, _seed: int) -> Callable[[Images], Probabilities]:
    """The nine training faces that correlate most, nearer ones counting more."""
    thumbs, labels = _with_mirrors(train)
    model = KNeighborsClassifier(_NEIGHBOURS, weights="distance", algorithm="brute").fit(thumbs, labels)
    return lambda images: _spread(model.predict_proba(thumbnails(images)), model.classes_, classes)


def perceptron(train: FaceSet, classes: int, seed: int) -> Callable[[Images], Probabilities]:
    """One hidden layer of 256, Adam, 25 epochs."""
    thumbs, labels = _with_mirrors(train)
    model = MLPClassifier((_HIDDEN,), alpha=3e-3, batch_size=256, learning_rate_init=1e-3, random_state=seed)
    # partial_fit, not fit: fit warns that a fixed number of epochs is not convergence.
    generator = np.random.default_rng(seed)
    for _ in range(_EPOCHS):
        order = generator.permutation(len(labels))
        model.partial_fit(thumbs[order] * _SCALE, labels[order], classes=np.arange(classes))
    return lambda images: np.asarray(model.predict_proba(thumbnails(images) * _SCALE), np.float32)


def _with_mirrors(train: FaceSet) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    thumbs = thumbnails(train.images)
    return np.concatenate([thumbs, mirrored(thumbs)]), np.concatenate([train.labels, train.labels])


def _spread(found: NDArray[np.floating], present: NDArray[np.int64], classes: int) -> Probabilities:
    """Probabilities of the classes that training had, as columns of all classes."""
    spread = np.zeros((len(found), classes), np.float32)
    spread[:, present] = found
    return spread


KINDS: dict[str, Callable[[FaceSet, int, int], Callable[[Images], Probabilities]]] = {
    "majority": majority,
    "random": random,
    "knn": neighbours,
    "mlp": perceptron,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=tuple(KINDS))
    parser.add_argument("--data", type=Path, required=True, help="FER2013: folder of parquet files, or fer2013.csv")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    train, _ = split_faces(read_faces([options.data], "train").faces, DataSettings(train=(options.data,)))
    begun = time.monotonic()
    labels = LABEL_SETS[7]
    predictor = Predictor(options.kind, KINDS[options.kind](train, len(labels.names), options.seed), labels.names)
    figures = measure_all(predictor, read_faces([options.data], "validation").faces, labels, None)
    figures["minutes"] = round((time.monotonic() - begun) / 60, 2)
    tell(figures)
    if options.json:
        write_figures(options.json, figures)


if __name__ == "__main__":
    run_command(main)
