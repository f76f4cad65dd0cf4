"""Draws what the worker says of a picture onto it: boxes, track ids, labels, emotion bars, reasons for silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from worker.face import EMOTIONS
from worker.frame import Pixels

# BGR, chosen to be told apart on dark and bright pictures alike.
COLOURS: Mapping[str, tuple[int, int, int]] = {
    "anger": (72, 72, 235),
    "disgust": (80, 175, 95),
    "fear": (215, 100, 160),
    "happiness": (60, 195, 255),
    "sadness": (225, 150, 80),
    "surprise": (70, 140, 250),
    "neutral": (205, 205, 205),
}
SILENT = (150, 150, 150)
INK = (255, 255, 255)
SHADE = 0.62
_FONT = cv2.FontFace("sans")


@dataclass(frozen=True, slots=True)
class FaceView:
    """What is to be drawn of one face.

    Attributes:
        track: the track's id.
        box: x, y, width, height in px of the picture.
        label: the stable emotion; None while there is none.
        confidence: of `label`, 0..1.
        probabilities: the last known probabilities by emotion; None: none yet.
        fresh: whether `probabilities` are of this frame.
        abstained: why no emotion is told of this frame; None: nothing speaks against it.
    """

    track: int
    box: tuple[float, float, float, float]
    label: str | None
    confidence: float
    probabilities: Mapping[str, float] | None
    fresh: bool
    abstained: str | None


def draw_faces(picture: Pixels, faces: Sequence[FaceView]) -> None:
    """Draw `faces` onto `picture` (height, width, 3) uint8 BGR, in place."""
    unit = max(10, round(min(picture.shape[:2]) / 36))  # text height in px: readable from a phone to 4K
    placed = [_area(face, unit) for face in faces]  # nothing may cover a face or its label
    for face in faces:
        _frame(picture, face, unit)
    for face in faces:
        _label(picture, face, unit)
        if face.probabilities is not None and face.box[3] > 2 * unit:
            _bars(picture, face, unit, placed)


def draw_region(picture: Pixels, part: tuple[int, int, int, int]) -> None:
    """Darken what is outside of `part` (x, y, width, height in px) and draw its edge: nobody looked there."""
    x, y, across, down = part
    height, width = picture.shape[:2]
    inside = picture[y : y + down, x : x + across].copy()
    _shade(picture, 0, 0, width, height)
    picture[y : y + down, x : x + across] = inside
    cv2.rectangle(picture, (x, y), (x + across - 1, y + down - 1), SILENT, max(1, min(height, width) // 360))


def draw_caption(picture: Pixels, text: str) -> None:
    """Write one line of `text` on a dark band along the lower edge."""
    unit = max(10, round(min(picture.shape[:2]) / 40))
    height, width = picture.shape[:2]
    _shade(picture, 0, height - 2 * unit, width, height)
    _write(picture, text, unit, height - round(0.65 * unit), unit, 400)


def _colour(face: FaceView) -> tuple[int, int, int]:
    return COLOURS.get(face.label or "", SILENT)


def _frame(picture: Pixels, face: FaceView, unit: int) -> None:
    """A thin rectangle with heavier corners."""
    x, y, w, h = (round(v) for v in face.box)
    colour = _colour(face)
    cv2.rectangle(picture, (x, y), (x + w, y + h), colour, max(1, unit // 10), cv2.LINE_AA)
    arm, thick = max(4, min(w, h) // 5), max(2, unit // 5)
    for cx, dx in ((x, 1), (x + w, -1)):
        for cy, dy in ((y, 1), (y + h, -1)):
            cv2.line(picture, (cx, cy), (cx + dx * arm, cy), colour, thick, cv2.LINE_AA)
            cv2.line(picture, (cx, cy), (cx, cy + dy * arm), colour, thick, cv2.LINE_AA)


def _label(picture: Pixels, face: FaceView, unit: int) -> None:
    """The stable label above the box (or inside its upper edge), what speaks against one below it."""
    x, y = round(face.box[0]), round(face.box[1])
    text = _text(face)
    width = _width(text, unit, 600)
    top = y - round(1.7 * unit) if y >= round(1.7 * unit) else y
    left = max(0, min(x, picture.shape[1] - width - unit))
    _shade(picture, left, top, left + width + unit, top + round(1.6 * unit))
    _write(picture, text, left + unit // 2, top + round(1.2 * unit), unit, 600, _colour(face))
    if face.abstained and face.label:
        reason = face.abstained.replace("_", " ")
        below = min(picture.shape[0] - unit // 3, round(y + face.box[3] + 1.2 * unit))
        _shade(picture, left, below - unit, left + _width(reason, unit, 400) + unit, below + round(0.4 * unit))
        _write(picture, reason, left + unit // 2, below, unit, 400, SILENT)


def _text(face: FaceView) -> str:
    told = f"{face.label} {face.confidence:.0%}" if face.label else "no stable emotion yet"
    if face.abstained and not face.label:
        told = face.abstained.replace("_", " ")
    return f"#{face.track}  {told}"


def _bars(picture: Pixels, face: FaceView, unit: int, placed: list[tuple[int, int, int, int]]) -> None:
    """Seven bars beside the box, on the side where there is room and nothing stands yet."""
    assert face.probabilities is not None
    small = max(9, round(0.72 * unit))
    name_width = _width("happiness", small, 400)
    width, height = name_width + 6 * small, round(len(EMOTIONS) * 1.25 * small) + small // 2
    x, y, w, h = (round(v) for v in face.box)
    room_x, room_y = picture.shape[1] - width, picture.shape[0] - height
    label = round(1.7 * unit)
    beside = max(0, min(y if y >= label else y + label, room_y))
    for left, top in ((x + w + small // 2, beside), (x - width - small // 2, beside), (x, y + h + small // 2)):
        area = (left, top, left + width, top + height)
        own = _area(face, unit)
        if (
            0 <= left <= room_x
            and 0 <= top <= room_y
            and not any(_overlap(area, other) for other in placed if other != own)
        ):
            break
    else:
        return  # no room: the label tells enough
    placed.append(area)
    _shade(picture, *area)
    for row, name in enumerate(EMOTIONS):
        probability = face.probabilities.get(name, 0.0)
        base = top + round((row + 1) * 1.25 * small)
        bright = INK if face.fresh else SILENT
        _write(picture, name, left + small // 3, base, small, 400, bright)
        start = left + name_width + small
        end = start + round(probability * (width - name_width - round(1.5 * small)))
        if end > start:
            cv2.rectangle(picture, (start, base - round(0.7 * small)), (end, base), COLOURS[name], cv2.FILLED)


def _area(face: FaceView, unit: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a face's box with the room above it for its label, which may be wider."""
    x, y, w, h = (round(v) for v in face.box)
    return x, y - round(1.7 * unit), x + max(w, _width(_text(face), unit, 600) + unit), y + h


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _shade(picture: Pixels, left: int, top: int, right: int, bottom: int) -> None:
    """Darken a rectangle so that text on it can be read on any picture."""
    area = picture[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    area[:] = (area * (1 - SHADE)).astype(np.uint8)


def _width(text: str, size: int, weight: int) -> int:
    _, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), _FONT, size, weight)
    return int(width)


def _write(
    picture: Pixels, text: str, x: int, baseline: int, size: int, weight: int, colour: tuple[int, int, int] = INK
) -> None:
    cv2.putText(picture, text, (x, baseline), colour, _FONT, size, weight)
