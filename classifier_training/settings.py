"""Settings of a training run: one YAML file, every key checked."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from classifier_training.augment import AugmentSettings
from classifier_training.errors import TrainingError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSettings(_Section):
    """Paths are relative to the folder given as `--data`."""

    train: tuple[Path, ...] = (Path("fer2013"),)
    votes: Path | None = Field(None, description="FER+'s fer2013new.csv, where the data does not hold the votes")
    classes: Literal[7, 6, 4, 2] = 7
    holdout_rows: int = Field(2900, ge=0)
    holdout_seed: int = 0
    per_class: int | None = Field(None, ge=1, description="at most so many rows of each class")
    balance: Literal["none", "sampler", "loss"] = "none"
    balance_power: float = Field(
        0.5, ge=0.0, le=1.0, description="1 makes all classes count the same, 0 changes nothing"
    )


class ModelSettings(_Section):
    architecture: str = "resnet29"
    size: int = Field(64, ge=32, description="side of the network's input, pixels")
    mean: float = 114.03
    scale: float = Field(256.0, gt=0.0)
    dropout: float = Field(0.3, ge=0.0, lt=1.0)
    start: Path | None = Field(None, description="dlib's weights, or those of an earlier run of the same architecture")
    imagenet: bool = Field(True, description="start imagenet_resnet18 from ImageNet's weights (downloaded)")
    members: tuple[Path, ...] = Field((), description="weights of the runs that a blend starts from, in its order")


class ScheduleSettings(_Section):
    """`minutes` bounds the run by the clock: the learning rate follows the clock, so the run still ends annealed."""

    epochs: int = Field(60, ge=1)
    minutes: float | None = Field(None, gt=0.0)
    batch: int = Field(128, ge=2)
    optimizer: Literal["sgd", "adam"] = "sgd"
    shape: Literal["cosine", "one_cycle"] = "cosine"
    cycles: int = Field(1, ge=1, description="cosine restarts; a snapshot is kept at the end of each")
    peak_rate: float = Field(0.03, gt=0.0)
    warmup: float = Field(0.06, ge=0.0, lt=1.0)
    momentum: float = Field(0.9, ge=0.0, lt=1.0)
    weight_decay: float = Field(5e-4, ge=0.0)
    ema: float = Field(0.999, ge=0.0, lt=1.0)
    patience: int | None = Field(None, ge=1, description="epochs without a lower hold-out loss before the run stops")
    precision: Literal["auto", "bf16", "f32"] = "auto"


class LossSettings(_Section):
    label_smoothing: float = Field(0.05, ge=0.0, lt=1.0)
    votes: float = Field(0.0, ge=0.0, description="weight of the auxiliary head on FER+ votes")
    mixup_p: float = Field(0.0, ge=0.0, le=1.0)
    mixup_alpha: float = Field(0.2, gt=0.0)
    mixup_until: float = Field(0.8, ge=0.0, le=1.0, description="share of the run after which mixup stops")
    teachers: tuple[Path, ...] = Field((), description="folders of runs to distil from")
    distil: float = Field(0.7, ge=0.0, le=1.0, description="weight of the teachers, the labels get the rest")
    distil_temperature: float = Field(3.0, gt=0.0)


class TrainingSettings(_Section):
    seed: int = 0
    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    loss: LossSettings = LossSettings()
    augment: AugmentSettings = AugmentSettings()

    def located(self, data: Path) -> "TrainingSettings":
        """The same settings with the paths of data and starting weights below `data`."""
        files = {
            "train": tuple(data / path for path in self.data.train),
            "votes": self.data.votes and data / self.data.votes,
        }
        model = self.model.model_copy(update={"start": self.model.start and data / self.model.start})
        return self.model_copy(update={"data": self.data.model_copy(update=files), "model": model})


def load_settings(path: Path) -> TrainingSettings:
    """Reads a YAML file.

    Raises:
        TrainingError: not readable, not YAML, or a key or value that is not allowed.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return TrainingSettings.model_validate(content)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise TrainingError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise TrainingError(f"{path}: {where}: {first['msg']}") from error
