"""Which runtime runs a bundle, and how it is opened.

`openvino` runs on the CPU from the base install. `torch` (extra `cuda`) runs on a CUDA device in fp16, or on the CPU
in f32, where the tests prove it equal to OpenVINO. A backend holds one network; it belongs to one thread.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Literal

from worker.errors import BackendError
from worker.models.bundle import Bundle, ClassifierManifest, DetectorManifest
from worker.models.runtime import Backend, BackendName

DETECTOR_BATCHES = (4, 1)
"""Batch sizes that OpenVINO compiles the detector for, largest first."""


@dataclass(frozen=True, slots=True)
class BackendChoice:
    """Which runtime, on which device (`cpu`, `cuda`), and why, as one line for the log."""

    name: BackendName
    device: Literal["cpu", "cuda"]
    reason: str


def choose_backend(wanted: Literal["auto", "openvino", "torch"]) -> BackendChoice:
    """CUDA where torch sees a device, else OpenVINO; or what is asked for. Imports torch only where it may be used.

    Raises:
        BackendError: torch is asked for and not installed.
    """
    if wanted == "openvino":
        return BackendChoice("openvino", "cpu", "backend openvino is set")
    if importlib.util.find_spec("torch") is None:
        if wanted == "torch":
            raise BackendError("backend torch is set but torch is not installed: install the extra `cuda`")
        return BackendChoice("openvino", "cpu", "torch is not installed, so there is no CUDA")
    import torch

    if torch.cuda.is_available():
        return BackendChoice("torch", "cuda", f"torch sees {torch.cuda.get_device_name()}")
    if wanted == "torch":
        return BackendChoice("torch", "cpu", "backend torch is set and torch sees no CUDA device")
    return BackendChoice("openvino", "cpu", "torch sees no CUDA device")


def open_backend(
    bundle: Bundle[DetectorManifest] | Bundle[ClassifierManifest],
    choice: BackendChoice,
    precision: Literal["auto", "f32"] = "auto",
    threads: int = 0,
) -> Backend:
    """Load the bundle's network into the chosen runtime.

    Args:
        bundle: a checked bundle.
        choice: from `choose_backend`.
        precision: `auto` is what the device does best (bf16 or f32 on a CPU, fp16 on CUDA); `f32` is reproducible.
        threads: CPU threads of the network; 0 takes all cores.

    Raises:
        BackendError: the runtime cannot be started.
        BundleError: the weights do not fit.
    """
    if choice.name == "openvino":
        from worker.models.openvino_backend import OpenVinoBackend

        batches = DETECTOR_BATCHES if isinstance(bundle.manifest, DetectorManifest) else ()
        return OpenVinoBackend(bundle.file("model.xml"), precision, threads, batches)
    from worker.models.torch_backend import TorchBackend

    return TorchBackend(bundle, choice.device, precision, threads)
