"""Every form of the data gives the same faces; what cannot be used is named by line."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from classifier_training.data import FaceSet, add_votes, read_faces
from classifier_training.errors import TrainingError
from classifier_training.labels import DROPPED, LABEL_SETS, emotion_index, split_name
from tests.training.classifier.conftest import drawn_faces, write_parquet


def write_csv(faces: FaceSet, path: Path, usage: str = "Training") -> Path:
    lines = ["emotion,pixels,Usage"]
    for image, label in zip(faces.images, faces.labels, strict=True):
        lines.append(f"{label},{' '.join(str(v) for v in image.ravel())},{usage}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_csv_parquet_and_folder_give_the_same_pixels(tmp_path: Path) -> None:
    faces = drawn_faces(14)
    names = ("Angry", "disgust", "FEAR", "happy", "sad", "surprised", "neutral")
    for number, (image, label) in enumerate(zip(faces.images, faces.labels, strict=True)):
        folder = tmp_path / "folder" / "train" / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{number:03}.png"), image)
    from_csv = read_faces([write_csv(faces, tmp_path / "fer2013.csv")], "train").faces
    from_parquet = read_faces([write_parquet(faces, tmp_path / "a.parquet")], "train").faces
    from_folder = read_faces([tmp_path / "folder"], "train").faces
    for found in (from_csv, from_parquet):
        np.testing.assert_array_equal(found.images, faces.images)
        np.testing.assert_array_equal(found.labels, faces.labels)
    order = np.argsort([names[label] for label in faces.labels], kind="stable")
    np.testing.assert_array_equal(from_folder.images, faces.images[order])
    np.testing.assert_array_equal(from_folder.labels, faces.labels[order])
    np.testing.assert_array_equal(from_parquet.votes, faces.votes)


def test_malformed_rows_are_named_by_line_and_fail_when_strict(tmp_path: Path) -> None:
    path = write_csv(drawn_faces(3), tmp_path / "bad.csv")
    lines = path.read_text().splitlines()
    lines += ["9," + lines[1].split(",")[1] + ",Training", "1,1 2 3,Training", "x,1 2 3,Training"]
    path.write_text("\n".join(lines))
    reading = read_faces([path])
    assert len(reading.faces) == 3
    assert [problem.split(": ")[0] for problem in reading.problems] == [f"{path}:{line}" for line in (5, 6, 7)]
    assert "label 9" in reading.problems[0]
    assert "3 pixels instead of 2304" in reading.problems[1]
    with pytest.raises(TrainingError, match="3 rows cannot be used"):
        read_faces([path], strict=True)


def test_a_broken_picture_is_skipped_and_colour_becomes_luma(tmp_path: Path) -> None:
    folder = tmp_path / "happiness"
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(b"no picture")
    colour = np.zeros((96, 96, 3), np.uint8)
    colour[:] = (255, 0, 0)
    cv2.imwrite(str(folder / "blue.png"), colour)
    reading = read_faces([tmp_path])
    assert len(reading.problems) == 1
    assert "broken.jpg" in reading.problems[0]
    assert reading.faces.images.shape == (1, 48, 48)
    assert abs(int(reading.faces.images[0, 0, 0]) - 29) <= 1  # BT.601: 0.114 * 255


@pytest.mark.parametrize("make", ["missing", "empty", "wrong"])
def test_nothing_to_read_is_one_clear_error(tmp_path: Path, make: str) -> None:
    path = tmp_path / "data"
    if make == "empty":
        path.mkdir()
    if make == "wrong":
        path = tmp_path / "wrong.csv"
        path.write_text("a,b\n1,2\n")
    with pytest.raises(TrainingError, match=path.name):
        read_faces([path])


def test_ferplus_votes_are_found_by_row(tmp_path: Path) -> None:
    header = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    rows = [f"Training,fer{n:07}.png,{n},0,0,0,0,0,0,0,0,0" for n in range(5)]
    path = tmp_path / "fer2013new.csv"
    path.write_text("\n".join([header, *rows]))
    faces = drawn_faces(5).where(np.array([False, False, True, False, True]))
    assert add_votes(faces, path).votes[:, 0].tolist() == [2, 4]


def test_label_sets_fold_probabilities_and_drop_what_they_lack() -> None:
    labels = np.arange(7)
    assert LABEL_SETS[4].map(labels).tolist() == [DROPPED, DROPPED, DROPPED, 0, 2, 3, 1]
    assert LABEL_SETS[2].map(labels).tolist() == [0, 0, 0, 1, 0, DROPPED, DROPPED]
    folded = LABEL_SETS[2].fold(np.array([[0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1]], np.float32))
    np.testing.assert_allclose(folded, [[0.5, 0.5]], rtol=1e-6)


def test_usual_spellings_are_known() -> None:
    assert [emotion_index(name) for name in ("Happiness", "happy", "anger", "contempt")] == [3, 3, 0, None]
    assert [split_name(name) for name in ("PublicTest", "Training", "PrivateTest", "x")] == [
        "validation", "train", "test", None,
    ]  # fmt: skip


def test_the_shared_set_has_the_official_counts(fer_file: Path) -> None:
    faces = read_faces([fer_file.parent], "train").faces
    assert np.bincount(faces.labels).tolist() == [3995, 436, 4097, 7215, 4830, 3171, 4965]
    # Ten people voted on each picture; one row has nine votes.
    assert np.bincount(faces.votes.sum(axis=1).astype(int)).tolist()[9:] == [1, 28708]
