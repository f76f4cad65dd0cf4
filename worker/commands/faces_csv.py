"""Faces as rows of a CSV file, for spreadsheets and statistics programs."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from worker.events import schema
from worker.face import EMOTIONS
from worker.publish.file_writer import output_error

COLUMNS = (
    "file", "stream", "frame", "time_s", "captured_at", "track", "x", "y", "width", "height", "score",
    "emotion", "confidence", *EMOTIONS, "stable", "stable_confidence", "abstained",
    "size_px", "sharpness", "brightness",
)  # fmt: skip


class FacesCsv:
    """Writes a row for each face of each frame; a frame without faces has none. Whole at the end, or not at all."""

    def __init__(self, path: Path) -> None:
        """Raises OutputError: the file cannot be made there."""
        self._path = path
        self._scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            # utf-8-sig: spreadsheets take plain UTF-8 for their own encoding
            self._file = self._scratch.open("w", encoding="utf-8-sig", newline="")
        except OSError as error:
            raise output_error(str(path), error) from error
        self._rows = csv.writer(self._file)
        self._write(COLUMNS)

    def add(self, name: str, event: schema.FrameEvent) -> None:
        """The faces of one frame of the file `name`. Raises OutputError."""
        for face in event.faces:
            self._write(tuple(_cells(name, event, face)))

    def finish(self) -> None:
        """Give the file its name. Raises OutputError."""
        try:
            self._file.close()
            self._scratch.replace(self._path)
        except OSError as error:
            raise output_error(str(self._path), error) from error

    def discard(self) -> None:
        """Remove what is only half."""
        self._file.close()
        self._scratch.unlink(missing_ok=True)

    def _write(self, row: tuple[object, ...]) -> None:
        try:
            self._rows.writerow(row)
        except OSError as error:
            raise output_error(str(self._path), error) from error


def _cells(name: str, event: schema.FrameEvent, face: schema.Face) -> Iterator[object]:
    frame = event.frame
    captured = None if frame.captured_at is None else frame.captured_at.isoformat(timespec="milliseconds")
    yield from (_harmless(name), event.stream, frame.index, frame.pts_s, captured, face.track, *face.box, face.score)
    if face.emotion is None:
        yield from (None,) * (2 + len(EMOTIONS))
    else:
        yield from (face.emotion.label, face.emotion.confidence)
        yield from (getattr(face.emotion.probabilities, emotion) for emotion in EMOTIONS)
    yield from (None, None) if face.stable is None else (face.stable.label, face.stable.confidence)
    yield face.abstained
    quality = face.quality
    yield from (None,) * 3 if quality is None else (quality.size_px, quality.sharpness, quality.brightness)


def _harmless(name: str) -> str:
    """A file's name that no spreadsheet takes for a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@")) else name
