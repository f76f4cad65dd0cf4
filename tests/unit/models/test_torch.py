"""torch on the CPU gives what OpenVINO gives at f32, and an export is what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.shared_data import shared
from tests.unit.models.bundles import (
    LICENCES,
    PORTRAITS,
    classifier_manifest,
    copy_of,
    detector_manifest,
    shipped_classifier,
    shipped_detector,
)
from worker.errors import BackendError, BundleError
from worker.face import Box
from worker.models.backends import BackendChoice, choose_backend, open_backend
from worker.models.bundle import DETECTOR_SHAPES, DetectorManifest, load_bundle
from worker.models.classifier import EmotionClassifier
from worker.models.crop import crop_face
from worker.models.detector import FaceDetector
from worker.models.letterbox import letterbox_picture

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

ON_CPU = BackendChoice("torch", "cpu", "test")
PICTURES = ["grace_hopper.jpg", "eileen_collins.jpg"]


def pair(bundle: Any) -> tuple[Any, Any]:
    return open_backend(bundle, choose_backend("openvino"), "f32"), open_backend(bundle, ON_CPU)


@pytest.mark.parametrize("shape", DETECTOR_SHAPES)
def test_detectors_agree_on_noise(shape: tuple[int, int]) -> None:
    runtime, reference = pair(shipped_detector())
    images = np.random.default_rng(0).integers(0, 256, (2, shape[1], shape[0], 3), np.uint8)
    np.testing.assert_allclose(runtime.infer(images), reference.infer(images), atol=1e-3)


@pytest.mark.parametrize("path", [*PICTURES, "stills/group5_pyfeat.jpg", "stills/two_people.jpg"])
def test_detectors_agree_on_pictures(path: str) -> None:
    bundle = shipped_detector()
    file = shared(path) if "/" in path else PORTRAITS / path
    made, geometry = letterbox_picture(np.asarray(cv2.imread(str(file)), np.uint8), DETECTOR_SHAPES)
    one, other = (
        FaceDetector(bundle, backend, score=0.05).detect(made[None], [geometry])[0] for backend in pair(bundle)
    )
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        assert a.score == pytest.approx(b.score, abs=1e-3)
        assert a.box == pytest.approx(b.box, abs=0.1)


def test_classifiers_agree_on_noise_and_faces() -> None:
    bundle = shipped_classifier()
    runtime, reference = (EmotionClassifier(bundle, backend) for backend in pair(bundle))
    luma = np.asarray(cv2.imread(str(PORTRAITS / PICTURES[0]), cv2.IMREAD_GRAYSCALE), np.uint8)
    face = crop_face(luma, Box(100, 60, 300, 300), bundle.manifest.crop)
    crops = np.concatenate((np.random.default_rng(0).integers(0, 256, (7, 48, 48), np.uint8), face[None]))
    np.testing.assert_allclose(runtime.classify(crops), reference.classify(crops), atol=1e-3)
    assert reference.backend.precision == "f32"


def test_colours_are_turned_to_rgb_and_0_to_1() -> None:
    from torch import nn

    from worker.models.graph import DetectorGraph

    class Same(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

        def forward(self, x: Any) -> Any:
            return x * self.weight

    picture = np.zeros((1, 2, 3, 3), np.uint8)
    picture[0, 1, 2] = (255, 102, 51)  # blue, green, red
    seen = DetectorGraph(Same())(torch.from_numpy(picture)).detach().numpy()
    assert seen.shape == (1, 3, 2, 3)
    assert seen[0, :, 1, 2].tolist() == pytest.approx([0.2, 0.4, 1.0])
    assert seen.sum() == pytest.approx(1.6)


def test_a_failing_batch_is_one_line() -> None:
    backend = open_backend(shipped_detector(), ON_CPU)
    with pytest.raises(BackendError, match="torch failed on a batch of shape") as caught:
        backend.infer(np.zeros((1, 384, 640, 4), np.uint8))
    assert "\n" not in str(caught.value)


def test_weights_of_another_width_are_refused(tmp_path: Path) -> None:
    from worker.models.bundle import write_bundle

    bundle = load_bundle(copy_of(shipped_detector().path, tmp_path / "copy"), "detector")
    width = 80 if bundle.manifest.class_width == 64 else 64
    manifest = DetectorManifest.model_validate({**bundle.manifest.model_dump(), "class_width": width, "files": {}})
    files = {name: bundle.file(name) for name in bundle.manifest.files}
    wrong = write_bundle(tmp_path / "wrong", manifest, files)
    with pytest.raises(BundleError, match=r"model\.safetensors does not fit yolo11n"):
        open_backend(wrong, ON_CPU)


@pytest.mark.slow
def test_an_exported_detector_is_the_trained_one(tmp_path: Path) -> None:
    """Random weights with batch norms that are not trivial, from state dict to bundle to boxes' raw head."""
    from worker.models.export import export_bundle
    from worker.models.nets.yolo11 import YOLO11n, class_width_of

    trained = with_random_norms(YOLO11n(1, class_width=80))
    state = trained.state_dict()
    assert class_width_of(state) == 80

    bundle = export_bundle(tmp_path / "new", detector_manifest(class_width=80), state, "# Card\n")

    images = np.random.default_rng(0).integers(0, 256, (1, 416, 576, 3), np.uint8)
    with torch.inference_mode():
        rgb = torch.from_numpy(images[..., ::-1].copy()).permute(0, 3, 1, 2).float() / 255
        wanted = trained(rgb).numpy()
    got = open_backend(load_bundle(bundle.path, "detector"), choose_backend("openvino"), "f32").infer(images)
    # The bundle's weights are rounded to fp16, the trained ones are not.
    np.testing.assert_allclose(got, wanted, atol=0.02 * np.abs(wanted).max())
    assert np.corrcoef(got.ravel(), wanted.ravel())[0, 1] > 0.9999


@pytest.mark.slow
def test_an_exported_classifier_is_the_trained_one(tmp_path: Path) -> None:
    from worker.models.export import export_bundle
    from worker.models.nets.resnet29 import ResNet29

    trained = with_random_norms(ResNet29())
    bundle = export_bundle(tmp_path / "new", classifier_manifest(), trained.state_dict(), "# Card\n")
    faces = np.random.default_rng(0).normal(size=(3, 1, 64, 64)).astype(np.float32)
    with torch.inference_mode():
        wanted = trained(torch.from_numpy(faces)).numpy()
    got = open_backend(bundle, choose_backend("openvino"), "f32").infer(faces)
    np.testing.assert_allclose(got, wanted, atol=0.02 * np.abs(wanted).max())


def with_random_norms(network: Any) -> Any:
    """Batch norms as after a training: every statistic and affine its own, drawn with a fixed seed."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            module.weight.data.uniform_(0.8, 1.2, generator=generator)
            module.bias.data.normal_(0, 0.2, generator=generator)
    return network.eval()


def test_foreign_weights_are_not_exported(tmp_path: Path) -> None:
    from worker.models.export import export_bundle

    with pytest.raises(BundleError, match="these weights are no yolo11n") as caught:
        export_bundle(tmp_path / "new", detector_manifest(), {"stem.weight": torch.zeros(1)}, "# Card\n")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_weights_beyond_fp16_are_not_exported(tmp_path: Path) -> None:
    from worker.models.export import export_bundle
    from worker.models.nets.resnet29 import ResNet29

    network = ResNet29()
    last: Any = network.fc[1]
    last.bias.data[0] = 1e6
    with pytest.raises(BundleError, match="differs from the trained one"):
        export_bundle(tmp_path / "new", classifier_manifest(licences=LICENCES), network.state_dict(), "# Card\n")
    assert list(tmp_path.iterdir()) == []
