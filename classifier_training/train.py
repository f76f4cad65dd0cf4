"""Trains one emotion classifier.

    python -m classifier_training.train classifier_training/configs/resnet29.yaml --data DIR --out runs/resnet29
    python -m classifier_training.train ... --resume runs/resnet29/checkpoint.pt      (exactly where it stopped)
    python -m classifier_training.train ... --resume classifier_training/resume/resnet29.safetensors   (weights only)
    torchrun --nproc-per-node 2 -m classifier_training.train ...      (OMP_NUM_THREADS=1; see together.py)

The whole set lies in memory as uint8; batches are augmented there, on the CPU or on CUDA. The run's folder gets the
checkpoint and the averaged weights after every epoch (once in 30 seconds where epochs are shorter, and at the end), its
curves as `history.jsonl` and for TensorBoard.
"""

import argparse
import io
import json
import math
import pickle
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn import functional
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from classifier_training.augment import Augmentation
from classifier_training.data import FaceSet, add_votes, read_faces
from classifier_training.errors import TrainingError, run_command, write_whole
from classifier_training.labels import LABEL_SETS
from classifier_training.losses import Batch, load_teacher, mixup_share, teacher_targets, total_loss
from classifier_training.nets import build
from classifier_training.plots import write_curves
from classifier_training.runs import (
    CHECKPOINT,
    HISTORY,
    HOLDOUT,
    WEIGHTS,
    RunWeights,
    read_weights,
    write_weights,
)
from classifier_training.schedule import Average, Progress, optimizer_for
from classifier_training.settings import ScheduleSettings, TrainingSettings, load_settings
from classifier_training.split import split_faces
from classifier_training.start import start
from classifier_training.together import join
from classifier_training.validation import EmotionModel, Validation
from worker.models.bf16 import computes_in_bf16

_LOOK_EVERY = 20
"""Steps after which the loss is checked."""

_SAVE_EVERY_S = 30.0
"""Seconds between two checkpoints: on CUDA an epoch may take two, and writing is no small share of that."""


class Training:
    """One run: data in memory, model, optimiser, average and random state; `save` and `resume` keep all of it."""

    def __init__(
        self, settings: TrainingSettings, train: FaceSet, holdout: FaceSet, run: Path, data: Path = Path()
    ) -> None:
        self.settings, self.run, self.holdout, self.together = settings, run, holdout, join()
        if settings.schedule.patience is not None and self.together.size > 1:
            raise TrainingError("schedule.patience works with one process: leave it out, or start without torchrun")
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(settings.seed)
        torch.backends.cudnn.benchmark = True
        self.generator = Generator(self.device).manual_seed(settings.seed + self.together.rank)
        self.dice = Generator().manual_seed(settings.seed + self.together.rank)
        self.augment = Augmentation(settings.augment, self.generator)
        self.classes = len(LABEL_SETS[settings.data.classes].names)
        self.images = torch.from_numpy(train.images).to(self.device)
        self.labels = torch.from_numpy(train.labels).to(self.device)
        self.votes = torch.from_numpy(train.votes).to(self.device).float() / 10.0
        counts = torch.bincount(self.labels, minlength=self.classes).float().clamp_min(1.0)
        weights = counts**-settings.data.balance_power
        self.weights = weights / (weights[self.labels].mean())
        net = build(settings.model.architecture, self.classes, settings.model.dropout)
        start(net, settings.located(data).model, train.images)
        self.model = EmotionModel(net).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.teachers = [load_teacher(folder, self.device) for folder in settings.loss.teachers]
        self.sizes = {settings.model.size, *(teacher.model.size for teacher in self.teachers)}
        self.bf16 = computes_in_bf16(settings.schedule.precision, self.device.type)
        self.average = Average(self.model, settings.schedule.ema)
        self.optimizer = optimizer_for(self.model, settings.schedule)
        self.progress = Progress(settings.schedule, max(1, len(train) // settings.schedule.batch))
        self.validation = Validation(net, holdout, settings.model, self.device)
        self.saved = -math.inf

    def fit(self, after_epoch: Callable[[dict[str, float]], None] | None = None) -> None:
        """Epochs until the schedule is over, or the hold-out's loss has not fallen for `patience` of them.

        `after_epoch` is given each epoch's figures; the search prunes through it.
        """
        best, best_epoch = float("inf"), self.progress.epoch
        with SummaryWriter(str(self.run)) if self.together.first else nullcontext() as board:
            while self.progress.done() < 1.0:
                entry = self._epoch()
                if board is None:
                    continue
                entry |= self.validation.figures(self.average.state)
                self._record(entry, board)
                if self.progress.done() >= 1.0 or time.monotonic() - self.saved >= _SAVE_EVERY_S:
                    self.save()
                if after_epoch is not None:
                    after_epoch(entry)
                if entry.get("holdout_nll", 0.0) < best:
                    best, best_epoch = entry.get("holdout_nll", 0.0), self.progress.epoch
                patience = self.settings.schedule.patience
                if patience is not None and self.progress.epoch - best_epoch >= patience:
                    print(f"stopped: the hold-out's loss has not fallen for {patience} epochs")
                    self.save()
                    break

    def _epoch(self) -> dict[str, float]:
        """One pass; ends early when the clock says so."""
        self.model.train()
        before, count = self.progress.seconds(), 0
        sums = torch.zeros(2, device=self.device)
        order = self._order()
        steps = tqdm(order, desc=f"epoch {self.progress.epoch + 1}", unit="batch", disable=None, leave=False)
        for rows in steps:
            sums += self._step(rows)
            count += 1
            if count % _LOOK_EVERY == 0:
                self._check(sums)
            if self.progress.done() >= 1.0:
                break
        self.progress.epoch += 1
        self._check(sums)
        total, right = sums.tolist()
        return {
            "epoch": self.progress.epoch,
            "loss": total / count,
            "train_accuracy": right / count,
            "rate": self.progress.rate(),
            "seconds": self.progress.seconds() - before,
            "done": self.progress.done(),
        }

    def _order(self) -> tuple[Tensor, ...]:
        """Rows of each batch: a new order of all, or draws that make the classes more even."""
        n = self.progress.steps_per_epoch * self.settings.schedule.batch
        if self.settings.data.balance == "sampler":
            drawn = torch.multinomial(self.weights[self.labels], n, replacement=True, generator=self.generator)
        else:
            # From the epoch's number, so that all processes have the same order.
            order = Generator().manual_seed(self.settings.seed * 1_000_003 + self.progress.epoch)
            drawn = torch.randperm(len(self.labels), generator=order)[:n].to(self.device)
        return torch.split(drawn, self.settings.schedule.batch)

    def _check(self, sums: Tensor) -> None:
        """Not at every step: reading a number from CUDA waits until it has caught up."""
        if not torch.isfinite(sums[0]):
            step = self.progress.step
            raise TrainingError(f"the loss is not finite at step {step} or shortly before: lower schedule.peak_rate")

    def _step(self, rows: Tensor) -> Tensor:
        """One update; (2,): the loss in nats, and the share of the (augmented) pictures that was named rightly."""
        rows = rows[self.together.rank :: self.together.size]
        self.optimizer.zero_grad(set_to_none=True)
        batch = self._batch(rows)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits, vote_logits = self.model(batch.inputs(self.settings.model))
            distil = self.settings.loss.distil_temperature
            soft = teacher_targets(self.teachers, batch, distil) if self.teachers else None
        loss = total_loss(logits, vote_logits, batch, soft, self.settings.loss)
        torch.autograd.backward(loss)
        cycle = self.progress.cycle()
        self.progress.step += 1
        self.progress.agreed = self.together.average(self.model, self.progress.measured())
        for group in self.optimizer.param_groups:
            group["lr"] = self.progress.rate()
            if "momentum" in group:
                group["momentum"] = self.progress.momentum()
        self.optimizer.step()
        self.average.update(self.model)
        if self.settings.schedule.cycles > 1 and self.progress.cycle() > cycle and self.together.first:
            write_weights(self.run / f"snapshot_{cycle + 1}.safetensors", self._weights())
        return torch.stack([loss.detach(), (logits.argmax(1) == self.labels[rows]).float().mean()])

    def _batch(self, rows: Tensor) -> Batch:
        loss = self.settings.loss
        labels = functional.one_hot(self.labels[rows], self.classes).float()
        if self.settings.data.balance == "loss":
            labels *= self.weights[self.labels[rows], None]
        batch = Batch(self.augment.views(self.images[rows], self.sizes), labels, self.votes[rows])
        draw = float(torch.rand(1, generator=self.dice))
        if draw < loss.mixup_p and self.progress.done() < loss.mixup_until:
            return batch.mixed(mixup_share(loss.mixup_alpha, self.dice))
        return batch

    def _record(self, entry: dict[str, float], board: SummaryWriter) -> None:
        with (self.run / HISTORY).open("a", encoding="utf-8") as history:
            history.write(json.dumps(entry) + "\n")
        for name, value in entry.items():
            board.add_scalar(name, value, self.progress.epoch)
        print(" ".join(f"{name} {value:.4g}" for name, value in entry.items()), flush=True)

    def _weights(self) -> RunWeights:
        progress, state = self.progress, {n: t.cpu() for n, t in self.average.state.items()}
        return RunWeights(state, self.settings, progress.epoch, progress.step, progress.seconds())

    def save(self) -> None:
        """Averaged weights, and everything that `resume` needs; each written beside the old one, then renamed."""
        self.saved = time.monotonic()
        write_weights(self.run / WEIGHTS, self._weights())
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state,
            "average_steps": self.average.steps,
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "dice": self.dice.get_state(),
            "torch_generator": torch.get_rng_state(),
            "epoch": self.progress.epoch,
            "step": self.progress.step,
            "seconds": self.progress.seconds(),
        }
        packed = io.BytesIO()
        torch.save(state, packed)
        write_whole(self.run / CHECKPOINT, packed.getvalue())

    def resume(self, path: Path) -> None:
        """Goes on from a checkpoint, or from averaged weights alone (then without the optimiser's momentum).

        Raises:
            TrainingError: the file is damaged, or belongs to another architecture.
        """
        try:
            if path.suffix == ".safetensors":
                weights = read_weights(path)
                self.model.load_state_dict(weights.tensors)
                self.average = Average(self.model, self.settings.schedule.ema)
                self._stand_at(weights.epoch, weights.step, weights.seconds)
                return
            state = torch.load(path, weights_only=True, map_location=self.device)
            self.model.load_state_dict(state["model"])
            self.average.state, self.average.steps = state["average"], state["average_steps"]
            self.optimizer.load_state_dict(state["optimizer"])
            self.generator.set_state(state["generator"].cpu())
            self.dice.set_state(state["dice"].cpu())
            torch.set_rng_state(state["torch_generator"].cpu())
            self._stand_at(state["epoch"], state["step"], state["seconds"])
        except (RuntimeError, LookupError, ValueError, EOFError, pickle.UnpicklingError) as error:
            reason = str(error).splitlines()[0]
            raise TrainingError(f"{path}: cannot be resumed from ({reason}); start again without --resume") from error

    def _stand_at(self, epoch: int, step: int, seconds: float) -> None:
        steps = self.progress.steps_per_epoch
        self.progress = Progress(self.settings.schedule, steps, epoch, step, seconds)


def prepare(settings: TrainingSettings, data: Path, run: Path, *, strict: bool = False) -> Training:
    """Reads the data, tells what cannot be used, splits it, and builds the run in its folder."""
    files = settings.located(data).data
    reading = read_faces(files.train, "train", strict=strict)
    for problem in reading.problems:
        print(f"skipped {problem}")
    faces = reading.faces if files.votes is None else add_votes(reading.faces, files.votes)
    train, holdout = split_faces(faces, settings.data)
    write_whole(run / HOLDOUT, json.dumps(holdout.rows.tolist()).encode())
    return Training(settings, train, holdout, run, data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", type=Path, help="YAML file, see configs/")
    parser.add_argument("--data", type=Path, required=True, help="folder that the settings' paths are relative to")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint, weights and curves")
    parser.add_argument("--minutes", type=float, help="anneal within so many minutes (schedule.minutes)")
    parser.add_argument("--resume", type=Path, help="a checkpoint.pt, or the weights.safetensors of a run")
    parser.add_argument("--strict", action="store_true", help="a row that cannot be used is an error")
    options = parser.parse_args()
    settings = load_settings(options.settings)
    if options.minutes is not None:
        schedule = ScheduleSettings.model_validate(settings.schedule.model_dump() | {"minutes": options.minutes})
        settings = settings.model_copy(update={"schedule": schedule})
    training = prepare(settings, options.data, options.out, strict=options.strict)
    if options.resume is not None:
        training.resume(options.resume)
    training.fit()
    if not training.together.first:
        return
    history = [json.loads(line) for line in (options.out / HISTORY).read_text(encoding="utf-8").splitlines()]
    write_curves(options.out / "curves.png", history)


if __name__ == "__main__":
    run_command(main)
