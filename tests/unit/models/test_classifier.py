"""The classifier: calibration on an invented network, expressions on the shipped bundle."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tests.shared_data import shared
from tests.unit.models.bundles import FILES, classifier_manifest, shipped_classifier, shipped_detector
from worker.errors import BackendError
from worker.face import EMOTIONS
from worker.models.backends import choose_backend, open_backend
from worker.models.bundle import write_bundle
from worker.models.classifier import EmotionClassifier, softmax
from worker.models.crop import crop_face
from worker.models.detector import FaceDetector
from worker.models.letterbox import letterbox_picture
from worker.models.runtime import BackendName, ComputePrecision


class Brightness:
    """A backend whose first logit is the picture's mean, the others 0."""

    name: BackendName = "openvino"
    device = "none"
    precision: ComputePrecision = "f32"

    def infer(self, batch: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        logits = np.zeros((len(batch), 7), np.float32)
        logits[:, 0] = batch.mean(axis=(1, 2, 3))
        return logits


@pytest.fixture
def by_brightness(tmp_path: Path) -> EmotionClassifier:
    return EmotionClassifier(write_bundle(tmp_path / "tiny", classifier_manifest(), FILES), Brightness())


@pytest.fixture(scope="module")
def classifier() -> EmotionClassifier:
    bundle = shipped_classifier()
    return EmotionClassifier(bundle, open_backend(bundle, choose_backend("openvino")))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_an_error_of_the_runtime(by_brightness: EmotionClassifier, value: float) -> None:
    class Overflowing(Brightness):
        def infer(self, batch: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
            return np.full((len(batch), 7), value, np.float32)

    broken = EmotionClassifier(by_brightness.bundle, Overflowing())
    with pytest.raises(BackendError, match=r"no numbers: try models\.compute_precision: f32"):
        broken.classify(np.zeros((2, 48, 48), np.uint8))


def test_normalisation_and_temperature_are_the_manifests(by_brightness: EmotionClassifier) -> None:
    crops = np.stack([np.full((48, 48), value, np.uint8) for value in (100, 200)])
    probabilities = by_brightness.classify(crops)
    assert probabilities.shape == (2, 7)
    assert probabilities.dtype == np.float32
    # (100 - 100) / 50 = 0 and (200 - 100) / 50 = 2, over temperature 2: logits 0 and 1 beside six of 0.
    np.testing.assert_allclose(probabilities[0], [1 / 7] * 7, atol=1e-6)
    np.testing.assert_allclose(probabilities[1], [np.e / (np.e + 6)] + [1 / (np.e + 6)] * 6, atol=1e-6)


def test_no_crops_no_probabilities(by_brightness: EmotionClassifier) -> None:
    assert by_brightness.classify(np.empty((0, 48, 48), np.uint8)).shape == (0, 7)


def test_softmax_survives_large_logits() -> None:
    np.testing.assert_allclose(softmax(np.array([[1e4, 0.0], [-1e4, -1e4]])), [[1, 0], [0.5, 0.5]])


def test_probabilities_sum_to_one_and_do_not_depend_on_the_batch(classifier: EmotionClassifier) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (5, 48, 48), np.uint8)
    together = classifier.classify(crops)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)
    alone = np.concatenate([classifier.classify(crop[None]) for crop in crops])
    np.testing.assert_allclose(together, alone, atol=0.02)


def test_warm_up_says_how_long_a_face_takes(classifier: EmotionClassifier) -> None:
    assert 0.0 < classifier.warm_up() < 1.0


@pytest.mark.parametrize(
    ("name", "emotion"),
    [
        ("smile_astronaut_512.png", "happiness"),
        ("obama.jpg", "happiness"),
        ("smile_man_pyfeat.jpg", "happiness"),
        ("neutral_grace_hopper.jpg", "neutral"),
    ],
)
def test_plain_expressions_in_the_stills(classifier: EmotionClassifier, name: str, emotion: str) -> None:
    """From the picture on: detector, crop rule, classifier."""
    bundle = shipped_detector()
    detector = FaceDetector(bundle, open_backend(bundle, choose_backend("openvino")))
    picture = np.asarray(cv2.imread(str(shared(f"stills/{name}"))), np.uint8)
    made, geometry = letterbox_picture(picture, detector.shapes)
    (face,) = detector.detect(made[None], [geometry])[0]
    luma = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
    probabilities = classifier.classify(crop_face(luma, face.box, classifier.crop)[None])[0]
    assert EMOTIONS[int(probabilities.argmax())] == emotion
