"""Faces for the training tests: drawn ones everywhere, and a few of FER2013 where the shared data is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from classifier_training.data import SIDE, FaceSet
from tests.shared_data import shared

cv2 = pytest.importorskip("cv2")
torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def draw_face(label: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """A disc with eyes and a mouth whose bend and opening depend on the label, on a ground that no other has."""
    ground = cv2.GaussianBlur(generator.normal(0.0, 1.0, (SIDE, SIDE)), (0, 0), 5)
    image = cv2.normalize(ground, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    x, y = (int(v) for v in generator.integers(21, 28, 2))
    cv2.circle(image, (x, y), 20, 190, -1)
    for side in (-8, 8):
        cv2.circle(image, (x + side, y - 6), 2 + label % 3, 30, -1)
    start, end = ((20, 160), (200, 340))[label % 2]
    cv2.ellipse(image, (x, y + 8), (4 + label, 2 + label % 4 * 2), 0, start, end, 20, 2)
    return np.asarray(image, np.uint8)


def drawn_faces(n: int, classes: int = 7, seed: int = 0) -> FaceSet:
    """`n` drawn faces, the classes in turn; every face has ten votes for its own label's column."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    images = np.stack([draw_face(int(label), generator) for label in labels])
    votes = np.zeros((n, 10), np.uint8)
    votes[np.arange(n), labels] = 10
    return FaceSet(images, labels.astype(np.int64), votes, np.arange(n))


def write_parquet(faces: FaceSet, path: Path, usage: int = 0) -> Path:
    """The packed form that shared/data has."""
    encoded = [cv2.imencode(".png", image)[1].tobytes() for image in faces.images]
    columns = {
        "row": faces.rows.tolist(),
        "emotion": faces.labels.tolist(),
        "usage": [usage] * len(faces),
        "votes": pa.array([row.tolist() for row in faces.votes], pa.list_(pa.uint8())),
        "image": encoded,
    }
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture(scope="session")
def drawn() -> FaceSet:
    return drawn_faces(140)


@pytest.fixture(scope="session")
def fer_file() -> Path:
    """The first packed file of FER2013's Training rows."""
    return shared("fer2013/fer2013_train_1.parquet")
