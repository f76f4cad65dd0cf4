"""What to look at after scoring: the precision-recall curve, and sheets of the worst misses and false faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detector_training.pictures import Boxes, Picture, as_boxes
from detector_training.scoring import MATCH_IOU, Scored, match_labels
from detector_training.seen import read_picture
from detector_training.sheets import GREEN, RED, draw, sheet, write_jpeg
from worker.frame import Pixels


def write_curve(path: Path, scored: Sequence[Scored], threshold: float, title: str) -> None:
    """Precision over recall at IoU 0.5, with the working point marked."""
    from matplotlib.figure import Figure

    matches = [match_labels(picture, MATCH_IOU) for picture in scored]
    scores = np.concatenate([one.detections[match.counts, 4] for one, match in zip(scored, matches, strict=True)])
    right = np.concatenate([match.label[match.counts] >= 0 for match in matches])
    order = np.argsort(-scores, kind="stable")
    hits, seen = np.cumsum(right[order]), np.arange(1, len(order) + 1)
    labels = max(sum(len(one.labels) for one in scored), 1)
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot(hits / labels, hits / seen)
    at = int((scores >= threshold).sum()) - 1
    if at >= 0:
        axes.plot(hits[at] / labels, hits[at] / seen[at], "o", label=f"score {threshold:.2f}")
        axes.legend()
    axes.set(title=title, xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def write_worst(folder: Path, name: str, pictures: Sequence[Picture], scored: Sequence[Scored], limit: float) -> None:
    """`NAME_misses.jpg` (the largest labels not found) and `NAME_false.jpg` (the surest false faces)."""
    misses: list[tuple[float, Picture, Boxes]] = []
    false: list[tuple[float, Picture, Boxes]] = []
    for picture, one in zip(pictures, scored, strict=True):
        matches = match_labels(one, MATCH_IOU)
        strong = one.detections[:, 4] >= limit
        lost = np.setdiff1d(np.arange(len(one.labels)), matches.label[strong])
        misses += [(_size(box), picture, as_boxes([box / one.scale])) for box in one.labels[lost]]
        wrong = one.detections[strong & matches.counts & (matches.label < 0)]
        false += [(float(row[4]), picture, as_boxes([row[:4] / one.scale])) for row in wrong]
    for kind, entries in (("misses", misses), ("false", false)):
        entries.sort(key=lambda entry: -entry[0])
        if shown := entries[:30]:
            tiles = [_around(picture, box) for _, picture, box in shown]
            captions = [f"{value:.3g} {picture.name}" for value, picture, _ in shown]
            write_jpeg(folder / f"{name}_{kind}.jpg", sheet(tiles, captions, 6))


def _size(box: Boxes) -> float:
    return float(np.sqrt((box[2:] - box[:2]).prod()))


def _around(picture: Picture, box: Boxes, side: int = 200) -> Pixels:
    """The box (red) and the labels (green) in a window four times as large as the box, at least 96 px."""
    pixels = read_picture(picture.path)
    height, width = pixels.shape[:2]
    centre = (box[0, :2] + box[0, 2:]) / 2
    half = max(48.0, 2 * float((box[0, 2:] - box[0, :2]).max()))
    left, top = np.floor(np.maximum(centre - half, 0)).astype(int)
    right, bottom = np.ceil(np.minimum(centre + half, (width, height))).astype(int)
    shift = (left, top, left, top)
    return draw(pixels[top:bottom, left:right], [(picture.faces - shift, GREEN), (box - shift, RED)], side)
