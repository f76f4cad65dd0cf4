"""Other detectors through one call: boxes in px of the picture, best first, whatever its size."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from detector_training.detectors import BundleDetector, open_other
from detector_training.errors import DataError
from detector_training.evaluate import SHIPPED
from detector_training.pictures import as_boxes
from detector_training.seen import BUDGET, Detector, best_first, fit_budget, read_picture
from tests.shared_data import shared

FACE = (175.0, 60.0, 285.0, 205.0)
"""The astronaut's face in the still, measured by eye."""


def detectors() -> list[Detector]:
    names = ("yunet_2023mar.onnx", "yunet_n_dynamic.onnx", "retinaface_mnet025_tiny.onnx")
    return [*(open_other(shared(f"weights/{name}")) for name in names), BundleDetector(SHIPPED, "f32")]


def test_every_detector_finds_the_same_face_at_any_size() -> None:
    still = read_picture(shared("stills/smile_astronaut_512.png"))
    doubled = np.asarray(cv2.resize(still, None, fx=2, fy=2), np.uint8)
    for detector in detectors():
        seen = detector(still)
        box = seen.boxes[0]
        assert box[4] > 0.5, detector.name
        assert (np.diff(seen.boxes[:, 4]) <= 0).all()
        overlap = (np.minimum(box[2:4], FACE[2:]) - np.maximum(box[:2], FACE[:2])).clip(0).prod()
        assert overlap / ((box[2:4] - box[:2]).prod() + 110 * 145 - overlap) > 0.4, (detector.name, box)
        larger = detector(doubled)
        np.testing.assert_allclose(larger.boxes[0, :4] / 2, box[:4], atol=8)
        assert larger.scale == pytest.approx(seen.scale / 2, rel=0.01)


def test_pictures_are_scaled_up_and_down_to_the_budget() -> None:
    for size in ((100, 120, 3), (2000, 900, 3)):
        scaled, _ = fit_budget(np.zeros(size, np.uint8))
        assert scaled.shape[0] * scaled.shape[1] == pytest.approx(BUDGET, rel=0.01)


def test_the_floor_and_the_limit_hold() -> None:
    boxes = as_boxes(((0, 0, 1, 1, score) for score in np.linspace(0, 1, 3000)), 5)
    kept = best_first(boxes)
    assert len(kept) == 2000
    assert kept[0, 4] == 1.0
    assert best_first(boxes[:60])[:, 4].min() >= 0.01


def test_unknown_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing"):
        open_other(tmp_path / "yunet.onnx")
    for name, words in {"resnet.onnx": "unknown detector", "yunet.onnx": "cannot be loaded"}.items():
        (tmp_path / name).write_bytes(b"no model")
        with pytest.raises(DataError, match=words):
            open_other(tmp_path / name)
