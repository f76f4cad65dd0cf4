"""The shipped models on a CUDA device against OpenVINO; last run on an H100 (torch 2.11, fp16 and f32)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.unit.models.bundles import PORTRAITS, shipped_classifier, shipped_detector
from worker.face import Box
from worker.models.backends import BackendChoice, choose_backend, open_backend
from worker.models.bundle import DETECTOR_SHAPES
from worker.models.classifier import EmotionClassifier
from worker.models.crop import crop_face
from worker.models.detector import FaceDetector
from worker.models.gpu_check import FP16_TOLERANCE, gpu_check
from worker.models.letterbox import letterbox_picture

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.torch,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]

ON_CUDA = BackendChoice("torch", "cuda", "test")
PICTURES = ("grace_hopper.jpg", "eileen_collins.jpg")


@pytest.mark.parametrize("shape", DETECTOR_SHAPES)
def test_the_same_faces_are_found(shape: tuple[int, int]) -> None:
    bundle = shipped_detector()
    on_cuda = FaceDetector(bundle, open_backend(bundle, ON_CUDA))
    on_cpu = FaceDetector(bundle, open_backend(bundle, choose_backend("openvino"), "f32"))
    pictures = [np.asarray(cv2.imread(str(PORTRAITS / name)), np.uint8) for name in PICTURES]
    inputs, geometries = zip(*(letterbox_picture(picture, (shape,)) for picture in pictures), strict=True)
    found, wanted = (model.detect(np.stack(inputs), geometries) for model in (on_cuda, on_cpu))
    for some, others in zip(found, wanted, strict=True):
        assert len(some) == len(others)
        for face, other in zip(some, others, strict=True):
            assert face.box.iou(other.box) > 0.95
            assert face.score == pytest.approx(other.score, abs=FP16_TOLERANCE)


def test_the_same_emotions_are_told() -> None:
    bundle = shipped_classifier()
    luma = np.asarray(cv2.imread(str(PORTRAITS / PICTURES[0]), cv2.IMREAD_GRAYSCALE), np.uint8)
    crops = np.stack([crop_face(luma, Box(x, 60, x + 200, 300), bundle.manifest.crop) for x in range(60, 140, 10)])
    on_cuda = EmotionClassifier(bundle, open_backend(bundle, ON_CUDA)).classify(crops)
    on_cpu = EmotionClassifier(bundle, open_backend(bundle, choose_backend("openvino"), "f32")).classify(crops)
    np.testing.assert_allclose(on_cuda, on_cpu, atol=FP16_TOLERANCE)


def test_auto_takes_the_device_in_fp16() -> None:
    choice = choose_backend("auto")
    assert (choice.name, choice.device) == ("torch", "cuda")
    assert open_backend(shipped_classifier(), choice).precision == "fp16"


def test_batches_do_not_share_memory() -> None:
    """The pinned buffer of one batch must not be overwritten by the next."""
    backend = open_backend(shipped_classifier(), ON_CUDA)
    random = np.random.default_rng(0)
    batches = [random.normal(size=(8, 1, 64, 64)).astype(np.float32) for _ in range(20)]
    first = [backend.infer(batch) for batch in batches]
    second = [backend.infer(batch) for batch in batches]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-2)


def test_the_check_passes() -> None:
    lines: list[str] = []
    assert gpu_check(lines.append) == 0, "\n".join(lines)
    assert "CUDA works" in lines[-1]
