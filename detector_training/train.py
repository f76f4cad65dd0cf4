"""Train the face detector: YOLO11n with one class, from COCO's weights or from an earlier stage's.

    python -m detector_training.train --settings detector_training/configs/coco_80.yaml --data data/faces \\
        --start yolo11n_coco_fp16.safetensors --run runs/faces_1
    python -m detector_training.train --resume runs/faces_1
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from detector_training.errors import DataError, RunError, run_command
from detector_training.offline import quiet_ultralytics
from detector_training.pictures import SUFFIXES
from detector_training.run_settings import TrainSettings, load_settings


def list_pictures(data: Path, repeat: dict[str, int]) -> tuple[list[str], list[str]]:
    """Training and validation pictures of a prepared data set, training ones repeated by set.

    Raises:
        DataError: the folder is no prepared data set, a repeated set is not in it, or a side has no pictures.
    """
    if not (data / "summary.json").is_file():
        raise DataError(f"{data} is no prepared data set (no summary.json): run detector_training.prepare first")
    sides: dict[str, list[str]] = {"train": [], "val": []}
    for side, paths in sides.items():
        for folder in sorted((data / side).glob("*/images")):
            pictures = sorted(str(path.resolve()) for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
            paths.extend(pictures * (repeat.get(folder.parent.name, 1) if side == "train" else 1))
        if not paths:
            raise DataError(f"{data} has no pictures to {'train on' if side == 'train' else 'validate with'}")
    unknown = sorted(set(repeat) - {path.name for path in (data / "train").iterdir()})
    if unknown:
        raise DataError(f"repeat names sets that {data} does not have: {', '.join(unknown)}")
    return sides["train"], sides["val"]


def begin(settings: TrainSettings, data: Path, start: Path | None, run: Path) -> None:
    """Make a run folder that explains itself: settings.yaml, run.json, data.yaml and the lists of pictures.

    Raises:
        RunError: the folder exists already.
    """
    if run.exists():
        raise RunError(f"{run} exists: go on with --resume {run}, or name another folder with --run")
    train, val = list_pictures(data, settings.repeat)
    run.mkdir(parents=True)
    (run / "train.txt").write_text("\n".join(train) + "\n", encoding="utf-8")
    (run / "val.txt").write_text("\n".join(val) + "\n", encoding="utf-8")
    lists = {"path": str(run.resolve()), "train": "train.txt", "val": "val.txt", "names": {0: "face"}}
    (run / "data.yaml").write_text(yaml.safe_dump(lists, sort_keys=False), encoding="utf-8")
    (run / "settings.yaml").write_text(yaml.safe_dump(settings.model_dump(), sort_keys=False), encoding="utf-8")
    (run / "run.json").write_text(json.dumps(_about(settings, data, start), indent=1) + "\n", encoding="utf-8")


def _about(settings: TrainSettings, data: Path, start: Path | None) -> dict[str, Any]:
    import torch
    import ultralytics

    summary = json.loads((data / "summary.json").read_text(encoding="utf-8"))
    return {
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
        "data_fingerprint": summary["fingerprint"],
        "data_sets": summary["sets"],
        "start": start.name if start else None,
        "start_sha256": hashlib.sha256(start.read_bytes()).hexdigest() if start and start.is_file() else None,
        "class_width": settings.class_width,
        "git_commit": git_commit(),
        "torch": torch.__version__,
        "ultralytics": ultralytics.__version__,
        "python": platform.python_version(),
        "cpu_count": os.cpu_count(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def git_commit() -> str | None:
    """The checkout's commit, with `+changes` where tracked files differ from it; None outside of a checkout."""
    here = Path(__file__).resolve().parent
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
        status = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+changes" if status.stdout.strip() else "")


def train(settings: TrainSettings, run: Path, start: Path | None, threads: int, resume: Path | None = None) -> Path:
    """Train in a run folder that `begin` made; returns the last checkpoint (EMA weights, `weights/last.pt`).

    Raises:
        RunError: the checkpoint to resume from is missing, damaged or of a finished run.
    """
    import torch

    from detector_training.trainer import make_trainer, overrides_for

    device = "0" if torch.cuda.is_available() else "cpu"
    overrides = overrides_for(settings, run / "data.yaml", run, device)
    if resume is not None:
        _check_checkpoint(resume)
        overrides = {"resume": str(resume), "device": device}
    trainer = make_trainer(settings, overrides, start, threads, lambda: draw_curves(run))
    trainer.train()
    return run / "weights" / "last.pt"


def _check_checkpoint(path: Path) -> None:
    """Say clearly what ultralytics would not: no checkpoint, a damaged one, or nothing left to do."""
    import torch

    if not path.is_file():
        raise RunError(f"{path} is missing: the run ended before its first epoch, begin it again in another folder")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=False)
        epoch, epochs = int(checkpoint["epoch"]), int(checkpoint["train_args"]["epochs"])
    except Exception as error:  # of any kind: a damaged pickle calls whatever its bytes happen to name
        raise RunError(f"{path} is damaged ({type(error).__name__}): begin the run again, or take best.pt") from error
    if epoch < 0 or epoch + 1 >= epochs:
        raise RunError(f"{path} is of a finished run ({epochs} epochs): give more epochs to a new run with --start")


def draw_curves(run: Path) -> None:
    """`curves.png` from ultralytics' results.csv: losses, and pooled validation figures (to watch, not to quote)."""
    from matplotlib.figure import Figure

    file = run / "results.csv"
    if not file.is_file():
        return
    with file.open(encoding="utf-8", newline="") as rows:
        table = [{key.strip(): value for key, value in row.items()} for row in csv.DictReader(rows)]
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, chosen in ((left, lambda key: "loss" in key), (right, lambda key: key.startswith("metrics/"))):
        for key in (key for key in table[0] if chosen(key)):
            axes.plot([float(row["epoch"]) for row in table], [float(row[key]) for row in table], label=key)
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    figure.savefig(run / "curves.png", dpi=110)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="detector_training.train", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--settings", type=Path, help="settings file (detector_training/configs/*.yaml)")
    add("--data", type=Path, help="prepared data set")
    add("--start", type=Path, help="start weights: .safetensors or .pt; online, yolo11n.pt is fetched by ultralytics")
    add("--run", type=Path, help="folder of the run, to be made")
    add("--resume", type=Path, metavar="RUN", help="go on with an interrupted run")
    add("--threads", type=int, default=os.cpu_count() or 1, help="CPU threads (all)")
    args = parser.parse_args()
    if args.resume is None and None in (args.settings, args.data, args.start, args.run):
        parser.error("name --settings, --data, --start and --run, or --resume RUN")
    return args


def main() -> None:
    args = _parse()
    run: Path = args.resume or args.run
    settings = load_settings(run / "settings.yaml" if args.resume else args.settings)
    fetch = not args.resume and args.start.suffix == ".pt" and not args.start.exists()
    quiet_ultralytics(run.resolve().parent / ".ultralytics", fetch)
    if args.resume:
        last = train(settings, run, None, args.threads, run / "weights" / "last.pt")
    else:
        begin(settings, args.data, args.start, run)
        last = train(settings, run, args.start, args.threads)
    print(f"trained: {last}; next: python -m detector_training.export {run} --out BUNDLE")


if __name__ == "__main__":
    raise SystemExit(run_command(main))
