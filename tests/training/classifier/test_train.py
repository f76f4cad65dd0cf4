"""Every architecture trains a few steps; the shipped one learns 64 faces by heart; a resumed run is the same run."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import cast
from urllib.error import URLError

import numpy as np
import pytest
import torch

from classifier_training.data import FaceSet, read_faces
from classifier_training.errors import TrainingError
from classifier_training.losses import Batch, soft_cross_entropy, teacher_targets
from classifier_training.nets import ARCHITECTURES, build, multiply_adds
from classifier_training.runs import WEIGHTS, load_network, logits_of, network_input, read_weights
from classifier_training.schedule import Progress
from classifier_training.settings import ScheduleSettings, TrainingSettings, load_settings
from classifier_training.split import split_faces
from classifier_training.train import Training, prepare
from tests.shared_data import shared
from tests.training.classifier.conftest import drawn_faces, write_parquet

CONFIGS = Path(__file__).parents[3] / "classifier_training" / "configs"


def settings_for(architecture: str = "lenet", **sections: dict[str, object]) -> TrainingSettings:
    model = {"architecture": architecture, "size": 64 if architecture == "resnet29" else 48, "dropout": 0.0}
    schedule = {"epochs": 1, "batch": 8, "ema": 0.5, "precision": "f32", "peak_rate": 0.01}
    return TrainingSettings.model_validate(
        {
            "data": sections.get("data", {}),
            "model": model | sections.get("model", {}),
            "schedule": schedule | sections.get("schedule", {}),
            "loss": sections.get("loss", {}),
            "augment": sections.get("augment", {}),
        }
    )


def run_of(settings: TrainingSettings, train: FaceSet, run: Path) -> Training:
    run.mkdir(parents=True, exist_ok=True)
    return Training(settings, train, train.where(train.rows < 14), run)


@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if a != "vgg19_resnet18"])
def test_every_architecture_trains_two_steps_and_comes_back(architecture: str, tmp_path: Path) -> None:
    training = run_of(settings_for(architecture, model={"imagenet": False}), drawn_faces(16), tmp_path)
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    training.fit()
    assert training.progress.step == 2
    assert any(not torch.equal(before[name], value) for name, value in training.model.state_dict().items())
    weights = read_weights(tmp_path / WEIGHTS)
    assert read_weights(tmp_path).step == weights.step, "the run's folder will do"
    logits = logits_of(load_network(weights), drawn_faces(3).images, weights.settings.model)
    assert logits.shape == (3, 7)
    assert np.isfinite(logits).all()


def test_real_faces_train_in_two_steps(fer_file: Path, tmp_path: Path) -> None:
    some = np.arange(48)
    faces = read_faces([fer_file], "train").faces
    tiny = write_parquet(faces.where(np.isin(np.arange(len(faces)), some)), tmp_path / "tiny.parquet")
    settings = settings_for(data={"train": [tiny.name], "holdout_rows": 16}, loss={"votes": 0.3, "mixup_p": 1.0})
    training = prepare(settings, tmp_path, tmp_path / "run")
    training.fit()
    held_out = json.loads((tmp_path / "run" / "holdout_rows.json").read_text())
    assert len(held_out) >= 16
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert len(history) == 1
    assert 0 < history[0]["holdout_nll"] < 10


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_shipped_network_learns_64_faces_by_heart(tmp_path: Path) -> None:
    settings = settings_for(
        "resnet29",
        schedule={"epochs": 16, "batch": 16, "peak_rate": 0.01, "ema": 0.8},
        loss={"label_smoothing": 0.0},
        augment={"erase_p": 0, "blur_p": 0, "low_resolution_p": 0, "scale": (1, 1), "shift": 0, "rotate_deg": 0},
    )
    faces = drawn_faces(64)
    training = run_of(settings, faces, tmp_path)
    training.fit()
    weights = read_weights(tmp_path / WEIGHTS)
    predicted = logits_of(load_network(weights), faces.images, weights.settings.model).argmax(axis=1)
    assert (predicted == faces.labels).mean() >= 0.95


def test_a_resumed_run_is_the_same_run(tmp_path: Path) -> None:
    settings = settings_for(schedule={"epochs": 2}, loss={"mixup_p": 0.5, "votes": 0.3})
    faces = drawn_faces(24)
    whole = run_of(settings, faces, tmp_path / "whole")
    whole.fit()

    class Stopped(Exception):
        pass

    def stop(_figures: dict[str, float]) -> None:
        raise Stopped

    halved = run_of(settings, faces, tmp_path / "halved")
    with pytest.raises(Stopped):
        halved.fit(after_epoch=stop)
    again = run_of(settings, faces, tmp_path / "halved")
    again.resume(tmp_path / "halved" / "checkpoint.pt")
    assert again.progress.epoch == 1
    again.fit()
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name


def test_weights_alone_resume_epoch_and_network(tmp_path: Path) -> None:
    training = run_of(settings_for(schedule={"epochs": 1}), drawn_faces(16), tmp_path)
    training.fit()
    again = run_of(settings_for(schedule={"epochs": 3}), drawn_faces(16), tmp_path)
    again.resume(tmp_path / WEIGHTS)
    assert (again.progress.epoch, again.progress.step) == (1, 2)
    for name, tensor in training.average.state.items():
        torch.testing.assert_close(again.model.state_dict()[name], tensor.half().float(), rtol=0, atol=1e-6)


def test_damaged_files_are_told_in_one_line(tmp_path: Path) -> None:
    training = run_of(settings_for(), drawn_faces(16), tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"broken")
    with pytest.raises(TrainingError, match="cannot be resumed"):
        training.resume(tmp_path / "checkpoint.pt")
    (tmp_path / WEIGHTS).write_bytes(b"broken")
    with pytest.raises(TrainingError, match="damaged"):
        read_weights(tmp_path / WEIGHTS)
    with pytest.raises(TrainingError, match="train first"):
        read_weights(tmp_path / "none.safetensors")


def test_a_full_disk_leaves_the_old_weights(tmp_path: Path) -> None:
    training = run_of(settings_for(schedule={"epochs": 1}), drawn_faces(16), tmp_path)
    training.fit()
    before = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / f"{WEIGHTS}.new").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match="No space left"):
        training.save()
    assert (tmp_path / WEIGHTS).read_bytes() == before
    assert not (tmp_path / f"{WEIGHTS}.new").exists()


def test_dlib_s_start_gives_dlib_s_features(fer_file: Path) -> None:
    """The norms solved from a data pass give what convolution, bias and affine give."""
    from safetensors.torch import load_file
    from torch.nn import functional

    from classifier_training.dlib_start import start_from_dlib
    from classifier_training.settings import ModelSettings
    from worker.models.nets.resnet29 import ResNet29

    file = shared("weights/dlib_resnet29_face_fp16.safetensors")
    faces = read_faces([fer_file], "train").faces.images[:16]
    from classifier_training.runs import network_input

    inputs = network_input(faces, ModelSettings())
    net = ResNet29()
    start_from_dlib(net, file, inputs)
    start = {name: tensor.float() for name, tensor in load_file(file).items()}

    def affine(name: str, x: torch.Tensor, stride: int = 1) -> torch.Tensor:
        kernel = start[f"{name}.conv.weight"]
        kernel = kernel.sum(1, keepdim=True) if kernel.shape[1] == 3 else kernel
        y = functional.conv2d(x, kernel, start[f"{name}.conv.bias"], stride, kernel.shape[-1] // 2)
        return y * start[f"{name}.w"][:, None, None] + start[f"{name}.b"][:, None, None]

    x = torch.relu(affine("conv32_down", inputs, 2))
    for name, block in net.named_children():
        if not hasattr(block, "conv1"):
            continue
        y = affine(f"{name}.conv2", torch.relu(affine(f"{name}.conv1", x, 2 if block.down else 1)))
        if block.down:
            x = functional.pad(functional.avg_pool2d(x, 2), (0, 0, 0, 0, 0, block.extra_channels))
        x = torch.relu(x + y)
    with torch.no_grad():
        torch.testing.assert_close(net.eval().features(inputs), x.mean(dim=(2, 3)), rtol=1e-3, atol=1e-4)


def test_the_rate_warms_up_falls_to_zero_and_follows_the_clock() -> None:
    progress = Progress(ScheduleSettings(epochs=10, peak_rate=1.0, warmup=0.1), steps_per_epoch=10)
    rates = []
    for progress.step in range(101):
        rates.append(progress.rate())
    assert rates[10] == pytest.approx(1.0)
    assert rates[0] == pytest.approx(0.02)
    assert rates[100] == pytest.approx(0.0, abs=1e-9)
    assert (np.diff(rates[10:]) < 0).all()
    clock = Progress(ScheduleSettings(epochs=10, minutes=1.0), 10, step=10, seconds_before=30.0)
    assert clock.done() == pytest.approx(0.5, abs=0.01)


def test_snapshots_come_at_the_end_of_each_cycle(tmp_path: Path) -> None:
    run_of(settings_for(schedule={"epochs": 4, "cycles": 2}), drawn_faces(16), tmp_path).fit()
    first, second = (read_weights(tmp_path / f"snapshot_{n}.safetensors") for n in (1, 2))
    assert (first.step, second.step) == (4, 8)


def test_two_processes_train_one_network_and_end_together(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    write_parquet(drawn_faces(70), tmp_path / "data" / "train.parquet")
    config = tmp_path / "config.yaml"
    config.write_text(
        "{data: {train: [data], holdout_rows: 14}, model: {architecture: lenet, size: 48},"
        " schedule: {epochs: 2, batch: 16, precision: f32}}"
    )
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone",
         "-m", "classifier_training.train", config, "--data", tmp_path, "--out", tmp_path / "run"],
        capture_output=True, text=True, check=False, cwd=CONFIGS.parents[1], env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("holdout_nll") == 2  # the first process alone tells
    weights = read_weights(tmp_path / "run" / WEIGHTS)
    assert (weights.epoch, weights.step) == (2, 6)
    assert str(tmp_path) not in weights.settings.model_dump_json()


def test_early_stopping_ends_a_run_that_learns_nothing(tmp_path: Path) -> None:
    settings = settings_for(schedule={"epochs": 50, "patience": 1, "peak_rate": 1e-12, "ema": 0.0})
    training = run_of(settings, drawn_faces(16), tmp_path)
    training.fit()
    assert training.progress.epoch < 50


def test_a_student_is_drawn_to_its_teacher(tmp_path: Path) -> None:
    faces = drawn_faces(24)
    teacher = run_of(settings_for(schedule={"epochs": 2}), faces, tmp_path / "teacher")
    teacher.fit()
    loss = {"teachers": [tmp_path / "teacher"], "distil": 1.0, "label_smoothing": 0.0}
    student = run_of(settings_for(schedule={"epochs": 8, "peak_rate": 0.05}, loss=loss), faces, tmp_path / "student")
    target = load_network(read_weights(tmp_path / "teacher" / WEIGHTS))

    def distance() -> float:
        wanted = logits_of(target, faces.images, student.settings.model)
        found = logits_of(load_network(student._weights()), faces.images, student.settings.model)
        soft = torch.softmax(torch.from_numpy(wanted), dim=1)
        return float(soft_cross_entropy(torch.from_numpy(found), soft))

    before = distance()
    student.fit()
    assert distance() < before


def test_a_teacher_sees_the_same_pictures_at_its_own_size(tmp_path: Path) -> None:
    faces = drawn_faces(16)
    run_of(settings_for("resnet18", model={"size": 32, "mean": 100.0}), faces, tmp_path / "teacher").fit()
    still = {"flip": 0, "rotate_deg": 0, "scale": (1, 1), "shift": 0, "shear": 0, "contrast": (1, 1), "brightness": 0,
             "gamma_p": 0, "erase_p": 0, "low_resolution_p": 0, "blur_p": 0, "jpeg_p": 0, "noise_p": 0}  # fmt: skip
    loss = {"teachers": [tmp_path / "teacher"]}
    student = run_of(settings_for(loss=loss, augment=still), faces, tmp_path / "student")
    (teacher,) = student.teachers
    seen: list[torch.Tensor] = []
    cast(torch.nn.Module, teacher.net).register_forward_pre_hook(lambda _net, given: seen.append(given[0]))
    batch = student._batch(torch.arange(4))
    teacher_targets([teacher], batch, 1.0)
    assert {size: tuple(view.shape) for size, view in batch.views.items()} == {32: (4, 1, 32, 32), 48: (4, 1, 48, 48)}
    torch.testing.assert_close(seen[0], network_input(faces.images[:4], teacher.model), atol=0.01, rtol=0)


def test_a_blend_starts_from_its_members(tmp_path: Path) -> None:
    members = []
    for architecture in ("vgg19_bn", "resnet18"):
        run_of(settings_for(architecture), drawn_faces(8), tmp_path / architecture).fit()
        members.append(tmp_path / architecture / WEIGHTS)
    blend = run_of(settings_for("vgg19_resnet18", model={"members": members}), drawn_faces(8), tmp_path / "blend")
    wanted = read_weights(members[1]).net["body.0.weight"]
    assert torch.equal(blend.model.state_dict()["net.body.1.0.weight"], wanted)
    with pytest.raises(TrainingError, match="does not fit member 1"):
        run_of(settings_for("vgg19_resnet18", model={"members": members[::-1]}), drawn_faces(8), tmp_path / "wrong")


def test_imagenet_offline_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import ResNet18_Weights

    def no_network(*_arguments: object, **_options: object) -> dict[str, torch.Tensor]:
        raise URLError("no route to host")

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", no_network)
    with pytest.raises(TrainingError, match="go online"):
        run_of(settings_for("imagenet_resnet18"), drawn_faces(8), tmp_path)


def test_mixup_and_balance_touch_targets_as_they_should(tmp_path: Path) -> None:
    batch = Batch({2: torch.zeros(2, 1, 2, 2)}, torch.eye(2), torch.eye(2)).mixed(0.75)
    torch.testing.assert_close(batch.labels, torch.tensor([[0.75, 0.25], [0.25, 0.75]]))
    uneven = drawn_faces(70).where(np.array([n % 7 < 2 or n < 7 for n in range(70)]))
    training = run_of(settings_for(data={"balance": "loss", "balance_power": 1.0}), uneven, tmp_path)
    counts = np.bincount(uneven.labels)
    products = training.weights.numpy() * counts
    np.testing.assert_allclose(products, products[0], rtol=1e-5)


def test_the_split_is_grouped_and_refuses_one_class() -> None:
    faces = drawn_faces(60)
    twice = FaceSet(
        np.concatenate([faces.images] * 2),
        np.concatenate([faces.labels] * 2),
        np.concatenate([faces.votes] * 2),
        np.arange(120),
    )
    data = TrainingSettings().data.model_copy(update={"holdout_rows": 30, "per_class": 3})
    train, holdout = split_faces(twice, data)
    assert {i.tobytes() for i in train.images}.isdisjoint(i.tobytes() for i in holdout.images)
    assert np.bincount(train.labels).max() == 3
    with pytest.raises(TrainingError, match="one class"):
        split_faces(faces.where(faces.labels == 3), data.model_copy(update={"holdout_rows": 2}))
    with pytest.raises(TrainingError, match="nothing to train on"):
        split_faces(faces, data.model_copy(update={"holdout_rows": 60}))


def test_settings_files_are_valid_and_wrong_ones_named(tmp_path: Path) -> None:
    for path in CONFIGS.glob("*.yaml"):
        assert load_settings(path).model.architecture in ARCHITECTURES
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("schedule: {epochs: 0}")
    with pytest.raises(TrainingError, match=r"schedule\.epochs"):
        load_settings(wrong)
    wrong.write_text("model: {architecture: resnet99}")
    with pytest.raises(TrainingError, match="resnet99"):
        build(load_settings(wrong).model.architecture, 7)


def test_the_shipped_network_s_cost() -> None:
    assert multiply_adds(build("resnet29", 7), 64) == pytest.approx(0.2375, abs=1e-4)
    assert not math.isnan(multiply_adds(build("vgg19_bn", 7), 48))
