"""Times of the shipped models on this machine's runtimes, for each input shape and batch size.

    python -m benchmarks.backends [--repeats 20] [--threads 0]

CPU ms are those of all threads together and hardly depend on what else runs; wall ms do. Medians; OpenVINO in its
default precision and in f32, torch on the CPU (if installed) and on CUDA (if there is one).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from worker.models.backends import BackendChoice, choose_backend, open_backend
from worker.models.bundle import Bundle, ClassifierManifest, DetectorManifest, load_bundle
from worker.models.runtime import Backend

BUNDLES = Path(__file__).parents[1] / "worker" / "bundles"
DETECTOR_BATCHES = (1, 4)
CLASSIFIER_BATCHES = (1, 8)


def milliseconds(backend: Backend, batch: npt.NDArray[np.generic], repeats: int) -> tuple[float, float]:
    """Median wall and CPU milliseconds of one picture of the batch."""
    for _ in range(3):
        backend.infer(batch)
    wall, cpu = [], []
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        backend.infer(batch)
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    return float(np.median(wall)) * 1e3 / len(batch), float(np.median(cpu)) * 1e3 / len(batch)


def batches(manifest: DetectorManifest | ClassifierManifest) -> list[tuple[str, npt.NDArray[np.generic]]]:
    """Random inputs, each with what it is."""
    random = np.random.default_rng(0)
    if isinstance(manifest, DetectorManifest):
        return [
            (f"{width}x{height} b{n}", random.integers(0, 256, (n, height, width, 3), np.uint8))
            for width, height in manifest.input_shapes
            for n in DETECTOR_BATCHES
        ]
    side = manifest.input_size
    return [
        (f"{side}x{side} b{n}", random.normal(size=(n, 1, side, side)).astype(np.float32)) for n in CLASSIFIER_BATCHES
    ]


def backends(bundle: Bundle[DetectorManifest] | Bundle[ClassifierManifest], threads: int) -> list[Backend]:
    """Every runtime that this machine has."""
    cpu = choose_backend("openvino")
    opened = [open_backend(bundle, cpu, "auto", threads), open_backend(bundle, cpu, "f32", threads)]
    try:
        import torch
    except ImportError:
        return opened
    opened.append(open_backend(bundle, BackendChoice("torch", "cpu", "benchmark"), "f32", threads))
    if torch.cuda.is_available():
        opened.append(open_backend(bundle, choose_backend("auto"), "auto", threads))
    return opened


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, default=0, help="threads a runtime; 0: all cores")
    arguments = parser.parse_args()
    print(f"{'model':30}  {'runtime':14}  {'input':12}  wall ms  CPU ms  (each picture)")
    for bundle in (load_bundle(BUNDLES / "detector", "detector"), load_bundle(BUNDLES / "classifier", "classifier")):
        for backend in backends(bundle, arguments.threads):
            for name, batch in batches(bundle.manifest):
                wall, cpu = milliseconds(backend, batch, arguments.repeats)
                runtime = f"{backend.name} {backend.precision}"
                print(f"{bundle.label:30}  {runtime:14}  {name:12}  {wall:7.2f}  {cpu:6.2f}")


if __name__ == "__main__":
    main()
