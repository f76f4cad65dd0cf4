"""The size that a picture claims, read before anybody decodes it."""

from __future__ import annotations

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


@given(st.sampled_from([saved("JPEG"), saved("PNG"), saved("BMP"), saved("WEBP"), b""]), st.data())
def test_damage_is_told_and_nothing_else_happens(data: bytes, draw: st.DataObject) -> None:
    damaged = bytearray(data[: draw.draw(st.integers(0, len(data)))])
    for at in draw.draw(st.lists(st.integers(0, max(0, len(damaged) - 1)), max_size=8)) if damaged else []:
        damaged[at] = draw.draw(st.integers(0, 255))
    with suppress(NotAPicture, TooManyPixels):
        size = check_picture(bytes(damaged))
        assert 0 < size.width * size.height <= 50_000_000
