"""The network in training: ultralytics' YOLO11n with one class, its class branch 64 or 80 wide, and its start weights.

Ultralytics builds the class branch of a one-class model 64 wide and drops weights that do not fit without a word, at
the start and on resume. Here the width is built as asked, and every parameter is either loaded or named.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from detector_training.errors import RunError
from worker.models.nets.yolo11 import class_width_of

PERSON = 0
"""Row of `person` among COCO's 80 classes: the one-class layer starts from it."""
HEAD = "model.23"


def build_detection_model(class_width: int) -> Any:
    """Ultralytics' `DetectionModel` of YOLO11n with one class and a class branch of `class_width`, random weights."""
    from ultralytics.nn.tasks import DetectionModel

    # Ultralytics makes the branch as wide as there are classes, at least 64.
    model = DetectionModel("yolo11n.yaml", nc=80 if class_width == 80 else 1, verbose=False)
    head: Any = model.model[-1]
    if class_width == 80:
        for branch in head.cv3:
            branch[-1] = nn.Conv2d(branch[-1].in_channels, 1, 1)
        head.nc, head.no = 1, 1 + 4 * head.reg_max
        head.bias_init()
    model.nc = 1
    model.yaml["nc"] = 1
    model.names = {0: "face"}
    check_width(model, class_width)
    return model


def check_width(model: Any, class_width: int) -> None:
    """Raises RunError where the model's class branch is not as wide as asked, or has not one class."""
    state = model.state_dict()
    width, classes = class_width_of(state), state[f"{HEAD}.cv3.0.2.weight"].shape[0]
    if (width, classes) != (class_width, 1):
        raise RunError(f"the model's class branch is {width} wide with {classes} classes, not {class_width} with one")


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from `.safetensors`, or from an ultralytics checkpoint `.pt`; floats as float32.

    `yolo11n.pt` that is not there is fetched by ultralytics, where the machine is online.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: dict[str, Tensor] = load_file(path)
        else:
            from ultralytics.nn.tasks import load_checkpoint

            state = load_checkpoint(str(path))[0].state_dict()
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing: name start weights with --start") from error
    except Exception as error:  # of any kind: a .pt is a pickle, a damaged one calls whatever its bytes happen to name
        raise RunError(f"{path} holds no weights that can be read ({_first_line(error)}): take another file") from error
    return {name: value.float() if value.is_floating_point() else value for name, value in state.items()}


def read_about(path: Path) -> dict[str, str]:
    """What the metadata of a `.safetensors` file that `write_weights` wrote says; nothing for other files."""
    if path.suffix != ".safetensors":
        return {}
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return {name: text for name, text in (file.metadata() or {}).items() if name != "settings"}


def write_weights(state: dict[str, Tensor], path: Path, about: dict[str, str]) -> None:
    """A model's state as safetensors, floats as fp16, `about` as its metadata; beside, then renamed."""
    from safetensors.torch import save_file

    half = {
        name: (value.half() if value.is_floating_point() else value).cpu().contiguous() for name, value in state.items()
    }
    beside = path.with_suffix(".partial")
    save_file(half, beside, about)
    beside.replace(path)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def start_from(model: Any, state: dict[str, Tensor]) -> list[str]:
    """Load start weights; returns the parameters that keep their random values.

    From 80 classes the last layer takes the `person` row. A class branch of another width than the start's cannot be
    taken over: its layers stay random and are named.

    Raises:
        RunError: anything else does not fit.
    """
    target = model.state_dict()
    state = {name: _one_class(name, value, target) for name, value in state.items() if name in target}
    random = [name for name in target if name not in state or state[name].shape != target[name].shape]
    strange = [name for name in random if not name.startswith(f"{HEAD}.cv3.")]
    if strange:
        raise RunError(f"the start weights are no YOLO11n: {strange[0]} and {len(strange) - 1} more do not fit")
    model.load_state_dict({**target, **{name: state[name] for name in target if name not in random}})
    return random


def _one_class(name: str, value: Tensor, target: dict[str, Tensor]) -> Tensor:
    last = name.startswith(f"{HEAD}.cv3.") and name.split(".")[4] == "2"
    if last and value.shape[0] == 80 and target[name].shape[0] == 1:
        return value[PERSON : PERSON + 1].clone()
    return value


def restore(model: Any, state: dict[str, Tensor]) -> None:
    """Load a checkpoint of the same model, every parameter.

    Raises:
        RunError: the checkpoint is of another model.
    """
    try:
        model.load_state_dict(
            {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
        )
    except RuntimeError as error:
        raise RunError(f"the checkpoint does not fit the run's settings: {_first_line(error)}") from error
    if not all(torch.isfinite(value).all() for value in model.state_dict().values() if value.is_floating_point()):
        raise RunError("the checkpoint holds values that are no numbers: go back to an earlier one")
