"""What H.264 leaves of faces at a low rate: cameras send video, and its blocks differ from a JPEG's."""

import math
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

CELL = 64
"""Side of the square in which a face is coded, px: whole macroblocks, and an edge that keeps neighbours apart."""


def through_h264(faces: NDArray[np.uint8], crf: int, move: tuple[int, int]) -> NDArray[np.uint8]:
    """Faces as the second frame of a clip in which the first is the same, moved by `move` (x, y in px).

    The second frame is predicted from the first, as nearly all frames of a camera are. All faces share one clip, each
    in a cell of its own with its edges repeated.

    Args:
        faces: uint8 (n, h, w), luma, h and w at most 64, n at least 1.
        crf: x264's rate factor, 0 (nothing is lost) to 51; cameras that save space send about 28 to 40.
        move: less than the margin that the cells leave.

    Returns:
        uint8 (n, h, w).
    """
    n, height, width = faces.shape
    columns = math.ceil(math.sqrt(n))
    top, left = (CELL - height) // 2, (CELL - width) // 2
    cells = np.zeros((columns * math.ceil(n / columns), CELL, CELL), np.uint8)
    cells[:n] = np.pad(faces, ((0, 0), (top, CELL - height - top), (left, CELL - width - left)), "edge")
    sheet = cells.reshape(-1, columns, CELL, CELL).swapaxes(1, 2).reshape(-1, columns * CELL)
    before = np.roll(sheet, move, axis=(1, 0))
    coded = _second_frame([before, sheet], crf)
    parted = coded.reshape(-1, CELL, columns, CELL).swapaxes(1, 2).reshape(-1, CELL, CELL)
    return np.ascontiguousarray(parted[:n, top : top + height, left : left + width])


def _second_frame(luma: Sequence[NDArray[np.uint8]], crf: int) -> NDArray[np.uint8]:
    height, width = luma[0].shape
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate, encoder.thread_count = Fraction(25), 1
    encoder.options = {"crf": str(crf), "preset": "veryfast", "tune": "zerolatency"}
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    gray = np.full((height // 2, width), 128, np.uint8)
    packets = [
        packet
        for i, picture in enumerate([*luma, None])
        for packet in encoder.encode(None if picture is None else _frame(picture, gray, i))
    ]
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return np.asarray(frames[-1].to_ndarray()[:height], np.uint8)  # as gray it would be stretched from video range


def _frame(luma: NDArray[np.uint8], gray: NDArray[np.uint8], number: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.concatenate([luma, gray]), format="yuv420p")
    frame.pts = number
    return frame
