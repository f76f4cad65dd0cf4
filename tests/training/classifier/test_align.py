"""Eyes end up where they should, and what is written can be read again."""

from pathlib import Path

import cv2
import numpy as np

from classifier_training.align import align, turn, write_parquet
from classifier_training.data import read_faces
from tests.shared_data import shared
from tests.training.classifier.conftest import drawn_faces


def test_turning_puts_the_eyes_at_their_place() -> None:
    image = np.zeros((48, 48), np.uint8)
    eyes = np.array([[14.0, 22.0], [30.0, 16.0]], np.float32)
    for x, y in eyes.astype(int):
        image[y - 1 : y + 2, x - 1 : x + 2] = 255
    target = np.array([[16.0, 20.0], [32.0, 20.0]], np.float32)
    turned = turn(image, eyes, target)
    for x, y in target.astype(int):
        assert turned[y, x] > 200
    assert turned[:15].max() == 0


def test_real_eyes_are_found_and_come_level(fer_file: Path) -> None:
    detector = cv2.FaceDetectorYN.create(str(shared("weights/yunet_2023mar.onnx")), "", (48, 48), score_threshold=0.5)
    faces = read_faces([fer_file], "train").faces
    faces = faces.where(np.arange(len(faces)) < 40)
    aligned, found = align(faces, detector)
    assert found >= 25
    assert (aligned.images != faces.images).any()
    again, _ = align(aligned, detector)
    # What is level already moves less than what was not.
    first = np.abs(aligned.images.astype(int) - faces.images).mean()
    assert np.abs(again.images.astype(int) - aligned.images).mean() < first


def test_the_written_form_reads_back(tmp_path: Path) -> None:
    faces = drawn_faces(7)
    write_parquet(tmp_path / "aligned.parquet", {"train": faces, "validation": faces.where(faces.labels == 2)})
    again = read_faces([tmp_path], "train").faces
    np.testing.assert_array_equal(again.images, faces.images)
    np.testing.assert_array_equal(again.votes, faces.votes)
    assert read_faces([tmp_path], "validation").faces.labels.tolist() == [2]
