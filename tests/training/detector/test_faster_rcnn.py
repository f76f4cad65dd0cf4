"""The Faster R-CNN baseline on a tiny set: only the last layers change, and the file detects as the model did."""

from __future__ import annotations

import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from detector_training.detectors import open_other  # noqa: E402
from detector_training.errors import DataError, RunError  # noqa: E402
from detector_training.faster_rcnn import RETRAINED, as_example, build, save, train  # noqa: E402
from detector_training.formats import read_yolo  # noqa: E402
from detector_training.pictures import Picture  # noqa: E402
from detector_training.seen import read_picture  # noqa: E402
from tests.training.detector.made import write_yolo  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def pictures(tmp_path: Path) -> list[Picture]:
    write_yolo(tmp_path / "set", 2)
    (tmp_path / "set" / "labels" / "p01.txt").write_text("")  # a picture without faces trains too
    return read_yolo("set", tmp_path / "set").pictures


def test_only_the_last_layers_are_trained_and_the_file_detects_the_same(
    tmp_path: Path, pictures: list[Picture]
) -> None:
    torch.manual_seed(0)
    model = build("mobilenet", None)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    losses = train(model, pictures, epochs=1, batch=2, rate=0.01, seed=0)
    assert np.isfinite(losses).all()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith(RETRAINED) for name in changed)
    file = tmp_path / "faster_rcnn_tiny.pt"
    save(model, "mobilenet", file)
    pixels = read_picture(pictures[0].path)
    seen = open_other(file)(pixels)
    model.eval()
    with torch.inference_mode():
        wanted = model([as_example(pictures[0], False)[0]])[0]
    kept = len(seen.boxes)
    np.testing.assert_allclose(seen.boxes[:, 4], wanted["scores"][:kept], atol=1e-5)
    np.testing.assert_allclose(seen.boxes[:, :4] * seen.scale, wanted["boxes"][:kept], atol=1e-2)


def test_mirrored_examples_mirror_their_boxes(pictures: list[Picture]) -> None:
    (plain, boxes), (mirrored, other) = (as_example(pictures[0], mirror) for mirror in (False, True))
    torch.testing.assert_close(plain.flip(2), mirrored)
    width = plain.shape[2]
    torch.testing.assert_close(other["boxes"][:, [2, 0]], width - boxes["boxes"][:, [0, 2]])


def test_offline_is_told_and_damaged_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision.models._api as api

    def refuse(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(api, "load_state_dict_from_url", refuse)
    with pytest.raises(RunError, match="offline"):
        build("mobilenet", "coco")
    with pytest.raises(RunError, match="are no"):
        build("mobilenet", {"a": torch.zeros(1)})
    damaged = tmp_path / "faster_rcnn.pt"
    torch.save({"architecture": "mobilenet"}, damaged)
    with pytest.raises(DataError, match="train it again"):
        open_other(damaged)
