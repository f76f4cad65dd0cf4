"""Near-copies: pictures that show the same photograph, cropped, scaled, mirrored or compressed anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detector_training.errors import DataError
from detector_training.pictures import Picture

DISTANCE = 10
"""Bits of 64 that may differ between the perceptual hashes of near-copies."""


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Pairs of a `near_copies.txt`: `SET/images/NAME SET/images/NAME correlation` a line."""
    pairs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            parts = line.split()
            if len(parts) < 2:
                raise DataError(f"{path}, line {number}: expected two pictures")
            pairs.append((parts[0], parts[1]))
    return pairs


def read_names(path: Path) -> set[str]:
    """Pictures of a list file, `SET/images/NAME` a line."""
    return {line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()}


def listed_name(picture: Picture) -> str:
    """The name under which list files know a picture."""
    return f"{picture.set_name}/images/{picture.name}"


def near_pairs(pictures: Sequence[Picture], distance: int = DISTANCE) -> npt.NDArray[np.int64]:
    """(P, 2) indices of pictures whose hashes differ in at most `distance` bits, as they are or one mirrored."""
    straight = np.array([picture.looks.straight for picture in pictures], np.uint64)
    mirrored = np.array([picture.looks.mirrored for picture in pictures], np.uint64)
    pairs = []
    for start in range(0, len(pictures), 512):
        block = straight[start : start + 512, None]
        near = np.bitwise_count(block ^ straight[None]) <= distance
        near |= np.bitwise_count(block ^ mirrored[None]) <= distance
        first, second = np.nonzero(near)
        pairs.append(np.stack([first + start, second], 1)[first + start < second])
    result: npt.NDArray[np.int64] = np.concatenate(pairs) if pairs else np.zeros((0, 2), np.int64)
    return result


def group_copies(pictures: Sequence[Picture], listed: Iterable[tuple[str, str]], distance: int = DISTANCE) -> list[int]:
    """A group number for each picture: near-copies, found by hash or listed, share one (also through others)."""
    index = {listed_name(picture): number for number, picture in enumerate(pictures)}
    parent = list(range(len(pictures)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    known = [(index[a], index[b]) for a, b in listed if a in index and b in index]
    for a, b in [*known, *((int(a), int(b)) for a, b in near_pairs(pictures, distance))]:
        first, second = sorted((root(a), root(b)))
        parent[second] = first
    return [root(number) for number in range(len(pictures))]
