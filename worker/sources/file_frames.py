"""A file, photo or folder of photos as an iterator of frames: no thread, the same every time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from worker.clock import SystemClock, ulid, ulid_of
from worker.frame import Frame, Gap
from worker.sources.decoded import Decoded
from worker.sources.options import SourceOptions, check_source, is_pictures, local_path
from worker.sources.photos import photo_paths, photos
from worker.sources.report import SourceReport
from worker.sources.run import Run
from worker.sources.video import Video


def frames_of(options: SourceOptions, report: SourceReport | None = None) -> Iterator[Frame]:
    """Every frame of `options.url`, in order, thinned by `max_fps`; raises as `frames_and_gaps_of`."""
    return (item for item in frames_and_gaps_of(options, report) if isinstance(item, Frame))


def frames_and_gaps_of(options: SourceOptions, report: SourceReport | None = None) -> Iterator[Frame | Gap]:
    """Every frame of `options.url`, in order, thinned by `max_fps`; a gap `corrupt` stands where frames were lost.

    Raises:
        SettingsError: this kind of source does not exist or is not allowed.
        SourceError: it cannot be read, or not to its end; what stands before was yielded.
    """
    told = SourceReport() if report is None else report
    clock = SystemClock()
    run = Run(options, run_id(options, clock.wall()), clock, told)
    for item in decoded_of(options, told):
        gap, frame = run.take(item)
        if gap is not None:
            yield gap
        if frame is not None:
            yield frame


def decoded_of(options: SourceOptions, report: SourceReport) -> Iterator[Decoded]:
    """The decoded frames of one pass over a file, photo or folder."""
    check_source(options)
    if is_pictures(options.url):
        yield from photos(options, report)
        return
    with Video(options, report) as video:
        yield from video.frames()


def run_id(options: SourceOptions, wall_s: float) -> str:
    """A new ULID, or with `deterministic_run` one derived from the names and bytes of the file or folder."""
    if not options.deterministic_run:
        return ulid(wall_s)
    path = local_path(options.url)
    digest = hashlib.sha256()
    for part in photo_paths(options.url) if is_pictures(options.url) else [path]:
        if not part.is_file():
            continue
        if path.is_dir():
            digest.update(part.name.encode() + b"\0")
        with part.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return ulid_of(digest.digest())
