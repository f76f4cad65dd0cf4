"""Which runtime is chosen, what it says of itself, and how it fails."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest

from tests.unit.models.bundles import shipped_classifier, shipped_detector
from worker.errors import BackendError
from worker.models.backends import choose_backend, open_backend


def test_openvino_is_taken_when_it_is_set() -> None:
    choice = choose_backend("openvino")
    assert (choice.name, choice.device) == ("openvino", "cpu")
    assert "is set" in choice.reason


def test_without_torch_auto_is_openvino_and_torch_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    choice = choose_backend("auto")
    assert choice.name == "openvino"
    assert "not installed" in choice.reason
    with pytest.raises(BackendError, match="install the extra `cuda`"):
        choose_backend("torch")


def test_choosing_openvino_does_not_import_torch() -> None:
    import subprocess

    code = (
        "import sys; from worker.models.backends import *; from worker.models.bundle import load_bundle\n"
        "import worker.models.detector, worker.models.classifier, worker.models.letterbox, worker.models.quality\n"
        f"from pathlib import Path; b = load_bundle(Path({str(shipped_classifier().path)!r}), 'classifier')\n"
        "open_backend(b, choose_backend('openvino')); assert not {'torch', 'ultralytics'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.torch
def test_auto_takes_cuda_only_where_torch_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_backend("auto").name == "openvino"
    assert (choose_backend("torch").name, choose_backend("torch").device) == ("torch", "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    choice = choose_backend("auto")
    assert (choice.name, choice.device, choice.reason) == ("torch", "cuda", "torch sees a card")


def test_openvino_says_what_it_runs_on() -> None:
    backend = open_backend(shipped_classifier(), choose_backend("openvino"))
    assert backend.name == "openvino"
    assert backend.device
    assert backend.precision in {"f32", "bf16", "fp16"}


def test_f32_is_exact_and_threads_do_not_change_it() -> None:
    bundle = shipped_classifier()
    one = open_backend(bundle, choose_backend("openvino"), precision="f32", threads=1)
    all_cores = open_backend(bundle, choose_backend("openvino"), precision="f32")
    assert one.precision == "f32"
    faces = np.random.default_rng(0).normal(size=(2, 1, 64, 64)).astype(np.float32)
    np.testing.assert_allclose(one.infer(faces), all_cores.infer(faces), atol=1e-4)
    np.testing.assert_array_equal(one.infer(faces), one.infer(faces))


def test_a_batch_that_does_not_fit_is_one_line() -> None:
    backend = open_backend(shipped_detector(), choose_backend("openvino"))
    with pytest.raises(BackendError, match=r"OpenVINO failed on a batch of shape \(1, 384, 640, 4\)") as caught:
        backend.infer(np.zeros((1, 384, 640, 4), np.uint8))
    assert "\n" not in str(caught.value)


def test_a_picture_gives_the_same_whatever_batch_it_is_in() -> None:
    """At the default precision too: `analyze` must not depend on which frames happened to share a batch."""
    backend = open_backend(shipped_detector(), choose_backend("openvino"))
    images = np.random.default_rng(0).integers(0, 256, (6, 384, 640, 3), np.uint8)
    together = backend.infer(images)
    assert together.shape[0] == 6
    for i, image in enumerate(images):
        np.testing.assert_array_equal(together[i], backend.infer(image[None])[0])
