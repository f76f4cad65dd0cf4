"""The options `--detector`, `--classifier` and `--backend`, which several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

from worker.errors import SettingsError
from worker.settings import ModelsSettings
from worker.settings.values import SHIPPED

BackendOption = Literal["auto", "openvino", "torch"]


def chosen_models(detector: Path | None, classifier: Path | None, backend: str) -> ModelsSettings:
    """Settings of the models; None: the shipped one. Raises SettingsError: there is no such backend."""
    return ModelsSettings(
        detector=detector or SHIPPED / "detector",
        classifier=classifier or SHIPPED / "classifier",
        backend=chosen_backend(backend),
    )


def chosen_backend(backend: str) -> BackendOption:
    """The name, if it is one. Raises SettingsError."""
    if backend not in ("auto", "openvino", "torch"):
        raise SettingsError(f"--backend {backend}: choose auto, openvino or torch")
    return cast(BackendOption, backend)
