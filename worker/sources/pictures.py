"""From a decoded picture to what the models need: the detector's input and full-range luma, both upright."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.reformatter import ColorRange, VideoReformatter

from worker.errors import SourceUnreadable
from worker.frame import Letterbox, Pixels, Region

PADDING = 114
"""Value of the letterbox's border, as in the detector's training (YOLO's convention)."""

_SUBSAMPLINGS = ("420", "422", "444", "440", "411")
_FULL_RANGE = frozenset(f"yuvj{sampling}p" for sampling in _SUBSAMPLINGS)
_PLANAR_8_BIT = _FULL_RANGE | {f"yuv{sampling}p" for sampling in _SUBSAMPLINGS} | {"nv12", "nv21", "nv16", "gray"}
_STRETCH: Pixels = np.clip(np.round((np.arange(256) - 16.0) * (255.0 / 219.0)), 0, 255).astype(np.uint8)
"""Limited-range luma (16..235, ITU-R BT.601 2.5.3) to full range."""

_STAMP = (16, 16)
"""Size in px of the copy of a frame that its side data is read from."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of one frame; fields as in `worker.frame.Frame`."""

    letterbox: Letterbox
    detector_input: Pixels
    luma: Pixels
    picture: Pixels | None


@dataclass(frozen=True, slots=True)
class Upright:
    """How a coded picture of `width` x `height` px becomes upright: stretched to square pixels, mirrored, then turned.

    Attributes:
        width, height: size with square pixels, before turning.
        turns: quarter turns counter-clockwise, 0..3.
        mirrored: left and right are exchanged, before turning.
    """

    width: int
    height: int
    turns: int
    mirrored: bool = False

    @classmethod
    def of(cls, width: int, height: int, pixel_aspect: Fraction | None, matrix: bytes | None) -> Upright:
        """From the coded size, the pixel aspect (width / height of one pixel) and the display matrix, if there is one.

        The narrower side is enlarged, so that no detail is lost. An aspect outside 1/4..4 is taken for damage.
        """
        turns, mirrored = _orientation(matrix) if matrix is not None else (0, False)
        aspect = float(pixel_aspect) if pixel_aspect else 1.0
        if not 0.25 <= aspect <= 4.0:
            aspect = 1.0
        wide = round(width * aspect) if aspect > 1 else width
        high = round(height / aspect) if aspect < 1 else height
        return cls(wide, high, turns, mirrored)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the upright picture."""
        return (self.height, self.width) if self.turns % 2 else (self.width, self.height)

    def applied(self, picture: Pixels) -> Pixels:
        """A view of `picture`, coded way round, that is upright."""
        seen = picture[:, ::-1] if self.mirrored else picture
        return np.rot90(seen, self.turns) if self.turns else seen


def _orientation(matrix: bytes) -> tuple[int, bool]:
    """Quarter turns counter-clockwise, and whether the picture is mirrored before, of a display matrix.

    The matrix is nine native int32 (libavutil/display.h): the point (x, y), y downwards, comes to
    (a x + c y, b x + d y) with a, b, c, d its elements 0, 1, 3 and 4. Slanted pictures are turned to the nearest
    quarter.
    """
    a, b, _, c, d = struct.unpack_from("=5i", matrix)
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    return round(math.atan2(-b, a) / (math.pi / 2)) % 4, mirrored


class VideoPictures:
    """Turns decoded video frames into `Pictures`. One for each opened stream: it keeps scaler contexts.

    Of a `region` the detector's input is cut from the whole picture in colour (the scaler cannot cut).
    """

    def __init__(self, shapes: Sequence[tuple[int, int]], keep_picture: bool, region: Region | None = None) -> None:
        self._shapes = tuple(shapes)
        self._keep_picture = keep_picture
        self._region = region
        self._to_input = VideoReformatter()
        self._to_luma = VideoReformatter()
        self._to_picture = VideoReformatter()
        self._to_stamp = VideoReformatter()

    def render(self, frame: av.VideoFrame, pixel_aspect: Fraction | None) -> Pictures:
        """The frame's pictures, all copies: the decoder may reuse the frame's memory afterwards.

        Raises:
            SourceUnreadable: its pixels cannot be converted.
        """
        try:
            return self._render(frame, pixel_aspect)
        except av.FFmpegError as error:
            kind = f"{frame.format.name} of {frame.width}x{frame.height} px"
            raise SourceUnreadable(f"pictures in {kind} cannot be converted ({error.strerror})") from None

    def _render(self, frame: av.VideoFrame, pixel_aspect: Fraction | None) -> Pictures:
        upright = Upright.of(frame.width, frame.height, pixel_aspect, self._display_matrix(frame))
        letterbox = Letterbox.fit(*upright.size, self._shapes, self._region)
        picture = small = None
        if self._keep_picture or self._region:
            full = self._bgr(self._to_picture, frame, (upright.width, upright.height), "BICUBIC")
            whole = upright.applied(full)
            small = cut(whole, letterbox) if self._region else None
            picture = whole.copy() if self._keep_picture else None
        if small is None:
            inner = (letterbox.inner_width, letterbox.inner_height)
            width, height = inner[::-1] if upright.turns % 2 else inner
            method = "AREA" if width < upright.width else "BILINEAR"
            small = upright.applied(self._bgr(self._to_input, frame, (width, height), method))
        return Pictures(letterbox, padded(small, letterbox), self._luma(frame, upright), picture)

    def _display_matrix(self, frame: av.VideoFrame) -> bytes | None:
        """The frame's display matrix (nine native int32); None where it has none.

        A PyAV frame whose side data was looked at is in a circle of references, so it stays until the garbage collector
        comes by: gigabytes of 1080p frames. (`frame.rotation` makes no circle, but does not tell mirrored pictures.) So
        it is a stamp of the frame that is looked at, which carries the same side data: a few kilobytes and 15 µs.
        """
        width, height = _STAMP
        stamp = self._to_stamp.reformat(frame, width, height, "gray", interpolation="POINT", threads=1)
        data = stamp.side_data.get("DISPLAYMATRIX")
        return bytes(data) if isinstance(data, SideData) else None

    def _bgr(self, reformatter: VideoReformatter, frame: av.VideoFrame, size: tuple[int, int], method: str) -> Pixels:
        scaled = reformatter.reformat(frame, size[0], size[1], "bgr24", interpolation=method, threads=1)
        return plane(scaled, channels=3)

    def _luma(self, frame: av.VideoFrame, upright: Upright) -> Pixels:
        luma = full_range_luma(frame, self._to_luma)
        if (upright.width, upright.height) != (frame.width, frame.height):
            luma = resized(luma, upright.width, upright.height)
        return np.ascontiguousarray(upright.applied(luma))


def full_range_luma(frame: av.VideoFrame, reformatter: VideoReformatter) -> Pixels:
    """A copy of the frame's luma as (height, width) uint8, 0..255, not turned.

    8-bit planar formats are copied and stretched by `color_range` (0.99 ms against 1.35 ms by the scaler at 1080p,
    same values); all others go through the scaler.
    """
    name = frame.format.name
    if name not in _PLANAR_8_BIT:
        gray = reformatter.reformat(frame, format="gray", dst_color_range=ColorRange.JPEG, threads=1)
        return plane(gray).copy()
    view = plane(frame)
    limited = frame.color_range == ColorRange.MPEG or (frame.color_range != ColorRange.JPEG and name != "gray")
    if limited and name not in _FULL_RANGE:
        return np.asarray(cv2.LUT(view, _STRETCH), np.uint8)
    return view.copy()


def plane(frame: av.VideoFrame, channels: int = 1) -> Pixels:
    """A view of the frame's first plane without line padding: (height, width) or (height, width, channels) uint8."""
    first = frame.planes[0]
    buffer: Pixels = np.frombuffer(memoryview(first), np.uint8, count=first.line_size * frame.height)
    used = buffer.reshape(frame.height, first.line_size)[:, : frame.width * channels]
    return used if channels == 1 else used.reshape(frame.height, frame.width, channels)


def picture_pictures(
    picture: Pixels, shapes: Sequence[tuple[int, int]], keep_picture: bool, region: Region | None = None
) -> Pictures:
    """The pictures of a photo, (height, width, 3) uint8 BGR and already upright."""
    height, width = picture.shape[:2]
    letterbox = Letterbox.fit(width, height, tuple(shapes), region)
    small = cut(picture, letterbox)
    luma = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
    return Pictures(letterbox, padded(small, letterbox), luma, picture if keep_picture else None)


def cut(picture: Pixels, letterbox: Letterbox) -> Pixels:
    """The part of the upright `picture`, (height, width, 3) uint8, that the detector sees, scaled to its inner size."""
    x, y = letterbox.x, letterbox.y
    part = np.ascontiguousarray(picture[y : y + letterbox.down, x : x + letterbox.across])
    return resized(part, letterbox.inner_width, letterbox.inner_height)


def padded(inner: Pixels, letterbox: Letterbox) -> Pixels:
    """A copy of `inner` in the middle of the detector's input, (input_height, input_width, 3) uint8."""
    canvas = np.full((letterbox.input_height, letterbox.input_width, 3), PADDING, np.uint8)
    below, beside = letterbox.top + letterbox.inner_height, letterbox.left + letterbox.inner_width
    canvas[letterbox.top : below, letterbox.left : beside] = inner
    return canvas


def resized(picture: Pixels, width: int, height: int) -> Pixels:
    """`picture` at another size: area when it shrinks, bilinear when it grows."""
    method = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)
