"""Small pictures of the streams for the live page: made when somebody looks, of what the detector saw."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from worker.assembly.live import LastFrame, LastFrames
from worker.clock import Clock
from worker.drawing import FaceView, draw_faces
from worker.frame import Letterbox, Pixels
from worker.settings import WebSettings
from worker.web.answers import Refusal

LEAST_S = 0.2
"""A stream's picture is made at most this often, however many look."""
WIDTH = 426
"""Widest picture, px: as wide as a card of the page, so that what is written on it can be read there."""
_QUALITY = 85
_BLUR_MARGIN = 0.35
_BLUR_CELLS = 6


@dataclass(frozen=True, slots=True)
class _Made:
    at: float
    jpeg: bytes


class Previews:
    """The previews desk; `picture` may be called from any thread."""

    def __init__(self, settings: WebSettings, last: LastFrames, clock: Clock) -> None:
        self._mode = settings.preview
        self._last = last
        self._clock = clock
        self._lock = threading.Lock()
        self._made: dict[str, _Made] = {}

    def picture(self, stream: str) -> bytes:
        """The newest analysed frame with boxes, ids and bars, as JPEG.

        Raises:
            Refusal: 404, there is none.
        """
        last = self._last.of(stream)
        if last is None or last.picture is None:
            why = "previews are off: set web.preview" if self._mode == "off" else "there is no picture of this stream"
            raise Refusal(404, why)
        with self._lock:
            made = self._made.get(stream)
            now = self._clock.monotonic()
            if made is None or now - made.at >= LEAST_S:
                for gone in [name for name in self._made if self._last.of(name) is None]:
                    del self._made[gone]  # a removed stream's picture is not kept
                made = self._made[stream] = _Made(now, _jpeg(render(last, blurred=self._mode != "clear")))
        return made.jpeg


def render(last: LastFrame, blurred: bool) -> Pixels:
    """(height, width, 3) uint8 BGR, at most 426 px wide: the frame as the detector saw it, with what was found."""
    assert last.picture is not None
    box = last.letterbox
    picture = last.picture[box.top : box.top + box.inner_height, box.left : box.left + box.inner_width].copy()
    if box.inner_width > WIDTH:
        height = max(1, round(box.inner_height * WIDTH / box.inner_width))
        picture = np.asarray(cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)
    views = [_view(face, box, picture.shape) for face in json.loads(last.draft.body)["faces"]]
    if blurred:
        for view in views:
            _blur(picture, view.box)
    draw_faces(picture, views)
    return picture


def _view(face: dict[str, Any], box: Letterbox, shape: tuple[int, ...]) -> FaceView:
    """`shape`: of the preview, which shows the part of the picture that the detector saw."""
    across, down = shape[1] / box.across, shape[0] / box.down
    x, y, width, height = face["box"]
    stable, emotion = face["stable"], face["emotion"]
    return FaceView(
        track=face["track"],
        box=((x - box.x) * across, (y - box.y) * down, width * across, height * down),
        label=stable and stable["label"],
        confidence=stable["confidence"] if stable else 0.0,
        probabilities=emotion and emotion["probabilities"],
        fresh=emotion is not None,
        abstained=face["abstained"],
    )


def _blur(picture: Pixels, box: tuple[float, float, float, float]) -> None:
    """Replace the face and its surroundings by a few flat cells: nothing of the features is left."""
    x, y, width, height = box
    left, top = max(0, int(x - _BLUR_MARGIN * width)), max(0, int(y - _BLUR_MARGIN * height))
    right = min(picture.shape[1], int(x + (1 + _BLUR_MARGIN) * width) + 1)
    bottom = min(picture.shape[0], int(y + (1 + _BLUR_MARGIN) * height) + 1)
    area = picture[top:bottom, left:right]
    if not area.size:
        return
    cells = cv2.resize(area, (_BLUR_CELLS, _BLUR_CELLS), interpolation=cv2.INTER_AREA)
    area[:] = cv2.resize(cells, (area.shape[1], area.shape[0]), interpolation=cv2.INTER_LINEAR)


def _jpeg(picture: Pixels) -> bytes:
    encoded, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert encoded, "a picture of a valid shape can always be encoded"
    return np.asarray(data).tobytes()
