"""How far a run is, the learning rate that follows from it, the optimiser and the average of the weights."""

import math
import time
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from classifier_training.settings import ScheduleSettings

_ONE_CYCLE_MOMENTUM = (0.85, 0.95)
_FIRST_RATE = 0.02
"""Share of the peak rate at which the warm-up starts."""


@dataclass
class Progress:
    """Epochs, steps and seconds of training (pauses between resumed parts do not count).

    `agreed` is the share that several processes have agreed on, so that all of them end together.
    """

    schedule: ScheduleSettings
    steps_per_epoch: int
    epoch: int = 0
    step: int = 0
    seconds_before: float = 0.0
    agreed: float | None = None
    started: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self.started

    def done(self) -> float:
        """0 at the start, 1 at the end: what was agreed on, or what this process measures."""
        return self.measured() if self.agreed is None else self.agreed

    def measured(self) -> float:
        """0 at the start, 1 at the end: by steps, or by the clock where that is further and the run has a limit."""
        by_steps = self.step / (self.schedule.epochs * self.steps_per_epoch)
        if self.schedule.minutes is None:
            return min(1.0, by_steps)
        return min(1.0, max(by_steps, self.seconds() / (60.0 * self.schedule.minutes)))

    def cycle(self) -> int:
        """Which cosine cycle the run is in, from 0; the number of cycles when it is over."""
        return int(self.done() * self.schedule.cycles)

    def rate(self) -> float:
        """Linear warm-up to the peak, then a half cosine to zero, in every cycle."""
        done = self.done()
        phase = 1.0 if done >= 1.0 else (done * self.schedule.cycles) % 1.0
        return self.schedule.peak_rate * _shape(phase, self.schedule.warmup)

    def momentum(self) -> float:
        """Constant, but for one-cycle, where it falls while the rate rises (Smith 2018)."""
        if self.schedule.shape == "cosine":
            return self.schedule.momentum
        low, high = _ONE_CYCLE_MOMENTUM
        return high - (high - low) * _shape(self.done(), self.schedule.warmup)


def _shape(phase: float, warmup: float) -> float:
    if phase < warmup:
        return _FIRST_RATE + (1.0 - _FIRST_RATE) * phase / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (phase - warmup) / (1.0 - warmup)))


def optimizer_for(model: nn.Module, schedule: ScheduleSettings) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, or AdamW; no weight decay on norms and biases."""
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": schedule.weight_decay},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if schedule.optimizer == "adam":
        return torch.optim.AdamW(groups, lr=schedule.peak_rate)
    return torch.optim.SGD(groups, lr=schedule.peak_rate, momentum=schedule.momentum, nesterov=schedule.momentum > 0)


class Average:
    """Exponential moving average of a model's weights and norm statistics, warmed up so that early steps count.

    Attributes:
        state: by name, like the model's `state_dict`.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    def update(self, model: nn.Module) -> None:
        """Takes in the model's weights after a step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        now = model.state_dict()
        real = [name for name, tensor in now.items() if tensor.is_floating_point()]
        # All tensors in one call: on CUDA each call of its own is a launch.
        lerp = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        lerp([self.state[name] for name in real], [now[name] for name in real], self.steps)
        for name in now.keys() - real:
            self.state[name].copy_(now[name])
