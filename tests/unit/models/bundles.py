"""The shipped bundles, and small copies that a test may damage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from worker.face import EMOTIONS
from worker.models.bundle import (
    Bundle,
    ClassifierManifest,
    ClassifierThresholds,
    Crop,
    DetectorManifest,
    DetectorThresholds,
    Gates,
    Licences,
    load_bundle,
)

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "worker" / "bundles"
PORTRAITS = ROOT / "worker" / "demo"
LICENCES = Licences(code="AGPL-3.0-or-later", data="none")
FILES = {"model.xml": b"<net/>", "model.bin": b"12", "model.safetensors": b"345", "MODEL_CARD.md": b"# Card\n"}


def shipped_detector() -> Bundle[DetectorManifest]:
    return load_bundle(SHIPPED / "detector", "detector")


def shipped_classifier() -> Bundle[ClassifierManifest]:
    return load_bundle(SHIPPED / "classifier", "classifier")


def detector_manifest(**changes: Any) -> DetectorManifest:
    values: dict[str, Any] = {
        "name": "tiny",
        "version": "1.0",
        "gmac": 1.0,
        "licences": LICENCES,
        "thresholds": DetectorThresholds(score=0.5, nms_iou=0.6),
    }
    return DetectorManifest.model_validate({**values, **changes})


def classifier_manifest(**changes: Any) -> ClassifierManifest:
    values: dict[str, Any] = {
        "name": "tiny",
        "version": "1.0",
        "labels": EMOTIONS,
        "gmac": 1.0,
        "licences": LICENCES,
        "crop": Crop(margin=1.0, dy=0.0),
        "mean": 100.0,
        "scale": 50.0,
        "temperature": 2.0,
        "thresholds": ClassifierThresholds(
            low_confidence=0.4, gates=Gates(size_px=16, sharpness=0.1, brightness=0.1, inside=0.8)
        ),
    }
    return ClassifierManifest.model_validate({**values, **changes})


def edit_manifest(folder: Path, **changes: Any) -> None:
    """Replace top-level keys of a bundle's manifest; None removes a key."""
    path = folder / "manifest.json"
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def copy_of(bundle: Path, folder: Path) -> Path:
    shutil.copytree(bundle, folder)
    return folder
