"""The evaluation's files: the JSON's keys, predictions that anybody can score again, lists and prefixes, errors."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from detector_training.detectors import BundleDetector
from detector_training.errors import DataError
from detector_training.evaluate import SHIPPED, describe, read_set, score_pictures, write_json, write_predictions
from detector_training.pictures import Picture
from detector_training.seen import Seen, best_first
from tests.training.detector.made import write_yolo
from worker.errors import OutputError
from worker.frame import Pixels

KEYS = (
    "AP40", "AP50", "AP75", "AP50_95", "recall", "false_per_image", "images", "boxes", "by_size", "input_size", "gmac",
    "compute_precision", "bundle_sha256",
)  # fmt: skip


class Rough:
    """Sees every labelled face a little off, and something false beside it; by the order of the pictures."""

    name, precision = "rough", "f32"

    def __init__(self, pictures: list[Picture]) -> None:
        self._left = list(pictures)

    def __call__(self, picture: Pixels) -> Seen:
        chance = np.random.default_rng(len(self._left))
        faces = self._left.pop(0).faces
        off = faces + chance.normal(0, 6, faces.shape)
        rows = np.concatenate([off, off[:1] / 3])
        return Seen(best_first(np.concatenate([rows, chance.uniform(0.1, 1, (len(rows), 1))], 1)), 0.5)


def test_the_predictions_score_the_same_with_another_library(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    write_yolo(tmp_path / "made", 8)
    pictures = read_set(tmp_path / "made")
    evaluation = score_pictures(pictures, Rough(pictures))
    ours = describe(evaluation, Rough([]), 0.5)
    write_predictions(tmp_path / "predictions.json", [evaluation])
    rows = json.loads((tmp_path / "predictions.json").read_text())
    assert rows[0]["file_name"] == "made/images/p00.png"
    truth = [
        {"id": 100 * number + at, "image_id": number, "category_id": 1, "iscrowd": 0, "bbox": [x, y, p - x, q - y],
         "area": (p - x) * (q - y)}
        for number, picture in enumerate(pictures, 1)
        for at, (x, y, p, q) in enumerate(picture.faces.tolist(), 1)
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO()
        ground.dataset = {
            "info": {}, "images": [{"id": number} for number in range(1, 9)], "annotations": truth,
            "categories": [{"id": 1}],
        }  # fmt: skip
        ground.createIndex()
        scoring = COCOeval(ground, ground.loadRes(rows), "bbox")
        scoring.params.maxDets = [1, 10, 2000]
        scoring.evaluate()
        scoring.accumulate()
    precision = scoring.eval["precision"][:, :, 0, 0, -1]
    assert 0 < ours["AP50"] < 1
    assert ours["AP50"] == pytest.approx(precision[0].mean(), abs=1e-3)
    assert ours["AP50_95"] == pytest.approx(precision.mean(), abs=1e-3)


def test_the_json_has_its_keys_and_names_the_bundle(tmp_path: Path) -> None:
    write_yolo(tmp_path / "made", 2)
    detector = BundleDetector(SHIPPED, "f32", 1)
    result = describe(score_pictures(read_set(tmp_path / "made"), detector), detector, 0.5)
    assert set(KEYS) <= set(result)
    assert result["bundle_sha256"] == detector.bundle.sha256
    assert result["compute_precision"] == "f32"
    assert result["input_size"][0] == [640, 384]
    write_json(tmp_path / "deep" / "figures.json", result)
    assert json.loads((tmp_path / "deep" / "figures.json").read_text()) == result


def test_lists_and_prefixes_choose_pictures(tmp_path: Path) -> None:
    write_yolo(tmp_path / "made", 4)
    only = frozenset({"made/images/p01.png", "other/images/p02.png"})
    assert [picture.name for picture in read_set(tmp_path / "made", only)] == ["p01.png"]
    assert [picture.name for picture in read_set(tmp_path / "made", prefix="p03")] == ["p03.png"]
    with pytest.raises(DataError, match="--prefix"):
        read_set(tmp_path / "made", prefix="q")


def test_broken_pictures_are_never_scored_silently(tmp_path: Path) -> None:
    write_yolo(tmp_path / "made", 2)
    (tmp_path / "made" / "images" / "p01.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"1 pictures .* cannot be scored"):
        read_set(tmp_path / "made")


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_json(tmp_path / "file" / "figures.json", {})


@pytest.mark.slow
def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "detector_training.evaluate", "--data", str(tmp_path / "nowhere")]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert answer.returncode == 65
    assert answer.stderr.startswith("error: ")
    assert "Traceback" not in answer.stderr
