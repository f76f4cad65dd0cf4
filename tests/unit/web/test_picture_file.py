"""The size that a picture claims, read before anybody decodes it."""

from __future__ import annotations

import struct
import time
import zlib
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from worker.web.picture_file import MAX_SCANS, NotAPicture, TooManyPixels, check_picture


def saved(kind: str, size: tuple[int, int] = (37, 21), **options: object) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, "teal").save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        saved("JPEG"),
        saved("JPEG", progressive=True),
        saved("JPEG", comment=b"x" * 3000),
        saved("PNG"),
        saved("BMP"),
        saved("WEBP"),
        saved("WEBP", lossless=True),
        saved("WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
    ],
)
def test_the_size_is_what_the_decoder_finds(data: bytes) -> None:
    assert check_picture(data) == (37, 21)


def test_fill_bytes_before_a_marker_are_allowed() -> None:
    data = saved("JPEG")
    assert check_picture(data[:2] + b"\xff\xff" + data[2:]) == (37, 21)


def test_more_pixels_than_the_limit_are_refused_whoever_claims_them() -> None:
    png = bytearray(saved("PNG"))
    png[16:24] = (10_000).to_bytes(4, "big") + (5_001).to_bytes(4, "big")
    with pytest.raises(TooManyPixels, match="10000 x 5001"):
        check_picture(bytes(png))
    png[16:24] = (10_000).to_bytes(4, "big") + (5_000).to_bytes(4, "big")
    assert check_picture(bytes(png)) == (10_000, 5_000)


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    with pytest.raises(TooManyPixels, match="too many scans"):
        check_picture(saved("JPEG") + b"\xff\xda" * (MAX_SCANS + 1))


def png_of(raw: bytes, *, bits: int = 8, kind: int = 2, interlaced: bool = False) -> bytes:
    """A PNG file of 64x64 px whose pixels unpack to `raw`, in two pieces."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    packed, head = zlib.compress(raw, 9), struct.pack(">IIBBBBB", 64, 64, bits, kind, 0, 0, interlaced)
    pieces = chunk(b"IDAT", packed[:9]) + chunk(b"IDAT", packed[9:])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pieces + chunk(b"IEND", b"")


def test_a_png_that_unpacks_to_more_than_it_claims_is_refused_at_once() -> None:
    bomb = png_of(bytes(2_000_000_000 // 8))
    assert len(bomb) < 300_000
    started = time.process_time()
    with pytest.raises(NotAPicture, match="holds more than the pixels"):
        check_picture(bomb)
    assert time.process_time() - started < 0.2


def test_the_largest_pixels_of_a_png_are_no_bomb() -> None:
    deepest = b"".join(b"\0" + bytes(64 * 8) for _ in range(64))
    assert check_picture(png_of(deepest, bits=16, kind=6)) == (64, 64)
    passes = ((8, 8), (8, 8), (16, 8), (16, 16), (32, 16), (32, 32), (64, 32))  # Adam7: width and height of each
    interlaced = b"".join((b"\0" + bytes(width * 8)) * height for width, height in passes)
    assert check_picture(png_of(interlaced, bits=16, kind=6, interlaced=True)) == (64, 64)


@given(st.sampled_from([saved("JPEG"), saved("PNG"), saved("BMP"), saved("WEBP"), b""]), st.data())
def test_damage_is_told_and_nothing_else_happens(data: bytes, draw: st.DataObject) -> None:
    damaged = bytearray(data[: draw.draw(st.integers(0, len(data)))])
    for at in draw.draw(st.lists(st.integers(0, max(0, len(damaged) - 1)), max_size=8)) if damaged else []:
        damaged[at] = draw.draw(st.integers(0, 255))
    with suppress(NotAPicture, TooManyPixels):
        size = check_picture(bytes(damaged))
        assert 0 < size.width * size.height <= 50_000_000
