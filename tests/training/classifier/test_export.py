"""A trained network becomes a bundle that gives the same answers, or an error and nothing written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier_training.errors import TrainingError
from classifier_training.evaluate import SHIPPED, measure_all, measure_robustness
from classifier_training.export import export
from classifier_training.gates import _poor_until, _smallest_side
from classifier_training.labels import LABEL_SETS
from classifier_training.measure import softmax
from classifier_training.predict import average_predictor, bundle_predictor, run_predictor
from classifier_training.runs import WEIGHTS, load_network, logits_of, read_weights
from classifier_training.settings import TrainingSettings
from classifier_training.train import prepare
from tests.training.classifier.conftest import drawn_faces, write_parquet
from worker.models.bundle import Crop

CROP = Crop(margin=1.2, dy=0.0)


def trained(folder: Path, architecture: str = "resnet29") -> tuple[Path, Path]:
    """A run of one epoch on drawn faces, and its data."""
    data = folder / "data"
    data.mkdir()
    write_parquet(drawn_faces(70), data / "train.parquet")
    settings = TrainingSettings.model_validate(
        {
            "data": {"train": ["data"], "holdout_rows": 28},
            "model": {"architecture": architecture, "size": 64 if architecture == "resnet29" else 48},
            "schedule": {"epochs": 1, "batch": 8, "precision": "f32", "ema": 0.5},
        }
    )
    run = folder / "run"
    prepare(settings, folder, run).fit()
    return run, data


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_export_load_and_compare(tmp_path: Path) -> None:
    run, data = trained(tmp_path)
    bundle = export(run, data, tmp_path / "bundle", "0.1", crop=CROP, validation=False)
    manifest = bundle.manifest
    faces = drawn_faces(12, seed=9)
    weights = read_weights(run / WEIGHTS)
    wanted = softmax(logits_of(load_network(weights), faces.images, weights.settings.model), manifest.temperature)
    found = bundle_predictor(tmp_path / "bundle", "f32").classify(faces.images)
    np.testing.assert_allclose(found, wanted, atol=2e-3)
    assert manifest.crop == CROP
    assert set(manifest.metrics) == {"holdout"}
    holdout: Any = manifest.metrics["holdout"]
    assert "f32" in holdout
    card = (tmp_path / "bundle" / "MODEL_CARD.md").read_text()
    assert "No demographic audit" in card
    assert str(manifest.temperature) in card
    assert json.loads((tmp_path / "bundle" / "manifest.json").read_text())["gmac"] == pytest.approx(0.2375, abs=1e-4)


def test_other_architectures_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    run, data = trained(tmp_path, "lenet")
    with pytest.raises(TrainingError, match="not lenet"):
        export(run, data, tmp_path / "bundle", "0.1", crop=CROP, validation=False)
    assert not (tmp_path / "bundle").exists()


def test_a_run_without_a_hold_out_is_refused(tmp_path: Path) -> None:
    run, data = trained(tmp_path, "lenet")
    (run / "holdout_rows.json").write_text("[]")
    with pytest.raises(TrainingError, match="hold-out"):
        export(run, data, tmp_path / "bundle", "0.1", crop=CROP, validation=False)


def test_figures_of_the_shipped_bundle_have_every_key() -> None:
    predictor = bundle_predictor(SHIPPED)
    faces = drawn_faces(14)
    figures = measure_all(predictor, faces, LABEL_SETS[7], faces)
    figures |= measure_robustness(predictor, faces, LABEL_SETS[7])
    keys = """accuracy accuracy_no_copies balanced_accuracy macro_f1 ece nll brier temperature threshold coverage
    selective_accuracy_70 images per_class robustness tta gmac compute_precision bundle_sha256"""
    assert set(keys.split()) <= set(figures)
    assert figures["accuracy_no_copies"] is None  # each has a copy in training
    assert figures["exact_copies"] == 14
    json.dumps(figures)


def test_an_average_is_the_mean_of_its_members(tmp_path: Path) -> None:
    run, _ = trained(tmp_path, "lenet")
    path = run / WEIGHTS
    images = drawn_faces(3).images
    one, two = run_predictor(path), average_predictor([path, path])
    np.testing.assert_allclose(one.classify(images), two.classify(images), atol=1e-6)
    assert two.gmac == pytest.approx(2 * (one.gmac or 0))


def test_gates_end_where_half_are_right() -> None:
    values = np.repeat([0.05, 0.15, 0.25, 0.35], 50).tolist()
    right = [np.arange(50) < share for share in (10, 20, 30, 5)]
    assert _poor_until(values, right) == pytest.approx(0.16)
    assert _poor_until(values[:50], [np.ones(50, bool)]) == 0.0
    assert _smallest_side([0.2, 0.3, 0.6, 0.45, 0.5, 0.6, 0.7, 0.8]) == 14
