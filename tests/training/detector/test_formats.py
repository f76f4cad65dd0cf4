"""Further sets: each form's boxes, ignore semantics and broken pictures."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector_training.errors import DataError
from detector_training.formats import READERS, read_coco, read_faceless, read_voc, read_wider, read_yolo
from tests.training.detector.made import made_picture, write_yolo


def put(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), made_picture(seed))
    return path


def test_yolo_reads_labels_ignore_and_suggestions(tmp_path: Path) -> None:
    put(tmp_path / "images" / "a.png")
    for folder, row in {
        "labels": "0 .5 .5 .25 .5",
        "ignore": "0 .1 .1 .1 .1",
        "teacher_extra": "0 .8 .8 .1 .1 .72",
    }.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text(row + "\n")
    picture = read_yolo("set", tmp_path).pictures[0]
    np.testing.assert_allclose(picture.faces, [[120, 60, 200, 180]])
    np.testing.assert_allclose(picture.ignore, [[16, 12, 48, 36]])
    np.testing.assert_allclose(picture.suggestions, [[240, 180, 272, 204, 0.72]])


def test_yolo_lists_broken_pictures_and_labels(tmp_path: Path) -> None:
    write_yolo(tmp_path, 3)
    (tmp_path / "images" / "p00.png").write_bytes(b"no picture")
    whole = (tmp_path / "images" / "p01.png").read_bytes()
    (tmp_path / "images" / "p01.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "labels" / "p02.txt").write_text("0 .5 .5\n")
    reading = read_yolo("set", tmp_path)
    assert not reading.pictures
    assert len(reading.problems) == 3


def test_wider_invalid_faces_become_ignore(tmp_path: Path) -> None:
    put(tmp_path / "images" / "0--Parade" / "a.jpg")
    put(tmp_path / "images" / "0--Parade" / "none.jpg", 1)
    text = (
        "0--Parade/a.jpg\n3\n10 20 30 40 0 0 0 0 0 0\n100 20 30 40 0 0 0 1 0 0\n50 50 0 0 0 0 0 0 0 0\n"
        "0--Parade/none.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n0--Parade/missing.jpg\n1\n1 1 5 5 0 0 0 0 0 0\n"
    )
    file = tmp_path / "wider_face_train_bbx_gt.txt"
    file.write_text(text)
    reading = read_wider("wider", file)
    first, second = reading.pictures
    np.testing.assert_allclose(first.faces, [[10, 20, 40, 60]])
    np.testing.assert_allclose(first.ignore, [[100, 20, 130, 60]])
    assert len(second.faces) == len(second.ignore) == 0
    assert "missing" in reading.problems[0].why


def test_wider_refuses_another_form(tmp_path: Path) -> None:
    file = tmp_path / "gt.txt"
    file.write_text("a.jpg\nnot a number\n")
    with pytest.raises(DataError, match="WIDER"):
        read_wider("wider", file)


def test_voc_difficult_becomes_ignore(tmp_path: Path) -> None:
    put(tmp_path / "JPEGImages" / "a.jpg")
    boxes = "".join(
        f"<object><name>face</name><difficult>{hard}</difficult><bndbox><xmin>{x}</xmin><ymin>5</ymin>"
        f"<xmax>{x + 40}</xmax><ymax>45</ymax></bndbox></object>"
        for hard, x in ((0, 10), (1, 100))
    )
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "a.xml").write_text(f"<annotation><filename>a.jpg</filename>{boxes}</annotation>")
    (tmp_path / "Annotations" / "b.xml").write_text("<annotation>")
    reading = read_voc("voc", tmp_path / "Annotations")
    np.testing.assert_allclose(reading.pictures[0].faces, [[10, 5, 50, 45]])
    np.testing.assert_allclose(reading.pictures[0].ignore, [[100, 5, 140, 45]])
    assert len(reading.problems) == 1


def test_coco_counts_faces_alone_and_ignores_crowds(tmp_path: Path) -> None:
    put(tmp_path / "images" / "a.jpg")
    document = {
        "images": [{"id": 4, "file_name": "a.jpg"}, {"id": 5, "file_name": "gone.jpg"}],
        "categories": [{"id": 1, "name": "Face"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"image_id": 4, "category_id": 1, "bbox": [10, 20, 30, 40]},
            {"image_id": 4, "category_id": 2, "bbox": [1, 2, 3, 4]},
            {"image_id": 4, "category_id": 1, "bbox": [200, 20, 30, 40], "iscrowd": 1},
        ],
    }
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps(document))
    reading = read_coco("coco", file)
    np.testing.assert_allclose(reading.pictures[0].faces, [[10, 20, 40, 60]])
    np.testing.assert_allclose(reading.pictures[0].ignore, [[200, 20, 230, 60]])
    assert len(reading.problems) == 1
    file.write_text("[]")
    with pytest.raises(DataError, match="no COCO"):
        read_coco("coco", file)


def test_faceless_pictures_have_no_faces(tmp_path: Path) -> None:
    put(tmp_path / "deep" / "a.jpg")
    assert [len(picture.faces) for picture in read_faceless("none", tmp_path).pictures] == [0]


@pytest.mark.parametrize("form", sorted(set(READERS) - {"wider", "coco"}))
def test_a_missing_folder_is_told(form: str, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        READERS[form]("x", tmp_path / "nowhere")
