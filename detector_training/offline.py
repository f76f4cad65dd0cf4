"""Keep ultralytics to itself: no analytics, no hub, no experiment trackers, no installs."""

from __future__ import annotations

import os
from pathlib import Path


def quiet_ultralytics(folder: Path, fetch: bool = False) -> None:
    """Turn off what ultralytics would send, and keep its settings in `folder`; must run before its first import.

    Args:
        folder: made where it is missing.
        fetch: let it look whether the machine is online, so that it can fetch start weights.
    """
    if not fetch:
        os.environ["YOLO_OFFLINE"] = "True"
    os.environ["YOLO_AUTOINSTALL"] = "False"
    os.environ["YOLO_CONFIG_DIR"] = str(folder)
    folder.mkdir(parents=True, exist_ok=True)
    from ultralytics.utils import SETTINGS

    trackers = ("sync", "clearml", "comet", "dvc", "hub", "mlflow", "neptune", "raytune", "tensorboard", "wandb")
    SETTINGS.update({name: False for name in trackers if name in SETTINGS})
