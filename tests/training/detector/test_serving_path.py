"""Evaluation resizes pictures by OpenCV, the worker's sources by swscale: the figures are the same."""

from __future__ import annotations

import av
import numpy as np
import pytest

from detector_training.copies import read_names
from detector_training.detectors import BundleDetector
from detector_training.evaluate import SHIPPED, read_set, score_pictures
from detector_training.pictures import as_boxes
from detector_training.scoring import library_ap
from detector_training.seen import Seen, best_first
from tests.shared_data import shared
from worker.frame import Pixels
from worker.models.backends import choose_backend, open_backend
from worker.models.bundle import load_bundle
from worker.models.detector import FaceDetector
from worker.sources.pictures import VideoPictures

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class ThroughSource:
    """The shipped detector on pictures that come in as video frames, as a camera's do."""

    name, precision = "source", "f32"

    def __init__(self) -> None:
        bundle = load_bundle(SHIPPED, "detector")
        self._detector = FaceDetector(bundle, open_backend(bundle, choose_backend("openvino"), "f32", 1), 0.01)
        self._render = VideoPictures(self._detector.shapes, keep_picture=False)

    def __call__(self, picture: Pixels) -> Seen:
        rendered = self._render.render(av.VideoFrame.from_ndarray(picture, format="bgr24"), None)
        faces = self._detector.detect(rendered.detector_input[None], [rendered.letterbox])[0]
        boxes = as_boxes(((*face.box, face.score) for face in faces), 5)
        return Seen(best_first(boxes), rendered.letterbox.inner_width / rendered.letterbox.width)


def test_both_paths_score_the_same() -> None:
    folder, only = shared("faces/mask853"), frozenset(read_names(shared("faces/val.txt")))
    pictures = read_set(folder, only)
    by_picture = library_ap(score_pictures(pictures, BundleDetector(SHIPPED, "f32", 1)).scored, 0.5)
    by_source = library_ap(score_pictures(pictures, ThroughSource()).scored, 0.5)
    assert by_picture is not None
    assert by_source is not None
    assert np.abs(by_picture - by_source) < 0.005
    assert by_picture > 0.85
