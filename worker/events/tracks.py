"""The state of a stream's tracks as one array: prediction and correction (a Kalman filter in seconds), and matching.

Overlap is measured on boxes grown by the uncertainty of the prediction (after C-BIoU, Yang et al., WACV 2023), so that
the same face is found again at 1 and at 30 frames a second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Tracks = npt.NDArray[Any]

TRACK = np.dtype(
    [
        ("id", np.int64),
        ("centre", np.float64, 2),  # px
        ("velocity", np.float64, 2),  # px/s
        ("size", np.float64, 2),  # width, height, px
        ("spread", np.float64, 3),  # covariance of (centre, velocity): pp, pv, vv; in box sizes and seconds
        ("born", np.float64),  # s
        ("seen", np.float64),  # s
        ("frames", np.float64),  # frames since its first detection, that one included; old ones count less
        ("hits", np.float64),  # those of them on which it was detected
        ("confirmed", np.bool_),
    ]
)
"""One track. Lengths in pixels of the upright picture, times in seconds; variances in box sizes and seconds."""
_MEASURED = 0.05**2  # variance of a detection's centre, box sizes²
_FIRST_SPEED = 3.0**2  # variance of an unknown velocity, (box sizes/s)²: a head that walks by
_ACCELERATION = 4.0  # white acceleration, (box sizes/s)² per second
_SLOWING_S = 1.0  # an unseen face is thought to come to rest in about this time


def start(number: int, box: Floats, now: float) -> Tracks:
    """A new track (1,) at `box` (4,) xyxy."""
    track: Tracks = np.zeros(1, TRACK)
    track["id"], track["born"], track["seen"] = number, now, now
    track["frames"], track["hits"] = 1, 1
    track["centre"], track["size"] = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    track["spread"] = _MEASURED, 0.0, _FIRST_SPEED
    return track


def predict(tracks: Tracks, step: float, unseen: npt.NDArray[np.bool_]) -> None:
    """Move `tracks` on by `step` seconds, in place; `unseen` (N,) marks those without a detection on the last frame."""
    tracks["velocity"][unseen] *= np.exp(-step / _SLOWING_S)
    tracks["centre"] += tracks["velocity"] * step
    pp, pv, vv = tracks["spread"].T.copy()
    tracks["spread"][:, 0] = pp + 2 * step * pv + step**2 * vv + _ACCELERATION * step**3 / 3
    tracks["spread"][:, 1] = pv + step * vv + _ACCELERATION * step**2 / 2
    tracks["spread"][:, 2] = vv + _ACCELERATION * step


def correct(tracks: Tracks, rows: Indices, boxes: Floats, now: float) -> None:
    """Take detections `boxes` (M, 4) xyxy into the tracks `rows` (M,), in place."""
    pp, pv, vv = tracks["spread"][rows].T
    gain, velocity_gain = pp / (pp + _MEASURED), pv / (pp + _MEASURED)
    miss = (boxes[:, :2] + boxes[:, 2:]) / 2 - tracks["centre"][rows]
    tracks["centre"][rows] += gain[:, None] * miss
    tracks["velocity"][rows] += velocity_gain[:, None] * miss
    tracks["spread"][rows] = np.stack([(1 - gain) * pp, (1 - gain) * pv, vv - velocity_gain * pv], axis=1)
    tracks["size"][rows] = boxes[:, 2:] - boxes[:, :2]
    tracks["seen"][rows] = now
    tracks["hits"][rows] += 1


def match(tracks: Tracks, rows: Indices, boxes: Floats, columns: Indices, least: float) -> list[tuple[int, int]]:
    """Pairs (track, detection), best overlap first; greedy, which differs from the optimum only in dense crowds."""
    if not len(rows) or not len(columns):
        return []
    overlap = _grown_overlap(tracks[rows], boxes[columns])
    row, column = np.nonzero(overlap >= least)
    pairs: list[tuple[int, int]] = []
    used_rows: set[int] = set()
    used_columns: set[int] = set()
    for pair in np.argsort(-overlap[row, column], kind="stable"):
        r, c = int(row[pair]), int(column[pair])
        if r not in used_rows and c not in used_columns:
            used_rows.add(r)
            used_columns.add(c)
            pairs.append((int(rows[r]), int(columns[c])))
    return pairs


def _grown_overlap(tracks: Tracks, boxes: Floats) -> Floats:
    """Intersection over union (N, M) of predicted and detected boxes (M, 4 xyxy), grown on each side by one and a half
    standard deviations of the prediction, at most by one box size."""
    grow = np.clip(1.5 * np.sqrt(tracks["spread"][:, 0] + _MEASURED), 0.0, 1.0)[:, None, None]  # (N, 1, 1) box sizes
    size, centre = tracks["size"][:, None], tracks["centre"][:, None]  # (N, 1, 2)
    other_size, other_centre = (boxes[:, 2:] - boxes[:, :2])[None], ((boxes[:, :2] + boxes[:, 2:]) / 2)[None]
    size, other_size = size * (1 + 2 * grow), other_size * (1 + 2 * grow)
    low = np.maximum(centre - size / 2, other_centre - other_size / 2)
    high = np.minimum(centre + size / 2, other_centre + other_size / 2)
    shared = np.clip(high - low, 0, None).prod(-1)  # (N, M)
    total = size.prod(-1) + other_size.prod(-1) - shared
    overlap: Floats = shared / np.maximum(total, 1e-9)
    return overlap
