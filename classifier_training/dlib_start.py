"""Starts ResNet-29 from dlib's face-recognition weights.

Colour becomes luma by summing the stem over RGB, and every affine becomes a batch norm with the same output: a pass
over faces measures mean and variance behind each convolution, layer after layer, and the norm's weight and bias are
solved for them. Source: dlib_face_recognition_resnet_model_v1 (CC0), converted to torch names.
"""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from classifier_training.errors import TrainingError
from worker.models.nets.resnet29 import ConvNorm, ResNet29


def is_dlib(path: Path) -> bool:
    """Whether a safetensors file holds dlib's affines (ours hold batch norms).

    Raises:
        TrainingError: it cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return "conv32_down.w" in file.keys()  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path}: cannot be read as starting weights ({error})") from error


@torch.no_grad()
def start_from_dlib(net: ResNet29, weights: Path, faces: Tensor) -> None:
    """Loads `weights` (safetensors) into `net` in place.

    `faces` is float (n, 1, h, w) after normalisation, some hundreds of them, for the statistics of the norms. The last
    linear layer keeps its random start: dlib's is for identities.
    """
    start = {name: tensor.float() for name, tensor in load_file(weights).items()}
    hooks = []
    for name, layer in net.named_modules():
        if isinstance(layer, ConvNorm):
            kernel = start[f"{name}.conv.weight"]
            layer.conv.weight.copy_(kernel.sum(dim=1, keepdim=True) if name == "conv32_down" else kernel)
            bias = start[f"{name}.b"] + start[f"{name}.w"] * start[f"{name}.conv.bias"]
            hooks.append(layer.conv.register_forward_hook(_norm_setter(layer, start[f"{name}.w"], bias)))
    net.eval()
    net.features(faces)
    for hook in hooks:
        hook.remove()


def _norm_setter(layer: ConvNorm, weight: Tensor, bias: Tensor) -> Callable[[object, object, Tensor], None]:
    """A forward hook that makes the norm behave as `weight * x + bias` for the statistics just seen."""

    def set_norm(_module: object, _inputs: object, output: Tensor) -> None:
        norm = layer.bn
        mean = output.mean(dim=(0, 2, 3))
        variance = output.var(dim=(0, 2, 3), unbiased=False)
        cast(Tensor, norm.running_mean).copy_(mean)
        cast(Tensor, norm.running_var).copy_(variance)
        norm.weight.copy_(weight * torch.sqrt(variance + norm.eps))
        norm.bias.copy_(bias + weight * mean)

    return set_norm
