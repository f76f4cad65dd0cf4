"""Ultralytics' trainer, made to keep the class branch's width, to use the whole machine and to write whole checkpoints.

Import it after `offline.quiet_ultralytics`.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import torch
import ultralytics.engine.trainer as engine
from ultralytics.data.dataset import YOLODataset
from ultralytics.models.yolo.detect import DetectionTrainer

from detector_training.cameras import CameraLook, SmallCopies
from detector_training.network import (
    build_detection_model,
    check_width,
    read_weights,
    restore,
    start_from,
    write_weights,
)
from detector_training.run_settings import CameraSettings, TrainSettings
from worker.models.bf16 import computes_in_bf16

RESUME = "resume.safetensors"
"""Averaged weights (EMA) as fp16 with epoch and settings: small enough for a repository, a start for the next stage."""


class FaceDataset(YOLODataset):  # type: ignore[misc]
    """Ultralytics' data set with the camera augmentation before the step that turns pixels into a tensor."""

    def __init__(self, *args: Any, camera: CameraSettings, **kwargs: Any) -> None:
        self._camera = camera
        super().__init__(*args, **kwargs)

    def build_transforms(self, hyp: Any = None) -> Any:
        transforms = super().build_transforms(hyp)
        if self.augment:
            for step in (SmallCopies(self._camera.small_copies), CameraLook(self._camera)):
                transforms.insert(len(transforms.transforms) - 1, step)
        return transforms


class FaceTrainer(DetectionTrainer):  # type: ignore[misc]
    """Builds the model as the settings say, at the start and on resume.

    Args:
        settings: of the run.
        start: start weights; None goes on from the checkpoint that `overrides["resume"]` names.
        overrides: ultralytics' arguments.
    """

    def __init__(self, settings: TrainSettings, start: Path | None, overrides: dict[str, Any]) -> None:
        self._settings, self._start = settings, start
        super().__init__(overrides=overrides)

    def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> Any:  # noqa: ARG002
        model = build_detection_model(self._settings.class_width)
        if weights is not None:
            restore(model, weights.state_dict())
        elif self._start is not None:
            for name in start_from(model, read_weights(self._start)):
                print(f"starts from random values: {name}")
        return model

    def build_dataset(self, img_path: Any, mode: str = "train", batch: int | None = None) -> FaceDataset:
        return FaceDataset(
            img_path=img_path,
            imgsz=self.args.imgsz,
            batch_size=batch,
            augment=mode == "train",
            hyp=copy(self.args),
            rect=mode == "val",
            stride=32,
            pad=0.0 if mode == "train" else 0.5,
            prefix=f"{mode}: ",
            task="detect",
            data=self.data,
            camera=self._settings.camera,
        )

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Pictures as channels last, as the weights are: 0.6 of the time of a step on a CPU in f32."""
        ready: dict[str, Any] = super().preprocess_batch(batch)
        ready["img"] = ready["img"].contiguous(memory_format=torch.channels_last)
        return ready

    def save_model(self) -> bool:
        """Write checkpoints beside, then rename: a full disk or a kill leaves the earlier one whole."""
        check_width(self.ema.ema, self._settings.class_width)
        last, best = self.wdir / "last.pt", self.wdir / "best.pt"
        self.last, self.best = self.wdir / "last.pt.partial", self.wdir / "best.pt.partial"
        try:
            done = bool(super().save_model())
            for written, path in ((self.last, last), (self.best, best)):
                if written.exists():
                    written.replace(path)
        finally:
            self.last, self.best = last, best
        about = {"epoch": str(self.epoch + 1), "settings": self._settings.model_dump_json()}
        write_weights(self.ema.ema.state_dict(), self.wdir / RESUME, about)
        return done


def overrides_for(settings: TrainSettings, data: Path, run: Path, device: str) -> dict[str, Any]:
    """Our settings in ultralytics' names."""
    bf16 = computes_in_bf16(settings.precision, device)
    mosaic = settings.mosaic
    return {
        "task": "detect",
        "mode": "train",
        "model": f"{settings.architecture}.yaml",
        "data": str(data),
        "project": str(run.resolve().parent),
        "name": run.name,
        "exist_ok": True,
        "device": device,
        "epochs": settings.epochs,
        "batch": settings.batch,
        "nbs": settings.step_pictures,
        "imgsz": settings.size_px,
        "seed": settings.seed,
        "optimizer": "SGD",
        "lr0": settings.peak_rate,
        "lrf": settings.final_share,
        "cos_lr": True,
        "momentum": settings.momentum,
        "weight_decay": settings.weight_decay,
        "warmup_epochs": settings.warmup_epochs,
        "warmup_bias_lr": settings.peak_rate,
        "patience": 0,
        "amp": "bf16" if bf16 else False,  # True would fetch a model to test with
        "pretrained": False,
        "freeze": settings.freeze,
        "val": settings.validate_every_epoch,
        "plots": False,
        "mosaic": mosaic.mosaic,
        "close_mosaic": min(mosaic.plain_epochs, settings.epochs - 1),
        "scale": mosaic.scale,
        "translate": mosaic.translate,
        "degrees": mosaic.degrees,
        "fliplr": mosaic.mirror,
        "hsv_h": mosaic.hue,
        "hsv_s": mosaic.saturation,
        "hsv_v": mosaic.value,
        "workers": 8,
    }


def make_trainer(
    settings: TrainSettings,
    overrides: dict[str, Any],
    start: Path | None,
    threads: int,
    after_epoch: Callable[[], None],
) -> FaceTrainer:
    """A trainer ready for `train()`; `after_epoch` is called when an epoch's figures are written."""
    if overrides["device"] == "cpu":
        engine.autocast = _autocast_on_cpu
    trainer = FaceTrainer(settings, start, overrides)
    if overrides["device"] == "cpu":
        trainer.args.workers = 1  # ultralytics sets 0; one loader process augments beside the training
    trainer.add_callback("on_train_start", lambda _: torch.set_num_threads(threads))  # it takes one core fewer
    trainer.add_callback("on_train_start", lambda started: started.model.to(memory_format=torch.channels_last))
    trainer.add_callback("on_fit_epoch_end", lambda _: after_epoch())
    return trainer


def _autocast_on_cpu(enabled: bool | torch.dtype, **_: Any) -> torch.autocast:
    """Ultralytics refuses bf16 on a CPU; torch computes it there in half the time of f32."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=bool(enabled))
