"""The network in training keeps its class branch, takes over every weight it can, and equals the one that serves."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ultralytics")

from detector_training.errors import RunError  # noqa: E402
from detector_training.network import (  # noqa: E402
    build_detection_model,
    check_width,
    read_weights,
    restore,
    start_from,
)
from tests.shared_data import shared  # noqa: E402
from worker.models.nets.yolo11 import YOLO11n, class_width_of  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("width", [64, 80])
def test_the_class_branch_is_as_wide_as_asked(width: int) -> None:
    model = build_detection_model(width)
    assert class_width_of(model.state_dict()) == width
    assert model.model[-1].nc == model.nc == 1
    with pytest.raises(RunError, match="wide"):
        check_width(model, 144 - width)


@pytest.mark.parametrize("width", [64, 80])
def test_training_and_serving_compute_the_same(width: int) -> None:
    model = build_detection_model(width).eval()
    serving = YOLO11n(1, width).eval()
    serving.load_state_dict(model.state_dict())
    picture = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        raw = model(picture)[1]
        trained = torch.cat([raw["boxes"], raw["scores"]], 1)
        torch.testing.assert_close(serving(picture), trained, atol=1e-4, rtol=1e-4)


def test_the_coco_start_is_taken_over_whole_with_its_person_row() -> None:
    state = read_weights(shared("weights/yolo11n_coco_fp16.safetensors"))
    model = build_detection_model(80)
    assert start_from(model, state) == []
    got = model.state_dict()
    for level in range(3):
        name = f"model.23.cv3.{level}.2.weight"
        torch.testing.assert_close(got[name], state[name][:1])
    torch.testing.assert_close(got["model.0.conv.weight"], state["model.0.conv.weight"])


def test_a_narrower_branch_starts_anew_and_says_so() -> None:
    state = read_weights(shared("weights/yolo11n_coco_fp16.safetensors"))
    model = build_detection_model(64)
    random = start_from(model, state)
    assert random
    assert all(".cv3." in name for name in random)
    torch.testing.assert_close(model.state_dict()["model.22.cv1.conv.weight"], state["model.22.cv1.conv.weight"])


def test_an_earlier_stage_is_taken_over_whole() -> None:
    assert (
        start_from(build_detection_model(64), read_weights(shared("weights/pre_face_yolo11n_fp16.safetensors"))) == []
    )


def test_strange_weights_are_refused(tmp_path: Path) -> None:
    model = build_detection_model(64)
    with pytest.raises(RunError, match="no YOLO11n"):
        start_from(model, {"a": torch.zeros(3)})
    with pytest.raises(RunError, match="does not fit"):
        restore(model, build_detection_model(80).state_dict())
    broken = {name: value.clone() for name, value in model.state_dict().items()}
    broken["model.0.conv.weight"][0] = float("nan")
    with pytest.raises(RunError, match="no numbers"):
        restore(model, broken)
    with pytest.raises(RunError, match="missing"):
        read_weights(tmp_path / "none.safetensors")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"12345678 not weights")
    with pytest.raises(RunError, match="no weights"):
        read_weights(damaged)
