"""Pictures that a container says are to be turned or mirrored come out as it says, alone and with a region."""

from __future__ import annotations

import gc
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from tests.unit.sources.counter import number_of, write_video
from worker.frame import Pixels
from worker.sources.file_frames import frames_of
from worker.sources.options import SourceOptions

ORIENTATIONS: dict[str, tuple[tuple[int, int, int, int], Callable[[Any], Any]]] = {
    # name: a, b, c, d of the matrix that brings (x, y) to (a x + c y, b x + d y), and what numpy calls that
    "as it is": ((1, 0, 0, 1), lambda picture: picture),
    "left to right": ((-1, 0, 0, 1), np.fliplr),
    "upside down and left to right": ((-1, 0, 0, -1), lambda picture: np.rot90(picture, 2)),
    "upside down": ((1, 0, 0, -1), np.flipud),
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


def told_by_the_codec(plain: Path, out: Path, orientation: str) -> Path:
    """The same H.264 with a display orientation before its first picture, as the codec itself can tell it."""
    with av.open(str(plain)) as source, av.open(str(out), "w", format="h264") as written:
        track = source.streams.video[0]
        copy = written.add_stream_from_template(track)
        edit = BitStreamFilterContext(f"h264_metadata=display_orientation=insert:{orientation}", track)
        for packet in [packet for packet in source.demux(track) if packet.size]:
            for edited in edit.filter(packet):
                edited.stream = copy
                written.mux(edited)
    return out


def test_an_orientation_that_changes_in_mid_stream(tmp_path: Path) -> None:
    plain = write_video(tmp_path / "plain.h264", 1, first=1365, options={"crf": "10"})
    flipped = told_by_the_codec(plain, tmp_path / "flipped.h264", "flip=vertical")
    turned = told_by_the_codec(plain, tmp_path / "turned.h264", "rotate=90")
    joined = tmp_path / "joined.h264"
    joined.write_bytes(b"".join(part.read_bytes() for part in (plain, flipped, turned, plain)))
    lumas = [frame.luma for frame in frames_of(SourceOptions("a", str(joined), live=False))]
    expected = [lumas[0], np.flipud(lumas[0]), np.rot90(lumas[0]), lumas[0]]
    assert [picture.shape for picture in lumas] == [picture.shape for picture in expected]
    assert all(np.array_equal(*pair) for pair in zip(lumas, expected, strict=True))


def frames_in_memory() -> list[av.VideoFrame]:
    return [thing for thing in gc.get_objects() if issubclass(type(thing), av.VideoFrame)]  # isinstance asks proxies


def test_no_frame_waits_for_the_garbage_collector(plain: Path, tmp_path: Path) -> None:
    """Looking at a frame's side data makes a circle of references: only stamps may be in one."""
    mirrored = oriented(plain, tmp_path / "mirrored.mp4", (1, 0, 0, -1))
    gc.collect()
    others = {id(thing): thing for thing in frames_in_memory()}  # kept, so that none gets another's identity
    gc.disable()
    try:
        assert len(list(frames_of(SourceOptions("a", str(mirrored), live=False, keep_picture=True)))) == 2
        left = [frame for frame in frames_in_memory() if id(frame) not in others]
    finally:
        gc.enable()
    assert left, "where PyAV makes no circle any more, the stamp can go"
    assert max(frame.width * frame.height for frame in left) <= 16 * 16
