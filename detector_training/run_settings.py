"""Settings of a training run: one YAML file, every field checked; configs/*.yaml explain them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from detector_training.errors import RunError

Chance = Annotated[float, Field(ge=0.0, le=1.0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CameraSettings(_Part):
    """How often a training picture is made to look as from a camera: shares of the pictures."""

    gray: Chance = 0.15
    gamma: Chance = 0.25
    downscale: Chance = 0.2
    motion_blur: Chance = 0.1
    noise: Chance = 0.15
    jpeg: Chance = 0.3
    hide: Chance = 0.1
    small_copies: Chance = 0.3


class MosaicSettings(_Part):
    """Ultralytics' own augmentation: four pictures in one, scaling, mirroring, colour."""

    mosaic: Chance = 0.8
    plain_epochs: int = Field(2, ge=0, description="epochs at the end without mosaic")
    scale: float = Field(0.6, ge=0.0, lt=1.0)
    translate: float = Field(0.1, ge=0.0, le=0.5)
    degrees: float = Field(5.0, ge=0.0, le=45.0)
    mirror: Chance = 0.5
    hue: Chance = 0.015
    saturation: Chance = 0.6
    value: Chance = 0.4


class TrainSettings(_Part):
    """One stage of training."""

    architecture: Literal["yolo11n"] = "yolo11n"
    class_width: Literal[64, 80] = 80
    size_px: int = Field(512, ge=64, le=1280, multiple_of=32)
    epochs: int = Field(25, ge=1)
    batch: int = Field(16, ge=1)
    step_pictures: int = Field(64, ge=1)
    peak_rate: float = Field(0.01, gt=0.0, le=1.0)
    final_share: float = Field(0.02, gt=0.0, le=1.0)
    warmup_epochs: float = Field(1.0, ge=0.0)
    momentum: float = Field(0.937, ge=0.0, lt=1.0)
    weight_decay: float = Field(5e-4, ge=0.0)
    freeze: int = Field(0, ge=0, le=10, description="so many first layers stay as the start weights have them")
    repeat: dict[str, int] = {}
    validate_every_epoch: bool = True
    precision: Literal["auto", "bf16", "f32"] = "auto"
    seed: int = 0
    mosaic: MosaicSettings = MosaicSettings()
    camera: CameraSettings = CameraSettings()


def load_settings(path: Path) -> TrainSettings:
    """Read a settings file.

    Raises:
        RunError: it is missing, no YAML, or a field is unknown or out of bounds.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return TrainSettings.model_validate(content or {})
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}): name a settings file with --settings") from error
    except yaml.YAMLError as error:
        raise RunError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise RunError(f"{path}: {where}: {first['msg']} (got {first['input']!r})") from error
