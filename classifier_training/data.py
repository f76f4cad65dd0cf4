"""Reads emotion pictures into memory: FER2013's csv, its packed parquet form, folders of pictures, FER+ votes.

Every reader gives a `Reading`: the faces, and a line for each row that could not be used.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from classifier_training.errors import TrainingError
from classifier_training.labels import SPLIT_SPELLINGS, emotion_index, split_name
from worker.face import EMOTIONS

SIDE = 48
VOTE_NAMES = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "not a face",
)  # fmt: skip
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
_USAGES = ("train", "validation", "test")


@dataclass(frozen=True)
class FaceSet:
    """Faces with labels.

    Attributes:
        images: uint8 (n, 48, 48), full-range luma.
        labels: int64 (n,), positions in `EMOTIONS`.
        votes: uint8 (n, 10), FER+ votes in the order of `VOTE_NAMES`; a row of zeros where there are none.
        rows: int64 (n,), row in the official csv (0-based), or the position in the folder's sorted list.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    votes: NDArray[np.uint8]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, mask: NDArray[np.bool_]) -> "FaceSet":
        """The faces where `mask`, bool (n,), is true."""
        return FaceSet(self.images[mask], self.labels[mask], self.votes[mask], self.rows[mask])


@dataclass(frozen=True)
class Reading:
    """What a reader found: the faces, and `problems`, one line a row that was skipped."""

    faces: FaceSet
    problems: tuple[str, ...] = ()


@dataclass
class _Builder:
    """Collects rows; a row that raises `ValueError` becomes a problem."""

    images: list[NDArray[np.uint8]]
    labels: list[int]
    votes: list[Sequence[int]]
    rows: list[int]
    problems: list[str]

    def add(self, where: str, row: int, read: Callable[[], tuple[NDArray[np.uint8], int, Sequence[int]]]) -> None:
        try:
            image, label, votes = read()
        except ValueError as error:
            self.problems.append(f"{where}: {error}")
            return
        self.images.append(image)
        self.labels.append(label)
        self.votes.append(votes)
        self.rows.append(row)

    def reading(self) -> Reading:
        faces = FaceSet(
            np.array(self.images, np.uint8).reshape(-1, SIDE, SIDE),
            np.array(self.labels, np.int64),
            np.array(self.votes, np.uint8).reshape(-1, len(VOTE_NAMES)),
            np.array(self.rows, np.int64),
        )
        return Reading(faces, tuple(self.problems))


NO_VOTES = (0,) * len(VOTE_NAMES)


def read_faces(paths: Sequence[Path], split: str | None = None, *, strict: bool = False) -> Reading:
    """Reads files (csv, parquet) or folders, one after another.

    Args:
        paths: what to read; a folder that holds parquet files is read through them.
        split: `train`, `validation` or `test` to take that part alone; None takes all that is there.
        strict: a row that cannot be used is an error.

    Raises:
        TrainingError: nothing to read, nothing usable in it, or (strict) a row that cannot be used.
    """
    builder = _Builder([], [], [], [], [])
    for path in _expand(paths):
        if path.is_dir():
            _read_folder(path, split, builder)
        elif path.suffix == ".parquet":
            _read_parquet(path, split, builder)
        elif path.suffix == ".csv":
            _read_csv(path, split, builder)
        else:
            raise TrainingError(f"{path}: not a csv, a parquet file or a folder of pictures")
    reading = builder.reading()
    if strict and reading.problems:
        raise TrainingError(f"{len(reading.problems)} rows cannot be used, the first: {reading.problems[0]}")
    if not len(reading.faces):
        raise TrainingError(f"no usable pictures{f' of the split {split}' if split else ''} in {_names(paths)}")
    return reading


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths) or "an empty list of paths"


def _expand(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise TrainingError(f"{path} does not exist")
        packed = sorted(path.glob("*.parquet")) if path.is_dir() else []
        yield from packed or [path]


def _wanted(found: str | None, split: str | None) -> bool:
    return split is None or found == split


def decode_picture(data: bytes) -> NDArray[np.uint8]:
    """An encoded picture to uint8 (48, 48): colour becomes luma (BT.601), area down or bilinear up to 48 pixels.

    Raises:
        ValueError: it cannot be decoded.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) if data else None
    if image is None:
        raise ValueError("the picture cannot be decoded")
    if image.shape != (SIDE, SIDE):
        method = cv2.INTER_AREA if min(image.shape) > SIDE else cv2.INTER_LINEAR
        image = cv2.resize(image, (SIDE, SIDE), interpolation=method)
    return image.astype(np.uint8, copy=False)


def checked_label(value: int) -> int:
    if not 0 <= value < len(EMOTIONS):
        raise ValueError(f"label {value} is not in 0 to {len(EMOTIONS) - 1}")
    return value


def _read_parquet(path: Path, split: str | None, builder: _Builder) -> None:
    try:
        table = pq.read_table(path).to_pylist()
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: not a readable parquet file ({error})") from error
    for line, row in enumerate(table):
        if _wanted(_USAGES[row["usage"]], split):
            builder.add(
                f"{path}:{line}",
                int(row["row"]),
                lambda row=row: (  # type: ignore[misc]
                    decode_picture(row["image"]), checked_label(row["emotion"]), row.get("votes") or NO_VOTES,
                ),
            )  # fmt: skip


def _csv_face(row: dict[str, str]) -> tuple[NDArray[np.uint8], int, Sequence[int]]:
    values = np.array((row["pixels"] or "").split(), dtype=np.int64)
    if len(values) != SIDE * SIDE:
        raise ValueError(f"{len(values)} pixels instead of {SIDE * SIDE}")
    if values.min() < 0 or values.max() > 255:
        raise ValueError("a pixel is not in 0 to 255")
    return values.astype(np.uint8).reshape(SIDE, SIDE), checked_label(int(row["emotion"])), NO_VOTES


def _read_csv(path: Path, split: str | None, builder: _Builder) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if not {"emotion", "pixels"} <= set(rows.fieldnames or ()):
            raise TrainingError(f"{path}: no columns emotion and pixels; is this fer2013.csv?")
        for number, row in enumerate(rows):
            if _wanted(split_name(row.get("Usage") or ""), split):
                builder.add(f"{path}:{number + 2}", number, lambda row=row: _csv_face(row))  # type: ignore[misc]


def _emotion_folders(path: Path) -> list[tuple[Path, int]]:
    folders = [(child, emotion_index(child.name)) for child in sorted(path.iterdir()) if child.is_dir()]
    return [(child, label) for child, label in folders if label is not None]


def _read_folder(path: Path, split: str | None, builder: _Builder) -> None:
    """`DIR/SPLIT/EMOTION/*` or `DIR/EMOTION/*`; without folders of splits, every picture is of the wanted split."""
    by_split = [(child, split_name(child.name)) for child in sorted(path.iterdir()) if child.is_dir()]
    roots = [child for child, found in by_split if found is not None and _wanted(found, split)]
    if not any(found for _, found in by_split):
        roots = [path]
    emotions = [folder for root in roots for folder in _emotion_folders(root)]
    if not emotions:
        known = ", ".join(names[0] for names in SPLIT_SPELLINGS.values())
        raise TrainingError(f"{path}: no folder named after an emotion, nor after a split ({known}) with such folders")
    number = 0
    for folder, label in emotions:
        for file in sorted(child for child in folder.iterdir() if child.suffix.lower() in PICTURES):
            builder.add(
                str(file),
                number,
                lambda file=file, label=label: (decode_picture(file.read_bytes()), label, NO_VOTES),  # type: ignore[misc]
            )
            number += 1


def add_votes(faces: FaceSet, path: Path) -> FaceSet:
    """Takes the votes of `fer2013new.csv` (FER+, columns `Image name` fer0000000.png and the ten votes) by row."""
    votes = {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        if len(header) != len(VOTE_NAMES) + 2:
            raise TrainingError(f"{path}: {len(header)} columns instead of 12; is this FER+'s fer2013new.csv?")
        for number, row in enumerate(rows):
            votes[number] = [int(value) for value in row[2:]]
    return replace(faces, votes=np.array([votes.get(int(row), NO_VOTES) for row in faces.rows], np.uint8))
