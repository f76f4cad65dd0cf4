"""From labels to a bundle in the worker, on a tiny set: prepare, train (killed, resumed), evaluate, export, serve."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")
pytest.importorskip("ultralytics")

from safetensors import safe_open  # noqa: E402

from detector_training.detectors import BundleDetector  # noqa: E402
from detector_training.network import read_weights  # noqa: E402
from detector_training.seen import read_picture  # noqa: E402
from tests.training.detector.made import write_yolo  # noqa: E402
from worker.models.backends import BackendChoice, open_backend  # noqa: E402
from worker.models.bundle import load_bundle  # noqa: E402
from worker.models.detector import FaceDetector  # noqa: E402
from worker.models.letterbox import letterbox_picture  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(1800)]

SETTINGS = {
    "class_width": 80,
    "size_px": 128,
    "epochs": 10,
    "batch": 8,
    "step_pictures": 8,
    "peak_rate": 0.01,
    "repeat": {"made": 20},
    "validate_every_epoch": False,
    "precision": "f32",
    "mosaic": {"mosaic": 0.0, "scale": 0.1, "translate": 0.05, "degrees": 0.0, "hue": 0.0, "saturation": 0.0},
    "camera": dict.fromkeys(
        ("gray", "gamma", "downscale", "motion_blur", "noise", "jpeg", "hide", "small_copies"), 0.0
    ),
}


def command(name: str, *args: object) -> list[str]:
    return [sys.executable, "-m", f"detector_training.{name}", *map(str, args)]


def run(name: str, *args: object) -> str:
    answer = subprocess.run(command(name, *args), capture_output=True, text=True, check=False, timeout=1500)
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]
    return answer.stdout


def start_weights(path: Path) -> Path:
    """Random weights as a start file: no weights are needed to overfit six pictures."""
    from safetensors.torch import save_file

    from detector_training.network import build_detection_model

    torch.manual_seed(0)
    save_file({name: value.contiguous() for name, value in build_detection_model(80).state_dict().items()}, path)
    return path


def kill_after_first_checkpoint(args: list[str], checkpoint: Path, log: Path) -> None:
    with log.open("w") as out:
        process = subprocess.Popen(args, stdout=out, stderr=out, start_new_session=True)
        deadline = time.monotonic() + 900
        while not checkpoint.exists():
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, "no checkpoint came"
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `faces` (prepared), `run` (killed after its first epoch, then resumed to its end)."""
    home = tmp_path_factory.mktemp("detector")
    write_yolo(home / "source", 8)
    run("prepare", "--join", f"made=yolo:{home / 'source'}", "--val-share", 0.25, "--out", home / "faces")
    (home / "settings.yaml").write_text(yaml.safe_dump(SETTINGS))
    start = start_weights(home / "random.safetensors")
    begin = command("train", "--settings", home / "settings.yaml", "--data", home / "faces", "--start", start,
                    "--run", home / "run", "--threads", 1)  # fmt: skip
    last = home / "run" / "weights" / "last.pt"
    kill_after_first_checkpoint(begin, last, home / "log.txt")
    checkpoint = last.read_bytes()
    last.write_bytes(checkpoint[: len(checkpoint) // 2])
    refused = subprocess.run(command("train", "--resume", home / "run"), capture_output=True, text=True, check=False)
    assert refused.returncode == 78
    assert "is damaged" in refused.stderr
    last.write_bytes(checkpoint)
    run("train", "--resume", home / "run", "--threads", 1)
    return home


def test_the_run_explains_itself(trained: Path) -> None:
    about = json.loads((trained / "run" / "run.json").read_text())
    assert about["data_fingerprint"] == json.loads((trained / "faces" / "summary.json").read_text())["fingerprint"]
    assert about["class_width"] == 80
    assert yaml.safe_load((trained / "run" / "settings.yaml").read_text())["epochs"] == 10
    rows = (trained / "run" / "results.csv").read_text().splitlines()
    assert [int(row.split(",")[0]) for row in rows[1:]] == list(range(1, 11)), "each epoch once, through the kill"
    assert (trained / "run" / "curves.png").stat().st_size > 1000
    with safe_open(trained / "run" / "weights" / "resume.safetensors", "pt") as kept:
        assert kept.metadata()["epoch"] == "10"
        assert json.loads(kept.metadata()["settings"])["size_px"] == 128
        averaged = kept.get_tensor("model.0.conv.weight")
    end = read_weights(trained / "run" / "weights" / "last.pt")["model.0.conv.weight"]
    torch.testing.assert_close(averaged.float(), end, atol=1e-3, rtol=1e-3)
    again = subprocess.run(
        command("train", "--resume", trained / "run"), capture_output=True, text=True, check=False, timeout=120
    )
    assert "finished run" in again.stderr


def test_it_learned_and_the_worker_sees_the_same_boxes(trained: Path) -> None:
    """AP50 on the pictures it was trained on: it must have learned them, and serving must see what training made."""
    bundle, pictures = trained / "bundle", trained / "faces" / "train" / "made"
    run("export", trained / "run", "--out", bundle, "--val", pictures, "--shape", "128x96")
    answer = trained / "figures.json"
    run("evaluate", "--bundle", bundle, "--data", pictures, "--precision", "f32", "--json", answer,
        "--predictions", trained / "predictions.json", "--out", trained / "sheets")  # fmt: skip
    figures = json.loads(answer.read_text())
    assert figures["AP50"] > 0.8, figures
    assert figures["images"] == 6
    loaded = load_bundle(bundle, "detector")
    assert figures["bundle_sha256"] == loaded.sha256
    told: Any = loaded.manifest.metrics
    assert figures["AP50"] == pytest.approx(told["f32"]["made"]["AP50"], abs=1e-3)
    assert loaded.manifest.class_width == 80
    detector = BundleDetector(bundle, "f32")
    torch_side = FaceDetector(loaded, open_backend(loaded, BackendChoice("torch", "cpu", "test"), "f32"), 0.25)
    boxes = 0
    for path in sorted((pictures / "images").iterdir()):
        pixels = read_picture(path)
        evaluated = detector(pixels).boxes
        evaluated = evaluated[evaluated[:, 4] >= 0.25]
        inputs, letterbox = letterbox_picture(pixels, loaded.manifest.input_shapes)
        served = torch_side.detect(inputs[None], [letterbox])[0]
        seen = np.array([[*face.box, face.score] for face in served]).reshape(-1, 5)
        np.testing.assert_allclose(seen, evaluated, atol=0.05)
        boxes += len(seen)
    assert boxes >= 4, "too few faces to compare by"
    predicted = json.loads((trained / "predictions.json").read_text())
    assert {row["file_name"] for row in predicted} <= {
        f"made/images/{path.name}" for path in (pictures / "images").iterdir()
    }
    assert (trained / "sheets" / "made_curve.png").exists()
