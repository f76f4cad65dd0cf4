"""From a trained state dict to a bundle: both training packages export through here. Needs torch."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.export import Dim

from worker.errors import BundleError
from worker.models.bundle import Bundle, ClassifierManifest, DetectorManifest, Manifest, write_bundle
from worker.models.graph import DetectorGraph, build_network, fold_batch_norms, round_to_half

TOLERANCE = 1e-3
"""Largest difference between torch and OpenVINO at f32 that an export may have, in logits."""


def export_bundle(path: Path, manifest: Manifest, state: dict[str, Tensor], card: str) -> Bundle[Manifest]:
    """Write the bundle of a trained network to `path`.

    Args:
        path: the folder to make or replace.
        manifest: everything but `files`.
        state: the training's state dict (with batch norms, any float dtype), named as the architecture's.
        card: the text of MODEL_CARD.md.

    Raises:
        BundleError: the state does not fit the architecture, or the two runtimes disagree on the exported network.
    """
    network = build_network(manifest)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise BundleError(
            f"these weights are no {manifest.architecture} as the manifest describes it "
            f"({str(error).splitlines()[0]}): give the weights of that architecture"
        ) from error
    fold_batch_norms(network)
    half = round_to_half(network)
    graph, example, shapes = _as_graph(manifest, network)
    with tempfile.TemporaryDirectory() as scratch:
        ir = Path(scratch) / "model.xml"
        _save_ir(graph, example, shapes, ir)
        _compare(graph, example, ir)
        return write_bundle(
            path,
            manifest,
            {
                "model.xml": ir,
                "model.bin": ir.with_suffix(".bin"),
                "model.safetensors": _safetensors(half),
                "MODEL_CARD.md": card.encode(),
            },
        )


def _as_graph(
    manifest: DetectorManifest | ClassifierManifest, network: nn.Module
) -> tuple[nn.Module, Tensor, dict[int, Any]]:
    """The module to export, an example of its input, and which of the input's sides are free."""
    generator = torch.Generator().manual_seed(0)
    width, height = manifest.input_shapes[0]
    count = Dim("n", min=1, max=256)
    if isinstance(manifest, DetectorManifest):
        images = torch.randint(0, 256, (2, height, width, 3), dtype=torch.uint8, generator=generator)
        rows, columns = Dim("h", min=2, max=64), Dim("w", min=2, max=64)
        return DetectorGraph(network).eval(), images, {0: count, 1: 32 * rows, 2: 32 * columns}
    return network, torch.randn((2, 1, height, width), generator=generator), {0: count}


def _save_ir(graph: nn.Module, example: Tensor, free: dict[int, Any], path: Path) -> None:
    import openvino

    program = torch.export.export(graph, (example,), dynamic_shapes=(free,))
    openvino.save_model(openvino.convert_model(program), path, compress_to_fp16=True)


def _compare(graph: nn.Module, example: Tensor, path: Path) -> None:
    import openvino

    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    got: npt.NDArray[np.float32] = compiled([example.numpy()])[0]
    with torch.inference_mode():
        wanted = graph(example).numpy()
    difference = float(np.abs(got - wanted).max())
    if not difference <= TOLERANCE:
        raise BundleError(
            f"the exported network differs from the trained one by {difference:.3g} (at most {TOLERANCE} is allowed): "
            "nothing was written; look for values out of fp16's range among the weights"
        )


def _safetensors(state: dict[str, Tensor]) -> bytes:
    from safetensors.torch import save

    content: bytes = save(state)
    return content
