"""What a step of training minimises: labels, FER+ votes and teachers, on pictures that may be mixed up."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from classifier_training.nets import EmotionNet
from classifier_training.settings import LossSettings


@dataclass(frozen=True)
class Batch:
    """Inputs (n, 1, h, w) with soft targets: `labels` (n, classes) and `votes` (n, 10), whose rows sum to 1 or 0."""

    inputs: Tensor
    labels: Tensor
    votes: Tensor

    def mixed(self, share: float) -> "Batch":
        """Each picture with `share` of itself and the rest of its mirror partner in the batch (mixup, Zhang 2018)."""
        return Batch(*(share * v + (1.0 - share) * v.flip(0) for v in (self.inputs, self.labels, self.votes)))


def mixup_share(alpha: float, generator: Generator) -> float:
    """A draw from Beta(alpha, alpha)."""
    gammas = torch._standard_gamma(torch.full((2,), alpha), generator=generator)  # the only one that takes a generator
    return float(gammas[0] / gammas.sum().clamp_min(1e-12))


def soft_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy in nats of logits (n, k) with soft targets (n, k); a row of zeros counts for nothing."""
    if smoothing:
        targets = targets * (1.0 - smoothing) + targets.sum(1, keepdim=True) * smoothing / targets.shape[1]
    return -(targets * functional.log_softmax(logits.float(), dim=1)).sum(1).mean()


@torch.no_grad()
def teacher_targets(teachers: Sequence[EmotionNet], inputs: Tensor, temperature: float) -> Tensor:
    """Mean of the teachers' softened probabilities on the same augmented inputs (Beyer et al. 2022)."""
    soft = [functional.softmax(teacher(inputs).float() / temperature, dim=1) for teacher in teachers]
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
