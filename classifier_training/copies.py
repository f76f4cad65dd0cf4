"""Near-copies: which faces show the same picture, re-encoded, shifted in brightness or mirrored.

Two pictures are near-copies when their 24x24 gray thumbnails correlate at 0.95 or more, as they are or with one of them
mirrored. FER2013 has many: a hold-out that ignores them measures memory.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

THUMBNAIL = 24
THRESHOLD = 0.95
_CHUNK = 1024


def thumbnails(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 (n, h, w) to float32 (n, 576): zero mean and unit length each, all zero for a blank picture."""
    small = np.stack([cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA) for image in images])
    flat = small.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    # A blank picture has no direction: it stays zero and is nobody's copy.
    return (flat / np.where(length > 1.0, length, np.inf)).astype(np.float32)


def mirrored(thumbs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Thumbnails (n, 576) of the mirror images."""
    return thumbs.reshape(-1, THUMBNAIL, THUMBNAIL)[:, :, ::-1].reshape(len(thumbs), -1).copy()


def copy_pairs(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.int64]:
    """Thumbnails (n, 576) and (m, 576) to the (k, 2) pairs of indices whose correlation is at least 0.95."""
    found = []
    for other in (b, mirrored(b)):
        for start in range(0, len(a), _CHUNK):
            rows, columns = np.nonzero(a[start : start + _CHUNK] @ other.T >= THRESHOLD)
            found.append(np.stack([rows + start, columns], axis=1))
    return np.concatenate(found).astype(np.int64)


def copy_groups(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """uint8 (n, h, w) to int64 (n,): the smallest index of each picture's group of near-copies."""
    thumbs = thumbnails(images)
    parent = np.arange(len(images))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    for i, j in copy_pairs(thumbs, thumbs):
        low, high = sorted((root(int(i)), root(int(j))))
        parent[high] = low
    return np.array([root(i) for i in range(len(images))], dtype=np.int64)


def grouped_holdout(groups: NDArray[np.int64], rows: int, seed: int) -> NDArray[np.bool_]:
    """A random choice of whole groups with at least `rows` pictures in all: bool (n,), True where held out."""
    names, sizes = np.unique(groups, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    taken = int(np.searchsorted(np.cumsum(sizes[order]), rows)) + 1
    return np.isin(groups, names[order[:taken]])
