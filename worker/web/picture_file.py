"""What a picture file says of itself before anybody decodes it: kind and size, from its first bytes.

A few kilobytes can claim billions of pixels. Decoding finds out too late, so the claim is read first.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

MAX_PIXELS = 50_000_000
MAX_SCANS = 100
"""A JPEG of many scans costs the decoder a pass over all pixels for each; cameras and programs write at most 15."""
_PIXEL_BYTES = 8
"""Of a PNG file at most: four channels of 16 bit."""
_STEP_BYTES = 1 << 20
_UNREAD = (
    (4, (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1", b"ftyphevc"), "HEIC"),
    (4, (b"ftypavif", b"ftypavis"), "AVIF"),
    (0, (b"GIF8",), "GIF"),
    (0, (b"II*\0", b"MM\0*"), "TIFF"),
    (0, (b"%PDF",), "PDF"),
)
_JPEG_SIZES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})


class PictureSize(NamedTuple):
    """Width and height in px as the file claims them, not turned by EXIF."""

    width: int
    height: int


class NotAPicture(ValueError):
    """The file is not one of JPEG, PNG, WebP and BMP, or it is damaged; the message is one sentence."""


class TooManyPixels(ValueError):
    """The picture is one, but decoding it would cost too much; the message is one sentence."""


def check_picture(data: bytes) -> PictureSize:
    """The size that the file claims.

    Raises:
        NotAPicture, TooManyPixels: with a sentence for people.
    """
    if not data:
        raise NotAPicture("the file is empty")
    for at, starts, name in _UNREAD:
        if data[at:].startswith(starts):
            raise NotAPicture(f"{name} files are not read: save it as JPEG or PNG and try again")
    size = _size(data)
    if size is None or size.width < 1 or size.height < 1:
        raise NotAPicture("this is not a picture that can be read: use a JPEG, PNG, WebP or BMP file")
    if size.width * size.height > MAX_PIXELS:
        raise TooManyPixels(
            f"the picture has {size.width} x {size.height} pixels, and the limit is {MAX_PIXELS // 1_000_000} million: "
            "make it smaller and try again"
        )
    if data[:2] == b"\xff\xd8" and data.count(b"\xff\xda") > MAX_SCANS:
        raise TooManyPixels("the JPEG file has too many scans: save it again and try again")
    if data[:4] == b"\x89PNG" and _unpacks_to_more(data, size):
        raise NotAPicture("the PNG file holds more than the pixels that it claims: save it again and try again")
    return size


def _unpacks_to_more(data: bytes, size: PictureSize) -> bool:
    """Whether a PNG's pixels unpack to more than its head claims: the decoder would unpack gigabytes to throw away."""
    left = size.width * size.height * _PIXEL_BYTES + 4 * size.height + 64  # a filter byte a row, twice if interlaced
    unpacker = zlib.decompressobj()
    try:
        for packed in _png_pixels(data):
            while packed and not unpacker.eof:
                left -= len(unpacker.decompress(packed, _STEP_BYTES))
                if left < 0:
                    return True
                packed = unpacker.unconsumed_tail  # noqa: PLW2901
    except zlib.error:
        pass  # damaged: the decoder says so
    return False


def _png_pixels(data: bytes) -> Iterator[bytes]:
    """The packed pixels of a PNG file, chunk by chunk (ISO/IEC 15948, 5.3)."""
    at = 8
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"IDAT":
            yield data[at + 8 : at + 8 + length]
        at += 12 + length


def _size(data: bytes) -> PictureSize | None:
    try:
        if data[:2] == b"\xff\xd8":
            return _jpeg(data)
        if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR":
            return PictureSize(*struct.unpack_from(">II", data, 16))
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
        if data[:2] == b"BM":
            return _bmp(data)
    except (struct.error, IndexError):
        pass  # the file ends within its head
    return None


def _jpeg(data: bytes) -> PictureSize | None:
    """The first frame header (ITU-T T.81, B.2.2)."""
    at = 2
    while at < len(data):
        if data[at] != 0xFF:
            return None
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if marker in _JPEG_BARE:
            continue
        (length,) = struct.unpack_from(">H", data, at)
        if marker in _JPEG_SIZES:
            height, width = struct.unpack_from(">HH", data, at + 3)
            return PictureSize(width, height)
        if marker in (0xD9, 0xDA) or length < 2:
            return None
        at += length
    return None


def _webp(data: bytes) -> PictureSize | None:
    """RFC 9649: lossy, lossless, or extended (whose canvas counts)."""
    kind = data[12:16]
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return PictureSize(width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        return PictureSize((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8X" and len(data) >= 30:
        return PictureSize(int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1)
    return None


def _bmp(data: bytes) -> PictureSize | None:
    (head,) = struct.unpack_from("<I", data, 14)
    if head == 12:
        return PictureSize(*struct.unpack_from("<HH", data, 18))
    width, height = struct.unpack_from("<ii", data, 18)
    return PictureSize(width, abs(height))
