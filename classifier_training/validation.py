"""The network as it trains, and how its averaged weights do on the hold-out after each epoch."""

import copy
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from classifier_training.data import VOTE_NAMES, FaceSet
from classifier_training.nets import EmotionNet, width_of
from classifier_training.runs import network_input
from classifier_training.settings import ModelSettings

_BATCH = 256
_NET = "net."


class EmotionModel(nn.Module):
    """The network that will be served, and beside it a head for the FER+ votes that only training has."""

    def __init__(self, net: EmotionNet) -> None:
        super().__init__()
        self.net = net
        self.votes = nn.Linear(width_of(net), len(VOTE_NAMES))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Float (n, 1, h, w) to logits (n, classes) and vote logits (n, 10)."""
        features = self.net.features(x)
        return self.net.fc(features), self.votes(features)


class Validation:
    """The hold-out as the network is given it, kept in memory: on CUDA an epoch takes seconds."""

    def __init__(self, net: EmotionNet, holdout: FaceSet, model: ModelSettings, device: torch.device) -> None:
        self.served = copy.deepcopy(cast(nn.Module, net)).to(device).eval()
        self.inputs, self.labels, self.device = network_input(holdout.images, model), holdout.labels, device

    @torch.inference_mode()
    def figures(self, average: Mapping[str, Tensor]) -> dict[str, float]:
        """Accuracy and negative log-likelihood (nats) of averaged weights, where there is a hold-out."""
        if not len(self.labels):
            return {}
        self.served.load_state_dict({n.removeprefix(_NET): t for n, t in average.items() if n.startswith(_NET)})
        parts = torch.split(self.inputs, _BATCH)
        logits = torch.cat([self.served(part.to(self.device)).float().cpu() for part in parts])
        labels = torch.from_numpy(self.labels)
        accuracy = (logits.argmax(1) == labels).float().mean().item()
        return {"holdout_accuracy": accuracy, "holdout_nll": functional.cross_entropy(logits, labels).item()}
