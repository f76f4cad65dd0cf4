"""The detector: geometry on an invented head, faces on the shipped bundle."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tests.shared_data import shared
from tests.unit.models.bundles import FILES, PORTRAITS, detector_manifest, shipped_detector
from worker.errors import BackendError
from worker.face import Box
from worker.frame import Letterbox
from worker.models.backends import choose_backend, open_backend
from worker.models.boxes import BINS, anchor_points
from worker.models.bundle import DETECTOR_SHAPES, write_bundle
from worker.models.detector import FaceDetector
from worker.models.letterbox import letterbox_picture
from worker.models.runtime import BackendName, ComputePrecision


class OneFace:
    """A backend that sees one face, of 80 x 96 px around the anchor nearest to (320, 192), twice (8 px apart)."""

    name: BackendName = "openvino"
    device = "none"
    precision: ComputePrecision = "f32"

    def infer(self, batch: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        points, strides = anchor_points(640, 384)
        raw = np.zeros((len(batch), 4 * BINS + 1, len(points)), np.float32)
        raw[:, -1] = -20
        for logit, middle in ((3.0, (324, 196)), (2.0, (332, 196))):
            anchor = int(np.argmin(np.abs(points - middle).sum(1) + (strides != 8) * 1e6))
            raw[:, -1, anchor] = logit
            for side, distance in enumerate((5, 6, 5, 6)):
                raw[:, side * BINS + distance, anchor] = 50
        return raw


@pytest.fixture
def one_face(tmp_path: Path) -> FaceDetector:
    return FaceDetector(write_bundle(tmp_path / "tiny", detector_manifest(), FILES), OneFace())


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    bundle = shipped_detector()
    return FaceDetector(bundle, open_backend(bundle, choose_backend("openvino")))


def faces_in(detector: FaceDetector, path: Path) -> list[tuple[Box, float]]:
    picture = cv2.imread(str(path))
    assert picture is not None
    made, geometry = letterbox_picture(np.asarray(picture, np.uint8), detector.shapes)
    return [(box, score) for box, score in detector.detect(made[None], [geometry])[0]]


def test_boxes_come_back_in_pixels_of_the_picture(one_face: FaceDetector) -> None:
    # 1280 x 640 px lie in 640 x 320 of the input, 32 px from its top: a factor of 2.
    geometry = Letterbox.fit(1280, 640, ((640, 384),))
    faces = one_face.detect(np.zeros((2, 384, 640, 3), np.uint8), [geometry, geometry])
    assert [len(found) for found in faces] == [1, 1]
    box, score = faces[0][0]
    assert box == pytest.approx(((324 - 40) * 2, (196 - 48 - 32) * 2, (324 + 40) * 2, (196 + 48 - 32) * 2), abs=0.01)
    assert score == pytest.approx(1 / (1 + np.exp(-3.0)))
    assert isinstance(score, float)


def test_the_score_can_be_lowered_for_evaluation(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "tiny", detector_manifest(thresholds={"score": 0.99, "nms_iou": 0.6}), FILES)
    geometry = Letterbox.fit(640, 384, ((640, 384),))
    inputs = np.zeros((1, 384, 640, 3), np.uint8)
    assert FaceDetector(bundle, OneFace()).detect(inputs, [geometry]) == [[]]
    assert len(FaceDetector(bundle, OneFace(), score=0.01).detect(inputs, [geometry])[0]) == 1


def test_a_foreign_shape_is_refused(one_face: FaceDetector) -> None:
    with pytest.raises(BackendError, match="320x320 px fits none"):
        one_face.detect(np.zeros((1, 320, 320, 3), np.uint8), [Letterbox.fit(320, 320, ((320, 320),))])


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("grace_hopper.jpg", (0.33, 0.18, 0.71, 0.56)), ("eileen_collins.jpg", None)],
)
def test_the_demo_portraits_show_one_face(
    detector: FaceDetector, name: str, wanted: tuple[float, float, float, float] | None
) -> None:
    picture = cv2.imread(str(PORTRAITS / name))
    assert picture is not None
    faces = faces_in(detector, PORTRAITS / name)
    assert len(faces) == 1
    if wanted is not None:
        height, width = picture.shape[:2]
        by_eye = Box(wanted[0] * width, wanted[1] * height, wanted[2] * width, wanted[3] * height)
        assert faces[0][0].iou(by_eye) > 0.6


def test_every_shape_finds_the_same_face(detector: FaceDetector) -> None:
    picture = cv2.imread(str(PORTRAITS / "grace_hopper.jpg"))
    assert picture is not None
    boxes = []
    for shape in DETECTOR_SHAPES:
        made, geometry = letterbox_picture(np.asarray(picture, np.uint8), (shape,))
        found = detector.detect(made[None], [geometry])[0]
        assert len(found) == 1, shape
        boxes.append(found[0].box)
    assert all(box.iou(boxes[0]) > 0.85 for box in boxes)


def test_a_batch_gives_what_its_pictures_give(detector: FaceDetector) -> None:
    inputs, geometries = zip(
        *(
            letterbox_picture(np.asarray(cv2.imread(str(PORTRAITS / name)), np.uint8), ((512, 480),))
            for name in ("grace_hopper.jpg", "eileen_collins.jpg")
        ),
        strict=True,
    )
    together = detector.detect(np.stack(inputs), geometries)
    alone = [detector.detect(i[None], [g])[0] for i, g in zip(inputs, geometries, strict=True)]
    for one, other in zip(together, alone, strict=True):
        assert [face.box for face in one] == [pytest.approx(face.box, abs=1.0) for face in other]


def test_warm_up_says_how_long_a_picture_takes(detector: FaceDetector) -> None:
    assert 0.0 < detector.warm_up() < 10.0


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("smile_astronaut_512.png", 1),
        ("neutral_grace_hopper.jpg", 1),
        ("obama.jpg", 1),
        ("biden.jpg", 1),
        ("two_people.jpg", 2),
        ("group5_pyfeat.jpg", 5),
        ("trap_cat_chelsea.png", 0),
        ("noface_coffee.png", 0),
    ],
)
def test_faces_in_the_stills(detector: FaceDetector, name: str, count: int) -> None:
    assert len(faces_in(detector, shared(f"stills/{name}"))) == count
