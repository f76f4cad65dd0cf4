"""Pictures that a container says are to be turned or mirrored come out as it says, alone and with a region."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.unit.sources.counter import number_of, write_video
from worker.frame import Pixels
from worker.sources.file_frames import frames_of
from worker.sources.options import SourceOptions

# Upside down without a turn is missing: such a matrix has rotation 0 and is not looked for (pictures.py says why).
ORIENTATIONS: dict[str, tuple[tuple[int, int, int, int], Callable[[Any], Any]]] = {
    # name: a, b, c, d of the matrix that brings (x, y) to (a x + c y, b x + d y), and what numpy calls that
    "as it is": ((1, 0, 0, 1), lambda picture: picture),
    "left to right": ((-1, 0, 0, 1), np.fliplr),
    "upside down and left to right": ((-1, 0, 0, -1), lambda picture: np.rot90(picture, 2)),
    "a quarter counter-clockwise": ((0, -1, 1, 0), np.rot90),
    "a quarter clockwise": ((0, 1, -1, 0), lambda picture: np.rot90(picture, -1)),
    "along the diagonal": ((0, 1, 1, 0), lambda picture: np.swapaxes(picture, 0, 1)),
    "along the other diagonal": ((0, -1, -1, 0), lambda picture: np.rot90(np.swapaxes(picture, 0, 1), 2)),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clips") / "plain.mp4", 2, first=1365, options={"crf": "10"})


def oriented(plain: Path, out: Path, matrix: tuple[int, int, int, int]) -> Path:
    """The same file with another matrix in its track header (ISO 14496-12, 8.3.2)."""
    content = bytearray(plain.read_bytes())
    place = content.index(b"tkhd") + 44
    a, b, c, d = (part << 16 for part in matrix)
    struct.pack_into(">9i", content, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    out.write_bytes(content)
    return out


def pictures(path: Path, region: tuple[float, float, float, float] | None = None) -> tuple[Pixels, Pixels, Pixels]:
    """Luma, colours and what the detector sees of the first frame, without the border."""
    options = SourceOptions(
        "a", str(path), live=False, shapes=((384, 240), (240, 384)), keep_picture=True, region=region
    )
    frame = next(iter(frames_of(options)))
    assert frame.picture is not None
    box = frame.letterbox
    inner = frame.detector_input[box.top : box.top + box.inner_height, box.left : box.left + box.inner_width]
    return frame.luma, frame.picture, inner


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_every_orientation(plain: Path, tmp_path: Path, name: str) -> None:
    matrix, meaning = ORIENTATIONS[name]
    luma, picture, inner = pictures(plain)
    assert number_of(luma) == 1365
    turned_luma, turned_picture, turned_inner = pictures(oriented(plain, tmp_path / "turned.mp4", matrix))
    assert np.array_equal(turned_luma, meaning(luma))
    assert np.array_equal(turned_picture, meaning(picture))
    assert np.array_equal(turned_inner, meaning(inner))


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_a_region_is_of_the_upright_picture(plain: Path, tmp_path: Path, name: str) -> None:
    matrix, _ = ORIENTATIONS[name]
    _, picture, inner = pictures(oriented(plain, tmp_path / "turned.mp4", matrix), (0.0, 0.0, 0.25, 0.5))
    height, width = picture.shape[:2]
    part = cv2.resize(np.ascontiguousarray(picture[: height // 2, : width // 4]), inner.shape[1::-1])
    assert np.abs(inner.astype(int) - part.astype(int)).mean() < 1
