"""What a step of training minimises: labels, FER+ votes and teachers, on pictures that may be mixed up."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from classifier_training.nets import EmotionNet
from classifier_training.runs import load_network, read_weights
from classifier_training.settings import LossSettings, ModelSettings


@dataclass(frozen=True)
class Batch:
    """Pictures with soft targets: `labels` (n, classes) and `votes` (n, 10), whose rows sum to 1 or 0.

    `views` holds the same augmented pictures at the size of every network that looks at them: float (n, 1, size, size),
    0 to 255.
    """

    views: dict[int, Tensor]
    labels: Tensor
    votes: Tensor

    def inputs(self, model: ModelSettings) -> Tensor:
        """What the network of `model` is given, channels last."""
        normal = (self.views[model.size] - model.mean) / model.scale
        return normal.contiguous(memory_format=torch.channels_last)

    def mixed(self, share: float) -> "Batch":
        """Each picture with `share` of itself and the rest of its mirror partner in the batch (mixup, Zhang 2018)."""

        def mix(values: Tensor) -> Tensor:
            return share * values + (1.0 - share) * values.flip(0)

        views = {size: mix(pictures) for size, pictures in self.views.items()}
        return Batch(views, mix(self.labels), mix(self.votes))


@dataclass(frozen=True)
class Teacher:
    """A trained network in evaluation mode, and what it wants to be given."""

    net: EmotionNet
    model: ModelSettings


def mixup_share(alpha: float, generator: Generator) -> float:
    """A draw from Beta(alpha, alpha); `generator` is of the CPU."""
    gammas = torch._standard_gamma(torch.full((2,), alpha), generator=generator)  # the only one that takes a generator
    return float(gammas[0] / gammas.sum().clamp_min(1e-12))


def soft_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy in nats of logits (n, k) with soft targets (n, k); a row of zeros counts for nothing."""
    if smoothing:
        targets = targets * (1.0 - smoothing) + targets.sum(1, keepdim=True) * smoothing / targets.shape[1]
    return -(targets * functional.log_softmax(logits.float(), dim=1)).sum(1).mean()


def load_teacher(run: Path, device: torch.device) -> Teacher:
    """The network of a run's folder, ready on `device`."""
    weights = read_weights(run)
    net = load_network(weights)
    cast(nn.Module, net).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Teacher(net, weights.settings.model)


@torch.no_grad()
def teacher_targets(teachers: Sequence[Teacher], batch: Batch, temperature: float) -> Tensor:
    """Mean of the teachers' softened probabilities on the same augmented pictures (Beyer et al. 2022)."""
    logits = [teacher.net(batch.inputs(teacher.model)).float() for teacher in teachers]
    soft = [functional.softmax(of_one / temperature, dim=1) for of_one in logits]
    return torch.stack(soft).mean(0)


def total_loss(
    logits: Tensor, vote_logits: Tensor, batch: Batch, soft: Tensor | None, settings: LossSettings
) -> Tensor:
    """Labels (with label smoothing), plus votes, plus the teachers' targets `soft` (n, classes) where there are any."""
    loss = soft_cross_entropy(logits, batch.labels, settings.label_smoothing)
    if soft is not None:
        t = settings.distil_temperature
        distance = soft_cross_entropy(logits / t, soft) * t * t
        loss = (1.0 - settings.distil) * loss + settings.distil * distance
    if settings.votes:
        loss = loss + settings.votes * soft_cross_entropy(vote_logits, batch.votes)
    return loss
