"""The networks of a bundle in torch: built, folded, loaded, and wrapped as the runtimes see them.

Batch norms are folded into their convolutions before the weights are rounded to fp16, so that both runtimes start
from the same numbers.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from worker.errors import BundleError
from worker.models.bundle import Bundle, ClassifierManifest, DetectorManifest
from worker.models.nets.resnet29 import ResNet29
from worker.models.nets.yolo11 import YOLO11n


class DetectorGraph(nn.Module):
    """A detector from pixels on.

    Input: uint8 (n, h, w, 3) BGR. Output: the network's raw head, (n, 64 + classes, anchors) in its dtype.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.dtype = next(network.parameters()).dtype

    def forward(self, images: Tensor) -> Tensor:
        rgb = images.flip(3).permute(0, 3, 1, 2).to(self.dtype) / 255
        return cast(Tensor, self.network(rgb))


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Fold each pair of children `conv` and `bn` into `conv`, in place; the network is then for inference only."""
    network.eval()
    for module in network.modules():
        conv, norm = getattr(module, "conv", None), getattr(module, "bn", None)
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            module.conv = fuse_conv_bn_eval(conv, norm)
            module.bn = nn.Identity()
    return network


def build_network(manifest: DetectorManifest | ClassifierManifest) -> nn.Module:
    """The manifest's architecture with random weights and batch norms, ready to load a training's state dict."""
    if isinstance(manifest, DetectorManifest):
        return YOLO11n(len(manifest.labels), manifest.class_width)
    return ResNet29(len(manifest.labels))


def load_network(
    bundle: Bundle[DetectorManifest] | Bundle[ClassifierManifest], dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The bundle's network, folded, in `dtype` and eval mode; as its runtime sees it: a `DetectorGraph` for a detector.

    Raises:
        BundleError: the weights do not fit the architecture that the manifest names.
    """
    from safetensors.torch import load_file

    network = fold_batch_norms(build_network(bundle.manifest))
    try:
        network.load_state_dict(load_file(bundle.file("model.safetensors")))
    except RuntimeError as error:
        raise BundleError(
            f"bundle {bundle.path}: model.safetensors does not fit {bundle.manifest.architecture} "
            f"({str(error).splitlines()[0]}): export the bundle again"
        ) from error
    network = network.to(dtype)
    return DetectorGraph(network).eval() if isinstance(bundle.manifest, DetectorManifest) else network


def round_to_half(network: nn.Module) -> dict[str, Tensor]:
    """Round every weight to fp16 in place (the network stays float32) and return the fp16 state dict."""
    state = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    network.load_state_dict({name: value.to(torch.float32) for name, value in state.items()})
    return state
