"""Other people's face detectors and our bundles behind one call: a picture becomes scored boxes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from detector_training.errors import DataError
from detector_training.pictures import Boxes, as_boxes
from detector_training.seen import SCORE_FLOOR, Detector, Seen, best_first, fit_budget
from worker.frame import Pixels
from worker.models.backends import choose_backend, open_backend
from worker.models.bundle import load_bundle
from worker.models.detector import FaceDetector
from worker.models.letterbox import letterbox_picture


class YuNet:
    """OpenCV's YuNet (`cv2.FaceDetectorYN`), with OpenCV's own NMS at its default IoU of 0.3."""

    precision = "f32"

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self._net = cv2.FaceDetectorYN.create(
            str(path), "", (640, 384), score_threshold=SCORE_FLOOR, nms_threshold=0.3, top_k=5000
        )

    def __call__(self, picture: Pixels) -> Seen:
        scaled, scale = fit_budget(picture)
        self._net.setInputSize((scaled.shape[1], scaled.shape[0]))
        found: Any = self._net.detect(scaled)[1]  # None where nothing is seen, against its stub
        if found is None:
            return Seen(as_boxes([], 5), scale)
        rows = np.asarray(found, np.float64)
        boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4], rows[:, 14:15]], 1)
        boxes[:, :4] /= scale
        return Seen(best_first(boxes), scale)


class RetinaFace:
    """RetinaFace with MobileNet 0.25 (Deng et al. 2019, arXiv:1905.00641) as ONNX: outputs loc, conf, landmarks.

    Anchors: strides 8, 16, 32 with two squares each; variances 0.1 and 0.2; input BGR minus (104, 117, 123).
    """

    precision = "f32"
    STRIDES = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))

    def __init__(self, path: Path) -> None:
        import openvino

        self.name = path.stem
        self._net = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def __call__(self, picture: Pixels) -> Seen:
        scaled, scale = fit_budget(picture)
        height, width = scaled.shape[:2]
        padded = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.float32)
        padded[:height, :width] = scaled.astype(np.float32) - (104.0, 117.0, 123.0)
        answers = self._net([padded.transpose(2, 0, 1)[None]])
        offsets, scores = np.asarray(answers["loc"][0], np.float64), np.asarray(answers["conf"][0, :, 1], np.float64)
        anchors = self._anchors(padded.shape[0], padded.shape[1])
        kept = scores >= SCORE_FLOOR
        offsets, anchors, scores = offsets[kept], anchors[kept], scores[kept]
        centres = anchors[:, :2] + offsets[:, :2] * 0.1 * anchors[:, 2:]
        sides = anchors[:, 2:] * np.exp(offsets[:, 2:] * 0.2)
        boxes = np.concatenate([centres - sides / 2, centres + sides / 2, scores[:, None]], 1)
        boxes[:, :4] /= scale
        return Seen(best_first(suppress(boxes, 0.4)), scale)

    def _anchors(self, height: int, width: int) -> Boxes:
        """(N, 4) centre and sides in px, in the network's order."""
        parts = []
        for stride, sides in self.STRIDES:
            rows, columns = np.mgrid[0 : height // stride, 0 : width // stride]
            for_each = np.repeat(np.stack([columns, rows], -1).reshape(-1, 2), len(sides), 0)
            square = np.tile(np.array(sides, np.float64), rows.size)
            parts.append(np.concatenate([(for_each + 0.5) * stride, np.stack([square, square], 1)], 1))
        return np.concatenate(parts)


def suppress(boxes: Boxes, iou: float) -> Boxes:
    """Greedy non-maximum suppression (OpenCV's) of (N, 5) boxes."""
    if not len(boxes):
        return boxes
    corner_sides = np.concatenate([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]], 1)
    kept = cv2.dnn.NMSBoxes(corner_sides.tolist(), boxes[:, 4].tolist(), SCORE_FLOOR, iou)
    result: Boxes = boxes[np.asarray(kept, np.int64).reshape(-1)]
    return result


class BundleDetector:
    """A detector bundle, through the same preprocessing and backend as serving, but with `SCORE_FLOOR`.

    Raises:
        BundleError, BackendError: the bundle is damaged, or the runtime cannot run it.
    """

    def __init__(self, path: Path, precision: Literal["auto", "f32"] = "auto", threads: int = 0) -> None:
        self.bundle = load_bundle(path, "detector")
        backend = open_backend(self.bundle, choose_backend("openvino"), precision, threads)
        self._detector = FaceDetector(self.bundle, backend, SCORE_FLOOR)
        self.name = self.bundle.label
        self.precision: str = backend.precision

    def __call__(self, picture: Pixels) -> Seen:
        pixels, letterbox = letterbox_picture(picture, self._detector.shapes)
        faces = self._detector.detect(pixels[None], [letterbox])[0]
        boxes = as_boxes(((*face.box, face.score) for face in faces), 5)
        return Seen(best_first(boxes), letterbox.inner_width / letterbox.width)


def _faster_rcnn(path: Path) -> Detector:
    from detector_training.faster_rcnn import FasterRCNN  # brings torch

    return FasterRCNN(path)


OTHERS: dict[str, Callable[[Path], Detector]] = {
    "yunet": YuNet,
    "retinaface": RetinaFace,
    "faster_rcnn": _faster_rcnn,
}


def open_other(path: Path) -> Detector:
    """A detector by its file: the name tells which it is (`yunet*.onnx`, `retinaface*.onnx`, `faster_rcnn*.pt`).

    Raises:
        DataError: the file is missing or none of the known ones.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing: name the file of a detector")
    for prefix, make in OTHERS.items():
        if path.name.lower().startswith(prefix):
            try:
                return make(path)
            except (cv2.error, RuntimeError) as error:
                raise DataError(f"{path} cannot be loaded: {str(error).strip().splitlines()[0]}") from error
    raise DataError(f"{path.name}: unknown detector; file names begin with {' or '.join(OTHERS)}")
