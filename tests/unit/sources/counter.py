"""Videos whose every frame carries its own number as black and white squares, so that order and loss can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from worker.frame import Pixels

BITS = 12


def painted(number: int, width: int = 384, height: int = 240) -> Pixels:
    """(height, width, 3) uint8: 12 squares of the number's bits along the top, a moving grey ramp below."""
    picture = np.zeros((height, width, 3), np.uint8)
    ramp = (np.arange(width) * 2 + number * 3) % 160 + 40
    picture[height // 3 :] = ramp.astype(np.uint8)[None, :, None]
    side = width // BITS
    for bit in range(BITS):
        if number >> bit & 1:
            picture[: height // 3, bit * side : (bit + 1) * side] = 255
    return picture


def number_of(luma: Pixels) -> int:
    """The number painted into a frame, from its (height, width) luma, at any size."""
    height, width = luma.shape
    side = width / BITS
    row = luma[height // 6]
    return sum(int(row[round((bit + 0.5) * side)] > 127) << bit for bit in range(BITS))


def write_video(
    path: Path,
    frames: int = 60,
    fps: int = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (384, 240),
    options: Mapping[str, str] | None = None,
    first: int = 0,
) -> Path:
    """Encode frames numbered from `first`."""
    with av.open(str(path), "w") as out:
        track = out.add_stream(codec, rate=fps, options=dict(options or {}))
        assert isinstance(track, av.VideoStream)
        track.width, track.height = size
        track.pix_fmt = pix_fmt
        track.codec_context.time_base = Fraction(1, fps)
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(painted(first + i, *size), "bgr24")
            frame.pts = i
            frame.time_base = Fraction(1, fps)
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
    return path
