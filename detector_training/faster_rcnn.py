"""A baseline as other projects have it: torchvision's Faster R-CNN from COCO, only its last layers retrained.

    python -m detector_training.faster_rcnn --data data/faces --start coco --out runs/faster_rcnn.pt
    python -m detector_training.evaluate --detector runs/faster_rcnn.pt --data data/faces/val/dataturks

COCO's weights come from torchvision's server; a machine that is offline needs the file (`--start FILE`).
Ren et al. 2015, arXiv:1506.01497.
"""

from __future__ import annotations

import argparse
import random
import urllib.error
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from detector_training.errors import DataError, RunError, run_command
from detector_training.formats import read_yolo
from detector_training.pictures import Boxes, Picture
from detector_training.seen import Seen, best_first, fit_budget, read_picture
from worker.frame import Pixels

Architecture = Literal["resnet50", "mobilenet"]
RETRAINED = "roi_heads.box_"
"""Parameters that are trained: the box head and its predictor; backbone and proposals stay COCO's."""
COCO_CLASSES = 91


def build(architecture: Architecture, start: dict[str, Tensor] | Literal["coco"] | None) -> Any:
    """A Faster R-CNN with the classes background and face; all but its last layers frozen.

    Args:
        architecture: the backbone.
        start: a state dict with COCO's 91 classes, `coco` to fetch it, or None for random weights (tests).

    Raises:
        RunError: the weights cannot be fetched or do not fit.
    """
    from torchvision.models import detection
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor

    make = {
        "resnet50": detection.fasterrcnn_resnet50_fpn,
        "mobilenet": detection.fasterrcnn_mobilenet_v3_large_fpn,
    }[architecture]
    sizes = {"min_size": 384, "max_size": 1280, "box_detections_per_img": 2000, "box_score_thresh": 0.01}
    try:
        fetched = {"weights": "COCO_V1"} if start == "coco" else {"weights": None, "weights_backbone": None}
        model = make(num_classes=COCO_CLASSES, **fetched, **sizes)
        if isinstance(start, dict):
            model.load_state_dict(start)
    except (urllib.error.URLError, OSError) as error:
        raise RunError(
            f"COCO's weights cannot be fetched ({error}): this machine seems to be offline; fetch torchvision's "
            f"{make.__name__} (COCO_V1) elsewhere and name the file with --start"
        ) from error
    except RuntimeError as error:
        raise RunError(f"the start weights are no {make.__name__}: {str(error).splitlines()[0]}") from error
    predictor = model.roi_heads.box_predictor
    model.roi_heads.box_predictor = FastRCNNPredictor(predictor.cls_score.in_features, 2)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(RETRAINED))
    return model


def as_example(picture: Picture, mirror: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """(3, H, W) RGB 0..1 scaled to the serving budget, and its boxes in px."""
    pixels, scale = fit_budget(read_picture(picture.path))
    boxes = picture.faces * scale
    if mirror:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
        boxes = boxes[:, [2, 1, 0, 3]] * (-1, 1, -1, 1) + (pixels.shape[1], 0, pixels.shape[1], 0)
    target = {
        "boxes": torch.from_numpy(boxes.astype(np.float32)),
        "labels": torch.ones(len(boxes), dtype=torch.int64),
    }
    return _to_tensor(pixels), target


def _to_tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels[:, :, ::-1])).permute(2, 0, 1).float() / 255


def train(model: Any, pictures: Sequence[Picture], epochs: int, batch: int, rate: float, seed: int) -> list[float]:
    """Train the last layers by SGD; returns the mean loss of each epoch.

    Raises:
        RunError: the loss is no number.
    """
    torch.manual_seed(seed)
    chance = random.Random(seed)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(trained, rate, momentum=0.9, weight_decay=5e-4)
    model.train()
    for module in model.backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()  # the backbone is frozen, its statistics too
    losses = []
    for epoch in range(epochs):
        order = chance.sample(list(pictures), len(pictures))
        total = 0.0
        for at in tqdm(range(0, len(order), batch), desc=f"epoch {epoch + 1}/{epochs}"):
            examples = [as_example(picture, chance.random() < 0.5) for picture in order[at : at + batch]]
            loss = sum(model([x for x, _ in examples], [y for _, y in examples]).values())
            if not torch.isfinite(loss):
                raise RunError(f"the loss is no number in epoch {epoch + 1}: lower --rate")
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(examples)
        losses.append(total / len(order))
    return losses


def save(model: Any, architecture: Architecture, path: Path) -> None:
    """Write the weights beside, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".partial")
    torch.save({"architecture": architecture, "state": model.state_dict()}, beside)
    beside.replace(path)


class FasterRCNN:
    """A trained baseline as a detector for scoring."""

    precision = "f32"

    def __init__(self, path: Path) -> None:
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            self._model: nn.Module = build(content["architecture"], None)
            self._model.load_state_dict(content["state"])
        except (RuntimeError, KeyError, EOFError, ValueError, TypeError) as error:
            raise DataError(f"{path} is no baseline of detector_training.faster_rcnn: train it again") from error
        self.name = path.stem
        self._model.eval()

    def __call__(self, picture: Pixels) -> Seen:
        scaled, scale = fit_budget(picture)
        with torch.inference_mode():
            found = self._model([_to_tensor(scaled)])[0]
        boxes: Boxes = torch.cat([found["boxes"] / scale, found["scores"][:, None]], 1).double().numpy()
        return Seen(best_first(boxes), scale)


def _start(text: str | None) -> dict[str, Tensor] | Literal["coco"]:
    if text is None or text == "coco":
        return "coco"
    try:
        state: dict[str, Tensor] = torch.load(text, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise RunError(f"{text} cannot be read as weights ({type(error).__name__}): name torchvision's file") from error
    return state


def main() -> None:
    parser = argparse.ArgumentParser(prog="detector_training.faster_rcnn", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, help="prepared data set")
    add("--out", type=Path, required=True, help="file of weights to write; name it faster_rcnn*.pt to evaluate it")
    add("--start", help="COCO weights: a file, or `coco` to fetch them (the default)")
    add("--architecture", choices=get_args(Architecture), default="resnet50")
    add("--epochs", type=int, default=5)
    add("--batch", type=int, default=4)
    add("--rate", type=float, default=0.005)
    add("--seed", type=int, default=0)
    args = parser.parse_args()
    folders = sorted((args.data / "train").glob("*/images"))
    pictures = [picture for folder in folders for picture in read_yolo(folder.parent.name, folder.parent).pictures]
    if not pictures:
        raise DataError(f"{args.data} has no pictures to train on: run detector_training.prepare first")
    model = build(args.architecture, _start(args.start))
    losses = train(model, pictures, args.epochs, args.batch, args.rate, args.seed)
    save(model, args.architecture, args.out)
    print(f"wrote {args.out}; mean loss by epoch: {', '.join(f'{loss:.3f}' for loss in losses)}")


if __name__ == "__main__":
    raise SystemExit(run_command(main))
