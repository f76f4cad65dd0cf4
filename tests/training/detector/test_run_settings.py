"""Settings files: the shipped ones are whole, wrong ones are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

import detector_training
from detector_training.errors import DataError, RunError
from detector_training.run_settings import TrainSettings, load_settings

CONFIGS = sorted((Path(detector_training.__file__).parent / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_settings_load(path: Path) -> None:
    assert load_settings(path).epochs >= 1


def test_the_explained_file_names_every_field() -> None:
    text = (CONFIGS[0].parent / "coco_80.yaml").read_text()
    for name in TrainSettings.model_fields:
        assert f"\n{name}:" in text
    explained = load_settings(CONFIGS[0].parent / "coco_80.yaml")
    assert explained.model_copy(update={"repeat": {}}) == TrainSettings()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epochz: 3", "epochz"),
        ("epochs: 0", "epochs"),
        ("architecture: yolo99", "architecture"),
        ("size_px: 500", "size_px"),
        ("camera: {gray: 2}", "camera.gray"),
        ("a: [", "no YAML"),
    ],
)
def test_wrong_settings_are_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(RunError, match=words):
        load_settings(path)
    with pytest.raises(RunError, match="cannot be read"):
        load_settings(tmp_path / "none.yaml")


def test_a_run_needs_prepared_data(tmp_path: Path) -> None:
    pytest.importorskip("ultralytics")
    from detector_training.train import begin

    with pytest.raises(DataError, match="prepare first"):
        begin(TrainSettings(), tmp_path, None, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    with pytest.raises(RunError, match="--resume"):
        begin(TrainSettings(), tmp_path, None, tmp_path / "run")
