"""Figures of a detector on one set: AP by COCO's rules (faster-coco-eval's code), the working point, intervals.

What differs from COCO: up to 2,000 boxes a picture count, detections that match no label and lie at least half inside
an ignore box do not count, and sizes are sqrt(w·h) in the picture as the detector gets it (scaled).
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detector_training.pictures import Boxes, overlaps
from detector_training.report import SIZE_EDGES, SIZE_NAMES
from detector_training.seen import MAX_BOXES

Flags = npt.NDArray[np.bool_]
IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
MATCH_IOU = 0.5
"""Overlap from which a detection has found a label, in recall and false faces."""
ON_FACE_IOU = 0.4
"""Overlap from which a detection is on a face where the working threshold is chosen: some labels follow another box
convention, and a face that is boxed otherwise is no false face."""
IGNORE_SHARE = 0.5
RESAMPLES = 500


@dataclass(frozen=True, slots=True)
class Scored:
    """One picture with its labels and what a detector saw, all in px of the scaled picture.

    Attributes:
        name: the picture's file name.
        labels: (N, 4) x_min, y_min, x_max, y_max.
        ignore: (M, 4).
        detections: (K, 5), the last column is the score; best first.
        scale: factor from the stored picture.
    """

    name: str
    labels: Boxes
    ignore: Boxes
    detections: Boxes
    scale: float


@dataclass(frozen=True, slots=True)
class Matches:
    """How the detections of one picture fare at one overlap.

    Attributes:
        label: (K,) int, the label that each detection takes, -1 for none.
        counts: (K,) bool, False where a detection is neither right nor wrong.
    """

    label: npt.NDArray[np.int64]
    counts: Flags


def match_labels(picture: Scored, iou: float) -> Matches:
    """COCO's greedy matching: best detection first, each takes the free label that it overlaps most."""
    detections = picture.detections
    taken = np.full(len(detections), -1, np.int64)
    table, _ = overlaps(detections, picture.labels)
    free = np.ones(len(picture.labels), bool)
    for row in np.flatnonzero((table >= iou).any(1)) if len(free) else ():
        candidates = np.where(free, table[row], -1.0)
        best = int(len(candidates) - 1 - np.argmax(candidates[::-1]))  # of equals the last one, as COCO does
        if candidates[best] >= iou:
            taken[row], free[best] = best, False
    counts = np.ones(len(detections), bool)
    if len(picture.ignore):
        _, inside = overlaps(detections, picture.ignore)
        counts = (taken >= 0) | (inside.max(1, initial=0.0) < IGNORE_SHARE)
    return Matches(taken, counts)


def library_ap(pictures: Sequence[Scored], iou: float, area: tuple[float, float] | None = None) -> float | None:
    """AP at one overlap by faster-coco-eval; None where no label has such an area (px² of the scaled picture)."""
    from faster_coco_eval import COCO, COCOeval_faster

    truth, results = as_coco(pictures, iou)
    if not results:
        labelled = any(area is None or area[0] <= entry["area"] <= area[1] for entry in truth["annotations"])
        return 0.0 if labelled else None
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO(truth)
        evaluation = COCOeval_faster(ground, ground.loadRes(results), "bbox", print_function=lambda *_: None)
        evaluation.params.iouThrs = np.array([iou])
        evaluation.params.maxDets = [MAX_BOXES]
        evaluation.params.areaRng = [list(area or (0.0, 1e12))]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = np.asarray(evaluation.eval["precision"])
    points = precision[precision > -1]
    return float(points.mean()) if points.size else None


def as_coco(pictures: Sequence[Scored], iou: float) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Labels as a COCO document, and the detections that count at this overlap as COCO results."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for number, picture in enumerate(pictures, 1):
        images.append({"id": number, "width": 100_000, "height": 100_000, "file_name": picture.name})
        for box in _xywh(picture.labels):
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "iscrowd": 0, "bbox": box,
                 "area": box[2] * box[3]}
            )  # fmt: skip
        counted = picture.detections[match_labels(picture, iou).counts]
        for box, score in zip(_xywh(counted), counted[:, 4].tolist(), strict=True):
            results.append({"image_id": number, "category_id": 1, "bbox": box, "score": score})
    truth = {"info": {}, "images": images, "annotations": annotations, "categories": [{"id": 1, "name": "face"}]}
    return truth, results


def _xywh(boxes: Boxes) -> list[list[float]]:
    rows: list[list[float]] = np.concatenate([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]], 1).tolist()
    return rows


def average_precision(scores: Boxes, right: Flags, labels: int) -> float:
    """AP over COCO's 101 recall points from detections that count; the library's figure, fast enough to resample."""
    if not labels:
        return float("nan")
    order = np.argsort(-scores, kind="mergesort")
    hits = np.cumsum(right[order])
    recall = hits / labels
    precision = hits / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
    points = np.where(at < len(envelope), envelope[np.minimum(at, max(len(envelope) - 1, 0))], 0.0) if len(hits) else 0
    return float(np.mean(points))


def figures(pictures: Sequence[Scored], threshold: float, seed: int = 0) -> dict[str, Any]:
    """AP40, AP50, AP75, AP50_95, recall, false_per_image, images, boxes, by_size and intervals of one set."""
    curve = {iou: library_ap(pictures, iou) for iou in (0.4, *IOUS)}
    strict = [curve[iou] for iou in IOUS]
    found, false, total = working_point(pictures, threshold)
    low, high = zip(SIZE_EDGES, (*SIZE_EDGES[1:],), strict=False), SIZE_NAMES
    return {
        "AP40": _rounded(curve[0.4]),
        "AP50": _rounded(curve[0.5]),
        "AP75": _rounded(curve[0.75]),
        "AP50_95": _rounded(float(np.mean([value for value in strict if value is not None])) if total else None),
        "recall": _rounded(found / total if total else None),
        "false_per_image": _rounded(false / max(len(pictures), 1)),
        "images": len(pictures),
        "boxes": total,
        "by_size": {name: _of_size(pictures, threshold, edges) for edges, name in zip(low, high, strict=True)},
        "intervals": intervals(pictures, threshold, seed),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def working_point(pictures: Sequence[Scored], threshold: float, iou: float = MATCH_IOU) -> tuple[int, int, int]:
    """Labels found, false detections and labels, at a score threshold."""
    found = false = 0
    for picture in pictures:
        strong = picture.detections[:, 4] >= threshold
        matches = match_labels(picture, iou)
        found += int((strong & (matches.label >= 0)).sum())
        false += int((strong & matches.counts & (matches.label < 0)).sum())
    return found, false, sum(len(picture.labels) for picture in pictures)


def _of_size(pictures: Sequence[Scored], threshold: float, edges: tuple[float, float]) -> dict[str, Any]:
    area = (edges[0] ** 2, min(edges[1] ** 2, 1e12))
    found = total = 0
    for picture in pictures:
        sides = picture.labels[:, 2:4] - picture.labels[:, :2]
        size = np.sqrt(sides.prod(1))
        chosen = np.flatnonzero((size >= edges[0]) & (size < edges[1]))
        strong = picture.detections[:, 4] >= threshold
        taken = match_labels(picture, MATCH_IOU).label
        found += int(np.isin(taken[strong], chosen).sum())
        total += len(chosen)
    return {
        "AP40": _rounded(library_ap(pictures, 0.4, area) if total else None),
        "AP50": _rounded(library_ap(pictures, 0.5, area) if total else None),
        "recall": _rounded(found / total if total else None),
        "boxes": total,
    }


def intervals(pictures: Sequence[Scored], threshold: float, seed: int) -> dict[str, list[float] | None]:
    """95 % bootstrap intervals over pictures of AP40, AP50 and recall; None where there is nothing to resample."""
    chance = np.random.default_rng(seed)
    labels = np.array([len(picture.labels) for picture in pictures], np.int64)
    draws = chance.integers(0, len(pictures), (RESAMPLES, len(pictures))) if len(pictures) > 1 else None
    result: dict[str, list[float] | None] = {}
    for key, iou in {"AP40": 0.4, "AP50": 0.5, "recall": MATCH_IOU}.items():
        matches = [match_labels(picture, iou) for picture in pictures]
        scores = [picture.detections[match.counts, 4] for picture, match in zip(pictures, matches, strict=True)]
        right = [match.label[match.counts] >= 0 for match in matches]
        if draws is None or not labels.sum():
            result[key] = None
            continue
        if key == "recall":
            found = np.array([int(hit[score >= threshold].sum()) for hit, score in zip(right, scores, strict=True)])
            values = found[draws].sum(1) / np.maximum(labels[draws].sum(1), 1)
        else:
            values = np.array([
                average_precision(
                    np.concatenate([scores[at] for at in draw]),
                    np.concatenate([right[at] for at in draw]),
                    int(labels[draw].sum()),
                )
                for draw in draws
            ])  # fmt: skip
        result[key] = [round(float(edge), 4) for edge in np.nanpercentile(values, [2.5, 97.5])]
    return result


def threshold_for(pictures: Sequence[Scored], precision: float, iou: float = ON_FACE_IOU) -> float:
    """The lowest score threshold from which on precision (after ignores) is at least `precision`; 1 if it never is."""
    scores, right = [], []
    for picture in pictures:
        matches = match_labels(picture, iou)
        scores.append(picture.detections[matches.counts, 4])
        right.append(matches.label[matches.counts] >= 0)
    every, hit = np.concatenate(scores), np.concatenate(right)
    order = np.argsort(-every, kind="stable")
    curve = np.cumsum(hit[order]) / np.arange(1, len(order) + 1)
    last_of_equals = np.append(np.diff(every[order]) != 0, True)[: len(order)]
    good = np.flatnonzero((curve >= precision) & last_of_equals)
    return float(every[order[good[-1]]]) if len(good) else 1.0
