"""A bundle that is not exactly what it says is refused, in one line that says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.unit.models.bundles import (
    FILES,
    SHIPPED,
    classifier_manifest,
    detector_manifest,
    edit_manifest,
    shipped_classifier,
    shipped_detector,
)
from worker.errors import BundleError
from worker.face import EMOTIONS
from worker.models.bundle import DETECTOR_SHAPES, Crop, check_pair, load_bundle, write_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "tiny", detector_manifest(), FILES)
    return tmp_path / "tiny"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    manifest = detector_manifest(metrics={"AP50": 0.5, "data": "val"}, training={"epochs": 3})
    written = write_bundle(tmp_path / "tiny", manifest, FILES)

    read = load_bundle(tmp_path / "tiny", "detector")

    assert read == written
    assert read.manifest.metrics == {"AP50": 0.5, "data": "val"}
    assert read.manifest.model_copy(update={"files": {}}) == manifest
    assert {name: entry.bytes for name, entry in read.manifest.files.items()} == {k: len(v) for k, v in FILES.items()}
    assert read.label == f"tiny@{read.sha256[:8]}"
    assert read.file("model.bin").read_bytes() == FILES["model.bin"]


def test_files_are_copied_from_paths_too(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(b"from a file")
    write_bundle(tmp_path / "tiny", detector_manifest(), {**FILES, "model.bin": weights})
    assert load_bundle(tmp_path / "tiny", "detector").file("model.bin").read_bytes() == b"from a file"


def test_another_content_gives_another_label(tmp_path: Path) -> None:
    first = write_bundle(tmp_path / "a", detector_manifest(), FILES)
    second = write_bundle(tmp_path / "b", detector_manifest(), {**FILES, "model.bin": b"21"})
    same = write_bundle(tmp_path / "c", detector_manifest(), FILES)
    assert first.label != second.label
    assert first.label == same.label


def test_writing_replaces_the_whole_folder(folder: Path) -> None:
    (folder / "left_over").touch()
    write_bundle(folder, detector_manifest(version="2.0"), FILES)
    assert load_bundle(folder, "detector").manifest.version == "2.0"
    assert not (folder / "left_over").exists()
    assert [entry.name for entry in folder.parent.iterdir()] == ["tiny"]


def test_a_failed_write_leaves_the_old_bundle(folder: Path) -> None:
    with pytest.raises(BundleError, match="cannot be written"):
        write_bundle(folder, detector_manifest(version="2.0"), {**FILES, "model.bin": folder / "absent"})
    assert load_bundle(folder, "detector").manifest.version == "1.0"
    assert [entry.name for entry in folder.parent.iterdir()] == ["tiny"]


def test_a_bundle_needs_all_its_files(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"without model\.bin, MODEL_CARD\.md"):
        write_bundle(tmp_path / "tiny", detector_manifest(), {k: FILES[k] for k in ("model.xml", "model.safetensors")})
    assert not (tmp_path / "tiny").exists()


def _no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _no_json(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


def _no_object(folder: Path) -> None:
    (folder / "manifest.json").write_text("[]")


def _wrong_byte(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"13")


def _cut_short(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"1")


def _missing_file(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _outside(folder: Path) -> None:
    files = json.loads((folder / "manifest.json").read_text())["files"]
    edit_manifest(folder, files={**files, "../secret": files["model.bin"]})


def _unlisted(folder: Path) -> None:
    files = json.loads((folder / "manifest.json").read_text())["files"]
    edit_manifest(folder, files={k: v for k, v in files.items() if k != "model.xml"})


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (_no_manifest, r"manifest\.json cannot be read \(No such file or directory\)"),
    (_no_json, r"manifest\.json is no JSON"),
    (_no_object, "no JSON object"),
    (_wrong_byte, r"model\.bin has another SHA-256"),
    (_cut_short, r"model\.bin has 1 bytes, not 2"),
    (_missing_file, r"model\.safetensors is missing"),
    (_outside, r"\.\./secret is missing"),
    (_unlisted, r"lists no model\.xml"),
    (lambda f: edit_manifest(f, schema="bundle.v2"), "schema: Input should be 'bundle.v1'"),
    (lambda f: edit_manifest(f, thresholds=None), "thresholds: Field required"),
    (lambda f: edit_manifest(f, thresholds={"score": 1.5, "nms_iou": 0.6}), r"thresholds\.score: .*less than"),
    (lambda f: edit_manifest(f, labels=["dog"]), r"labels\.0: Input should be 'face'"),
    (lambda f: edit_manifest(f, input_shapes=[[640, 380]]), r"input_shapes\.0\.1: .*multiple of 32"),
    (lambda f: edit_manifest(f, input_shapes=[]), "input_shapes: .*at least 1"),
    (lambda f: edit_manifest(f, architecture="yolov5"), "architecture: Input should be 'yolo11n'"),
    (lambda f: edit_manifest(f, surprise=1), "surprise: Extra inputs are not permitted"),
    (lambda f: edit_manifest(f, task="classifier"), "is a 'classifier', not a detector"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES, ids=[message for _, message in DAMAGES])
def test_a_damaged_bundle_is_refused_in_one_line(folder: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(folder)
    with pytest.raises(BundleError, match=message) as caught:
        load_bundle(folder, "detector")
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no folder"):
        load_bundle(tmp_path / "absent", "classifier")


def test_emotions_keep_their_order() -> None:
    with pytest.raises(ValidationError, match="in this order"):
        classifier_manifest(labels=tuple(reversed(EMOTIONS)))


def test_a_classifiers_input_is_square() -> None:
    with pytest.raises(ValidationError, match="is square"):
        classifier_manifest(input_shapes=((64, 32),))


def test_a_pair_must_agree_on_boxes(tmp_path: Path) -> None:
    detector = write_bundle(tmp_path / "detector", detector_manifest(), FILES)
    tight = write_bundle(tmp_path / "tight", classifier_manifest(), FILES)
    head = write_bundle(tmp_path / "head", classifier_manifest(crop=Crop(margin=1.0, dy=0.0, box="head")), FILES)
    check_pair(detector, tight)
    with pytest.raises(BundleError, match=r"draws tight boxes .* around head ones"):
        check_pair(detector, head)


def test_the_shipped_bundles_load_are_small_and_fit_together() -> None:
    detector, classifier = shipped_detector(), shipped_classifier()
    check_pair(detector, classifier)
    assert detector.manifest.input_shapes == DETECTOR_SHAPES
    assert detector.manifest.gmac <= 1.95
    assert classifier.manifest.gmac <= 0.5
    for bundle in (detector, classifier):
        assert sum(entry.bytes for entry in bundle.manifest.files.values()) < 25_000_000
        assert "/" + "work/" not in bundle.file("model.xml").read_text()
        card = bundle.file("MODEL_CARD.md").read_text()
        assert "AGPL-3.0" in card
        assert "icence" in card


def test_shipped_folders_hold_nothing_else() -> None:
    for bundle in (shipped_detector(), shipped_classifier()):
        assert {p.name for p in bundle.path.iterdir()} == {"manifest.json", *bundle.manifest.files}
    assert {p.name for p in SHIPPED.iterdir()} == {"detector", "classifier"}
