"""Photos and folders of photos as frames: upright as EXIF says, in natural order, without media time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from worker.errors import SourceUnreachable, SourceUnreadable
from worker.frame import Pixels
from worker.sources.decoded import Decoded
from worker.sources.options import PICTURE_SUFFIXES, SourceOptions, exists, local_path
from worker.sources.pictures import picture_pictures
from worker.sources.report import SourceReport


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sorts `img2` before `img10`: digits by value, the rest by letters without case."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name.casefold()) if part]


def photo_paths(url: str) -> list[Path]:
    """The pictures that `url` means: itself, or those directly inside the folder, in natural order.

    Raises:
        SourceUnreachable: there is nothing at that path.
        SourceUnreadable: the folder holds no picture.
    """
    path = local_path(url)
    if not exists(path):
        raise SourceUnreachable(f"{path}: no such file or folder")
    if not path.is_dir():
        return [path]
    found = [entry for entry in path.iterdir() if entry.suffix.lower() in PICTURE_SUFFIXES and entry.is_file()]
    if not found:
        raise SourceUnreadable(f"{path}: no pictures in this folder ({', '.join(sorted(PICTURE_SUFFIXES))} are read)")
    return sorted(found, key=lambda entry: (natural_key(entry.name), entry.name))


def photos(options: SourceOptions, report: SourceReport) -> Iterator[Decoded]:
    """One `Decoded` a photo. A damaged photo in a folder is counted as a decode error and left out.

    Raises:
        SourceUnreachable, SourceUnreadable: as `photo_paths`, or none of the photos can be decoded.
    """
    paths = photo_paths(options.url)
    read = 0
    damaged = False
    for path in paths:
        started = time.perf_counter()
        picture = _read(path)
        if picture is None:
            report.decode_error(options.stream)
            damaged = True
            continue
        read += 1
        spent = time.perf_counter() - started
        render = partial(picture_pictures, picture, options.shapes, options.keep_picture, options.region)
        yield Decoded(None, spent, damaged, None, render)
        damaged = False
    if not read:
        raise SourceUnreadable(f"{paths[0] if len(paths) == 1 else local_path(options.url)}: not a picture")


def _read(path: Path) -> Pixels | None:
    """The upright picture as (height, width, 3) uint8 BGR; None if it cannot be read or decoded."""
    try:
        content = np.fromfile(path, np.uint8)
    except OSError:
        return None
    if not content.size:
        return None
    picture = cv2.imdecode(content, cv2.IMREAD_COLOR)
    return None if picture is None else np.asarray(picture, np.uint8)
