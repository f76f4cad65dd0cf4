"""Decoding and suppression against the plainest way to write them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from worker.face import Box
from worker.models.boxes import BINS, MAX_BOXES, anchor_points, decode, suppress

SHAPE = (96, 64)


def raw_head(seed: int, faces: int = 40) -> np.ndarray:
    """A random head of one picture of `SHAPE`: (65, anchors); `faces` of its anchors are likely."""
    random = np.random.default_rng(seed)
    anchors = sum((SHAPE[0] // s) * (SHAPE[1] // s) for s in (8, 16, 32))
    raw = random.normal(0, 3, (4 * BINS + 1, anchors)).astype(np.float32)
    raw[-1] = -6
    raw[-1, random.choice(anchors, faces, replace=False)] = random.normal(1, 2, faces)
    return raw


def decoded_by_hand(raw: np.ndarray, score: float) -> list[tuple[float, list[float]]]:
    boxes = []
    anchor = 0
    for stride in (8, 16, 32):
        for row in range(SHAPE[1] // stride):
            for column in range(SHAPE[0] // stride):
                probability = 1 / (1 + math.exp(-raw[-1, anchor]))
                if probability >= score:
                    distances = []
                    for side in range(4):
                        weights = [math.exp(v) for v in raw[side * BINS : (side + 1) * BINS, anchor]]
                        mean = sum(i * w for i, w in enumerate(weights)) / sum(weights)
                        distances.append(mean * stride)
                    x, y = (column + 0.5) * stride, (row + 0.5) * stride
                    box = [x - distances[0], y - distances[1], x + distances[2], y + distances[3]]
                    boxes.append((probability, box))
                anchor += 1
    return sorted(boxes, key=lambda pair: -pair[0])


def suppressed_by_hand(boxes: np.ndarray, nms_iou: float) -> list[int]:
    kept: list[int] = []
    for i, box in enumerate(boxes):
        if all(Box(*box).iou(Box(*boxes[k])) <= nms_iou for k in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("score", [0.01, 0.3, 0.9])
def test_decoding_equals_the_plain_way(seed: int, score: float) -> None:
    raw = raw_head(seed)
    wanted = decoded_by_hand(raw, score)

    xyxy, scores = decode(raw, SHAPE, score)

    assert len(xyxy) == len(wanted)
    np.testing.assert_allclose(scores, [p for p, _ in wanted], atol=1e-6)
    np.testing.assert_allclose(xyxy, np.array([b for _, b in wanted]).reshape(-1, 4), atol=1e-3)
    assert xyxy.dtype == scores.dtype == np.float32


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("nms_iou", [0.0, 0.3, 0.6, 1.0])
def test_suppression_equals_the_plain_way(seed: int, nms_iou: float) -> None:
    xyxy, _ = decode(raw_head(seed), SHAPE, 0.05)
    assert suppress(xyxy, nms_iou).tolist() == suppressed_by_hand(xyxy, nms_iou)


def test_nothing_in_nothing_out() -> None:
    xyxy, scores = decode(raw_head(0, faces=0), SHAPE, 0.5)
    assert xyxy.shape == (0, 4)
    assert scores.shape == (0,)
    assert suppress(xyxy, 0.6).tolist() == []


def test_score_0_keeps_all_and_1_none() -> None:
    raw = raw_head(0)
    assert len(decode(raw, SHAPE, 0.0)[0]) == raw.shape[1]
    assert len(decode(raw, SHAPE, 1.0)[0]) == 0


def test_huge_logits_do_not_overflow() -> None:
    raw = raw_head(0)
    raw[: 4 * BINS] *= 100
    xyxy, _ = decode(raw, SHAPE, 0.1)
    assert np.isfinite(xyxy).all()


def test_a_crowd_is_cut_at_the_limit() -> None:
    corners = np.arange(MAX_BOXES + 10, dtype=np.float32)[:, None] * 20
    assert len(suppress(np.hstack((corners, corners, corners + 10, corners + 10)), 0.5)) == MAX_BOXES


def test_anchors_lie_in_the_middle_of_their_cells_row_by_row() -> None:
    points, strides = anchor_points(64, 32)
    assert points[:3].tolist() == [[4, 4], [12, 4], [20, 4]]
    assert points[8].tolist() == [4, 12]
    assert points[-2:].tolist() == [[16, 16], [48, 16]]
    assert strides.tolist() == [8] * 32 + [16] * 8 + [32] * 2
