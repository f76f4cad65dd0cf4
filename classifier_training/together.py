"""Several processes that train one network: each takes its share of every batch, and gradients are averaged.

`torchrun --nproc-per-node 2 -m classifier_training.train ...` starts them. On few busy cores, processes of one thread
each beat one process of many threads by far: they wait for one another once a step, not at every layer.
"""

import os
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn

_TIMEOUT = timedelta(minutes=60)
"""The first process validates and saves alone, while the others wait for its next step."""


@dataclass(frozen=True)
class Together:
    """This process among `size` of them; a run of one process needs nothing of this."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that validates, prints and writes."""
        return self.rank == 0

    def average(self, model: nn.Module, done: float) -> float:
        """Averages the gradients over all processes, in place, and `done`, how far each thinks the run is."""
        if self.size == 1:
            return done
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        flat = torch.cat([*(g.reshape(-1) for g in gradients), gradients[0].new_tensor([done])])
        dist.all_reduce(flat)
        flat /= self.size
        parts = torch.split(flat[:-1], [g.numel() for g in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
        return float(flat[-1])


def join() -> Together:
    """The group that torchrun describes in the environment, or a run of one process."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Together()
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=_TIMEOUT)
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    return Together(dist.get_rank(), dist.get_world_size())
