"""The face detector: letterboxed pictures in, faces in pixels of the upright pictures out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worker.errors import BackendError
from worker.face import Box, Detection
from worker.frame import Letterbox, Pixels
from worker.models.boxes import decode, suppress
from worker.models.bundle import Bundle, DetectorManifest
from worker.models.runtime import Backend, numbers
from worker.models.warm_up import seconds_of


class FaceDetector:
    """A detector bundle on a backend. Belongs to one thread.

    Attributes:
        shapes: the input shapes (width, height) that pictures may be letterboxed into.
        score: boxes below it are no faces; the manifest's threshold unless given (evaluation looks below it).
    """

    def __init__(self, bundle: Bundle[DetectorManifest], backend: Backend, score: float | None = None) -> None:
        self.bundle = bundle
        self.backend = backend
        self.shapes: tuple[tuple[int, int], ...] = bundle.manifest.input_shapes
        thresholds = bundle.manifest.thresholds
        self.score = thresholds.score if score is None else score
        self._nms_iou = thresholds.nms_iou

    def detect(self, inputs: Pixels, letterboxes: Sequence[Letterbox]) -> list[list[Detection]]:
        """The faces of each picture of a batch, strongest first.

        Args:
            inputs: (n, h, w, 3) uint8 BGR, all of one of `shapes`, letterboxed as `Frame.detector_input` is.
            letterboxes: the n pictures' geometry.

        Returns:
            n lists; boxes are in pixels of the upright picture and may reach a little outside of it.

        Raises:
            BackendError: the runtime failed, or the inputs have none of the detector's shapes.
        """
        height, width = inputs.shape[1:3]
        if (width, height) not in self.shapes:
            raise BackendError(f"a batch of {width}x{height} px fits none of the detector's shapes {self.shapes}")
        raw = numbers(self.backend.infer(inputs))
        faces = []
        for output, letterbox in zip(raw, letterboxes, strict=True):
            xyxy, scores = decode(output, (width, height), self.score)
            kept = suppress(xyxy, self._nms_iou)
            boxes = letterbox.to_picture(xyxy[kept]).tolist()
            faces.append([Detection(Box(*box), s) for box, s in zip(boxes, scores[kept].tolist(), strict=True)])
        return faces

    def warm_up(self) -> float:
        """Run every input shape; the seconds that one picture of the slowest shape takes in a batch of one.

        The first shape, which most cameras have, is also run in a batch of four.
        """
        self._time(self.shapes[0], 4)
        return max(self._time(shape, 1) for shape in self.shapes)

    def _time(self, shape: tuple[int, int], count: int) -> float:
        width, height = shape
        inputs = np.full((count, height, width, 3), 114, np.uint8)
        letterboxes = [Letterbox.fit(width, height, (shape,))] * count
        return seconds_of(lambda: self.detect(inputs, letterboxes))
