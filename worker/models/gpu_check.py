"""What a CUDA device makes of the models: equality with OpenVINO, a short benchmark, a verdict.

Run by `make gpu-check`. Without a CUDA device it says so and claims nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from worker.errors import WorkerError
from worker.models.backends import BackendChoice, choose_backend, open_backend
from worker.models.bundle import Bundle, ClassifierManifest, DetectorManifest, load_bundle
from worker.models.classifier import softmax
from worker.models.runtime import Backend
from worker.models.warm_up import seconds_of

BUNDLES = Path(__file__).parents[1] / "bundles"
F32_TOLERANCE = 1e-3
"""Largest difference of probabilities between CUDA and OpenVINO, both at f32 (TF32 is switched off)."""

FP16_TOLERANCE = 0.02
"""Largest difference of probabilities between CUDA at fp16 and OpenVINO at f32."""

BATCHES = (1, 8, 32)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the verdict."""

    name: str
    passed: bool
    detail: str


def gpu_check(say: Callable[[str], None]) -> int:
    """Compare and time both shipped models on CUDA; tell every line through `say`.

    Returns:
        An exit code: 0 if all is well or there is nothing to check, 1 if a check failed.
    """
    choice = choose_backend("auto")
    if choice.device != "cuda":
        say(f"no CUDA check was made: {choice.reason}. Nothing is claimed about GPUs.")
        return 0
    say(f"CUDA check: {choice.reason}")
    detector = load_bundle(BUNDLES / "detector", "detector")
    classifier = load_bundle(BUNDLES / "classifier", "classifier")
    checks = [
        *_check_model(detector, choice, _pictures(detector)),
        *_check_model(classifier, choice, _faces(classifier)),
    ]
    for check in checks:
        say(f"{'ok    ' if check.passed else 'FAILED'} {check.name}: {check.detail}")
    failed = sum(not check.passed for check in checks)
    say(f"verdict: {'CUDA works' if not failed else f'{failed} of {len(checks)} checks failed'} on {choice.reason}")
    return 1 if failed else 0


def _check_model(
    bundle: Bundle[DetectorManifest] | Bundle[ClassifierManifest], choice: BackendChoice, batch: npt.NDArray[np.generic]
) -> list[Check]:
    checks = []
    try:
        wanted = _probabilities(bundle, open_backend(bundle, choose_backend("openvino"), "f32"), batch)
        for precision, tolerance in (("f32", F32_TOLERANCE), ("auto", FP16_TOLERANCE)):
            backend = open_backend(bundle, choice, "f32" if precision == "f32" else "auto")
            difference = float(np.abs(_probabilities(bundle, backend, batch) - wanted).max())
            checks.append(
                Check(
                    f"{bundle.manifest.task} {backend.precision} against OpenVINO f32",
                    difference <= tolerance,
                    f"largest difference {difference:.2g} (at most {tolerance:g})",
                )
            )
        for count in BATCHES:
            repeated = np.repeat(batch[:1], count, axis=0)
            seconds = seconds_of(partial(backend.infer, repeated))
            checks.append(Check(f"{bundle.manifest.task} batch {count}", True, f"{seconds / count * 1e3:.3f} ms each"))
    except WorkerError as error:
        checks.append(Check(bundle.manifest.task, False, str(error)))
    return checks


def _probabilities(
    bundle: Bundle[DetectorManifest] | Bundle[ClassifierManifest], backend: Backend, batch: npt.NDArray[np.generic]
) -> npt.NDArray[np.float32]:
    """What users see of the output: face scores of a detector, emotions of a classifier."""
    raw = backend.infer(batch)
    if isinstance(bundle.manifest, DetectorManifest):
        return (1 / (1 + np.exp(-raw[:, -1]))).astype(np.float32)
    return softmax(raw / bundle.manifest.temperature)


def _pictures(bundle: Bundle[DetectorManifest]) -> npt.NDArray[np.uint8]:
    width, height = bundle.manifest.input_shapes[0]
    return np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)


def _faces(bundle: Bundle[ClassifierManifest]) -> npt.NDArray[np.float32]:
    side = bundle.manifest.input_size
    return np.random.default_rng(0).normal(size=(8, 1, side, side)).astype(np.float32)


if __name__ == "__main__":
    raise SystemExit(gpu_check(print))
