"""From a detector's raw head to boxes: the distances' distributions, and non-maximum suppression."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

BINS = 16
STRIDES = (8, 16, 32)
MAX_BOXES = 2000
"""Most boxes that are kept a picture (crowds of WIDER FACE have more than a thousand faces)."""

Floats = npt.NDArray[np.float32]


def decode(raw: Floats, shape: tuple[int, int], score: float) -> tuple[Floats, Floats]:
    """Boxes and scores of one picture, before suppression.

    Each of the four distances from an anchor (left, top, right, bottom, in strides) is the mean of a distribution
    over 0 .. 15 (Li et al. 2020, Generalized Focal Loss).

    Args:
        raw: (64 + 1, anchors), as `worker.models.nets.yolo11.YOLO11n` gives it.
        shape: width and height of the input in px.
        score: boxes below it are left out.

    Returns:
        xyxy (k, 4) in input pixels, scores (k,) in 0..1; strongest first.
    """
    anchors, strides = anchor_points(*shape)
    logits = raw[4 * BINS]
    chosen = np.flatnonzero(logits >= _logit(score))
    chosen = chosen[np.argsort(-logits[chosen], kind="stable")]
    scores = (1.0 / (1.0 + np.exp(-logits[chosen]))).astype(np.float32)
    bins = raw[: 4 * BINS, chosen].reshape(4, BINS, -1)
    weights = np.exp(bins - bins.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    distances = np.einsum("dbk,b->dk", weights, np.arange(BINS, dtype=np.float32)) * strides[chosen]
    x, y = anchors[chosen].T
    left, top, right, bottom = distances
    return np.stack((x - left, y - top, x + right, y + bottom), axis=1).astype(np.float32), scores


def suppress(xyxy: Floats, nms_iou: float) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression: the kept rows of boxes (k, 4) that come strongest first.

    A box goes if its intersection over union with a kept one is above `nms_iou`; at most `MAX_BOXES` are kept.
    """
    areas = np.maximum(xyxy[:, 2] - xyxy[:, 0], 0) * np.maximum(xyxy[:, 3] - xyxy[:, 1], 0)
    rest = np.arange(len(xyxy))
    kept: list[int] = []
    while len(rest) and len(kept) < MAX_BOXES:
        best, rest = rest[0], rest[1:]
        kept.append(int(best))
        low = np.maximum(xyxy[best, :2], xyxy[rest, :2])
        high = np.minimum(xyxy[best, 2:], xyxy[rest, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        union = areas[best] + areas[rest] - shared
        rest = rest[shared <= nms_iou * union]
    return np.array(kept, np.intp)


@lru_cache(maxsize=32)
def anchor_points(width: int, height: int) -> tuple[Floats, Floats]:
    """Centres (anchors, 2) of the cells of all maps in input pixels, and each one's stride (anchors,)."""
    points, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[0 : height // stride, 0 : width // stride].astype(np.float32) + 0.5
        points.append(np.stack((columns.ravel(), rows.ravel()), axis=1) * stride)
        strides.append(np.full(rows.size, stride, np.float32))
    return np.concatenate(points), np.concatenate(strides)


def _logit(probability: float) -> float:
    if probability <= 0.0:
        return -np.inf
    return float(np.log(probability) - np.log1p(-probability)) if probability < 1.0 else np.inf
