"""The GPU check claims nothing where there is no GPU, and tells a failure where a device computes wrongly."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from worker.errors import BackendError
from worker.models import gpu_check as module
from worker.models.backends import BackendChoice, choose_backend, open_backend
from worker.models.runtime import Backend, ComputePrecision


def test_without_a_device_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "choose_backend", lambda _: choose_backend("openvino"))
    lines: list[str] = []
    assert module.gpu_check(lines.append) == 0
    assert len(lines) == 1
    assert "no CUDA check was made" in lines[0]
    assert "Nothing is claimed" in lines[0]


class Wrong:
    """OpenVINO under another name whose outputs are off by `error`."""

    def __init__(self, backend: Backend, error: float) -> None:
        self._backend = backend
        self._error = error
        self.name = backend.name
        self.device = backend.device
        self.precision: ComputePrecision = backend.precision

    def infer(self, batch: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        output = self._backend.infer(batch).copy()
        output[:, -1] += self._error
        return output


@pytest.mark.parametrize(("error", "code", "verdict"), [(0.0, 0, "CUDA works"), (5.0, 1, "checks failed")])
def test_a_device_is_judged(monkeypatch: pytest.MonkeyPatch, error: float, code: int, verdict: str) -> None:
    def pretend(bundle: Any, choice: BackendChoice, precision: object = "auto") -> Backend:
        backend = open_backend(bundle, choose_backend("openvino"), "f32")
        return Wrong(backend, error if choice.device == "cuda" else 0.0)

    monkeypatch.setattr(module, "open_backend", pretend)
    monkeypatch.setattr(module, "BATCHES", (1,))
    monkeypatch.setattr(
        module,
        "choose_backend",
        lambda name: (
            BackendChoice("torch" if name == "auto" else "openvino", "cuda", "a card")
            if name == "auto"
            else choose_backend("openvino")
        ),
    )
    lines: list[str] = []
    assert module.gpu_check(lines.append) == code
    assert verdict in lines[-1]
    assert len(lines) == 8


def test_a_device_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Backend:
        raise BackendError("out of memory")

    monkeypatch.setattr(module, "open_backend", fail)
    monkeypatch.setattr(module, "choose_backend", lambda _: BackendChoice("torch", "cuda", "a card"))
    lines: list[str] = []
    assert module.gpu_check(lines.append) == 1
    assert lines[1] == "FAILED detector: out of memory"
