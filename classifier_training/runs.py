"""The folder of a run: settings, hold-out rows, history, averaged weights; read back as a network that predicts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from classifier_training.errors import TrainingError, write_whole
from classifier_training.labels import LABEL_SETS
from classifier_training.nets import EmotionNet, build
from classifier_training.settings import ModelSettings, TrainingSettings
from worker.models.crop import classifier_input

WEIGHTS = "weights.safetensors"
CHECKPOINT = "checkpoint.pt"
HOLDOUT = "holdout_rows.json"
HISTORY = "history.jsonl"
_NET_PREFIX = "net."
_BATCH = 256


def network_input(images: NDArray[np.uint8], model: ModelSettings) -> Tensor:
    """uint8 (n, 48, 48) luma to float32 (n, 1, size, size), through the preprocessing that serving uses."""
    return torch.from_numpy(classifier_input(images, model.size, model.mean, model.scale))


@dataclass(frozen=True)
class RunWeights:
    """What `weights.safetensors` holds: weights by name, and where in which run they were taken."""

    tensors: dict[str, Tensor]
    settings: TrainingSettings
    epoch: int
    step: int
    seconds: float

    @property
    def net(self) -> dict[str, Tensor]:
        """The weights of the network that is served, without the auxiliary head."""
        return {n.removeprefix(_NET_PREFIX): t for n, t in self.tensors.items() if n.startswith(_NET_PREFIX)}


def write_weights(path: Path, weights: RunWeights) -> None:
    """fp16 safetensors with the settings as metadata; written beside `path`, then renamed over it."""
    tensors = {n: (t.half() if t.is_floating_point() else t).contiguous() for n, t in weights.tensors.items()}
    metadata = {
        "settings": weights.settings.model_dump_json(),
        "epoch": str(weights.epoch),
        "step": str(weights.step),
        "seconds": str(weights.seconds),
    }
    write_whole(path, save(tensors, metadata))


def read_weights(path: Path) -> RunWeights:
    """Reads a run's weights, as float32; `path` is the file, or the run's folder.

    Raises:
        TrainingError: there are none, or the file is damaged or none of ours.
    """
    if path.is_dir():
        path = path / WEIGHTS
    if not path.is_file():
        raise TrainingError(f"{path} does not exist: train first")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return RunWeights(
            {n: t.float() if t.is_floating_point() else t for n, t in tensors.items()},
            TrainingSettings.model_validate_json(metadata["settings"]),
            int(metadata["epoch"]),
            int(metadata["step"]),
            float(metadata["seconds"]),
        )
    except (SafetensorError, KeyError, ValueError) as error:
        raise TrainingError(f"{path}: not the weights of a run of ours, or damaged ({error})") from error


def load_network(weights: RunWeights) -> EmotionNet:
    """The network of a run in evaluation mode.

    Raises:
        TrainingError: the weights do not fit the architecture that the settings name.
    """
    settings = weights.settings
    net = build(settings.model.architecture, len(LABEL_SETS[settings.data.classes].names))
    module = cast(nn.Module, net)
    try:
        module.load_state_dict(weights.net)
    except RuntimeError as error:
        raise TrainingError(f"the weights do not fit {settings.model.architecture}: {error}") from error
    module.eval()
    return net


def holdout_rows(run: Path) -> list[int]:
    """Rows of the official csv that the run held out.

    Raises:
        TrainingError: the run holds no such list.
    """
    try:
        return [int(row) for row in json.loads((run / HOLDOUT).read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{run / HOLDOUT}: no list of rows ({error})") from error


@torch.inference_mode()
def logits_of(net: EmotionNet, images: NDArray[np.uint8], model: ModelSettings) -> NDArray[np.float32]:
    """uint8 (n, 48, 48) to float32 logits (n, classes), on the device of the network, in float32."""
    device = next(cast(nn.Module, net).parameters()).device
    starts = range(0, len(images), _BATCH)
    parts = [net(network_input(images[start : start + _BATCH], model).to(device)).float() for start in starts]
    return np.asarray(torch.cat(parts).cpu().numpy(), np.float32)
