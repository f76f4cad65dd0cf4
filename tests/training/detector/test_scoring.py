"""Scoring: the library against a second one and against our own resampling code, ignore regions, the working point."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from detector_training.pictures import Boxes, as_boxes
from detector_training.scoring import (
    IOUS,
    Scored,
    as_coco,
    average_precision,
    figures,
    library_ap,
    match_labels,
    threshold_for,
    working_point,
)

NONE = as_boxes([])


def scored(labels: Boxes, detections: Boxes, ignore: Boxes = NONE, name: str = "a") -> Scored:
    return Scored(name, labels, ignore, detections[np.argsort(-detections[:, 4], kind="stable")], 1.0)


def random_pictures(seed: int, count: int = 12) -> list[Scored]:
    """Labels of all sizes, jittered detections, misses, false faces, ignore regions, equal scores."""
    chance = np.random.default_rng(seed)
    pictures = []
    for number in range(count):
        labels = int(chance.integers(0, 15))
        corners = chance.uniform(0, 500, (labels, 2))
        truth = np.concatenate([corners, corners + np.exp(chance.uniform(1.5, 5.2, (labels, 1))) * [1, 1.2]], 1)
        sides = np.tile(truth[:, 2:] - truth[:, :2], 2)
        found = truth + chance.normal(0, 0.09, truth.shape) * sides
        wrong = chance.uniform(0, 500, (int(chance.integers(1, 9)), 2))
        wrong = np.concatenate([wrong, wrong + chance.uniform(8, 90, wrong.shape)], 1)
        boxes = np.concatenate([found[chance.random(labels) < 0.8], found[chance.random(labels) < 0.3] + 1.0, wrong])
        scores = chance.choice(np.linspace(0.02, 0.99, 60), (len(boxes), 1))
        ignore = np.array([[100.0, 100.0, 240.0, 260.0]]) if number % 3 == 0 else NONE
        pictures.append(scored(truth, np.concatenate([boxes, scores], 1), ignore, f"{number}.jpg"))
    return pictures


def pycocotools_ap(pictures: list[Scored], iou: float, area: tuple[float, float] | None = None) -> float:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, results = as_coco(pictures, iou)
    with contextlib.redirect_stdout(io.StringIO()):
        ground: Any = COCO()
        ground.dataset = truth
        ground.createIndex()
        evaluation = COCOeval(ground, ground.loadRes(results), "bbox")
        evaluation.params.iouThrs = np.array([iou])
        evaluation.params.maxDets = [2000]
        evaluation.params.areaRng = [list(area or (0, 1e12))]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"]
    return float(precision[precision > -1].mean())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("iou", [0.4, 0.5, 0.75])
def test_two_libraries_and_our_resampling_code_agree(seed: int, iou: float) -> None:
    pytest.importorskip("pycocotools")
    pictures = random_pictures(seed)
    ap = library_ap(pictures, iou)
    assert ap == pytest.approx(pycocotools_ap(pictures, iou), abs=1e-9)
    matches = [match_labels(picture, iou) for picture in pictures]
    own = average_precision(
        np.concatenate([one.detections[match.counts, 4] for one, match in zip(pictures, matches, strict=True)]),
        np.concatenate([match.label[match.counts] >= 0 for match in matches]),
        sum(len(picture.labels) for picture in pictures),
    )
    assert ap == pytest.approx(own, abs=1e-9)


@pytest.mark.parametrize("area", [(0, 16**2), (16**2, 32**2), (32**2, 96**2), (96**2, 1e12)])
def test_two_libraries_agree_by_size(area: tuple[float, float]) -> None:
    pytest.importorskip("pycocotools")
    pictures = random_pictures(5, 20)
    assert library_ap(pictures, 0.5, area) == pytest.approx(pycocotools_ap(pictures, 0.5, area), abs=1e-9)


def test_two_thousand_boxes_a_picture_count() -> None:
    rows, columns = np.mgrid[0:40, 0:30].reshape(2, -1) * 12.0
    labels = np.stack([columns, rows, columns + 10, rows + 10], 1)
    detections = np.concatenate([labels, np.linspace(0.9, 0.1, len(labels))[:, None]], 1)
    assert library_ap([scored(labels, detections)], 0.5) == pytest.approx(1.0)


FACE = (100.0, 100.0, 140.0, 140.0)


@pytest.mark.parametrize(
    ("place", "false"),
    [
        ((300.0, 100.0, 400.0, 140.0), 0),  # wholly inside the ignore box
        ((280.0, 100.0, 320.0, 140.0), 0),  # exactly half inside
        ((276.0, 100.0, 316.0, 140.0), 1),  # 40 % inside
        ((500.0, 300.0, 540.0, 340.0), 1),  # elsewhere
    ],
)
def test_a_detection_half_inside_an_ignore_box_does_not_count(place: tuple[float, ...], false: int) -> None:
    picture = scored(as_boxes([FACE]), as_boxes([(*FACE, 0.9), (*place, 0.95)], 5), as_boxes([(300, 90, 420, 150)]))
    assert working_point([picture], 0.5) == (1, false, 1)
    ap = library_ap([picture], 0.5)
    assert ap == pytest.approx(0.5 if false else 1.0)


def test_a_face_that_matches_a_label_inside_an_ignore_box_counts() -> None:
    picture = scored(as_boxes([FACE]), as_boxes([(*FACE, 0.9)], 5), as_boxes([(0, 0, 300, 300)]))
    assert working_point([picture], 0.5) == (1, 0, 1)
    assert library_ap([picture], 0.5) == pytest.approx(1.0)


def test_a_second_detection_of_a_face_is_false() -> None:
    near = (101.0, 101.0, 141.0, 141.0)
    picture = scored(as_boxes([FACE]), as_boxes([(*FACE, 0.9), (*near, 0.8)], 5))
    assert working_point([picture], 0.5) == (1, 1, 1)


def test_the_threshold_keeps_its_promise() -> None:
    pictures = random_pictures(9, 40)
    threshold = threshold_for(pictures, 0.55, 0.5)
    found, false, _ = working_point(pictures, threshold)
    assert found / (found + false) >= 0.55
    lower = [working_point(pictures, score) for score in np.linspace(0.02, 0.99, 60) if score < threshold - 1e-6]
    assert lower
    assert all(right / (right + wrong) < 0.55 for right, wrong, _ in lower)
    hopeless = [scored(NONE, as_boxes([(*FACE, 0.9)], 5))]
    assert threshold_for(hopeless, 0.9) == 1.0


def test_figures_have_the_promised_keys_and_hold_together() -> None:
    pictures = random_pictures(2, 30)
    result = figures(pictures, 0.3)
    assert result["AP40"] >= result["AP50"] >= result["AP75"]
    assert result["AP50_95"] == pytest.approx(np.mean([library_ap(pictures, iou) for iou in IOUS]), abs=1e-4)
    assert result["images"] == 30
    assert sum(row["boxes"] for row in result["by_size"].values()) == result["boxes"]
    assert list(result["by_size"]) == ["under_16", "16_32", "32_96", "over_96"]
    low, high = result["intervals"]["AP50"]
    assert low < result["AP50"] < high
    found = sum(row["recall"] * row["boxes"] for row in result["by_size"].values())
    assert found / result["boxes"] == pytest.approx(result["recall"], abs=1e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: [scored(NONE, as_boxes([], 5))],
        lambda: [scored(as_boxes([FACE]), as_boxes([], 5))],
        lambda: [scored(NONE, as_boxes([(*FACE, 0.9)], 5))],
    ],
)
def test_sets_without_labels_or_detections_have_figures(make: Callable[[], list[Scored]]) -> None:
    pictures = make()
    result = figures(pictures, 0.5)
    labelled = bool(len(pictures[0].labels))
    assert result["AP50"] == (0.0 if labelled else None)
    assert result["recall"] == (0.0 if labelled else None)
