"""The weights that a run starts from: dlib's, ImageNet's, another run's, or those of several runs that are blended."""

from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import nn

from classifier_training.dlib_start import is_dlib, start_from_dlib
from classifier_training.errors import TrainingError
from classifier_training.nets import EmotionNet, ImageNetResNet18
from classifier_training.runs import network_input, read_weights
from classifier_training.settings import ModelSettings
from worker.models.nets.resnet29 import ResNet29

_FACES = 512
"""Faces that the statistics of dlib's norms are measured on."""


def start(net: EmotionNet, model: ModelSettings, faces: NDArray[np.uint8]) -> None:
    """Loads what the settings name, if anything, into `net` in place; the last layer keeps its random start.

    Args:
        net: with random weights.
        model: `start` is dlib's file or a run's weights, `members` are the runs of a blend, in its order.
        faces: uint8 (n, 48, 48) training pictures; dlib's norms are measured on the first 512.

    Raises:
        TrainingError: a file cannot be read, or holds another architecture.
    """
    for number, path in enumerate(model.members):
        weights = read_weights(path).net
        body = {f"body.{number}.{n.removeprefix('body.')}": t for n, t in weights.items() if n.startswith("body.")}
        found = cast(nn.Module, net).load_state_dict(body, strict=False)
        if found.unexpected_keys or not body:
            raise TrainingError(f"{path}: does not fit member {number + 1} of {model.architecture}")
    if isinstance(net, ImageNetResNet18) and model.imagenet:
        net.load_imagenet()
    if model.start is None:
        return
    if is_dlib(model.start):
        if not isinstance(net, ResNet29):
            raise TrainingError(f"{model.start} is dlib's ResNet-29: it cannot start {model.architecture}")
        start_from_dlib(net, model.start, network_input(faces[:_FACES], model))
        return
    tensors = {name: t for name, t in read_weights(model.start).net.items() if not name.startswith("fc.")}
    missing = cast(nn.Module, net).load_state_dict(tensors, strict=False)
    if missing.unexpected_keys or any(not name.startswith("fc.") for name in missing.missing_keys):
        raise TrainingError(f"{model.start}: weights of another architecture than {model.architecture}")
