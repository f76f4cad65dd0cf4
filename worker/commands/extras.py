"""What `analyze` writes beside the records: faces as CSV, a timeline a clip, a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2

from worker.commands.faces_csv import FacesCsv
from worker.commands.report import write_report
from worker.commands.story import Story
from worker.commands.timeline import draw_timeline
from worker.errors import OutputError
from worker.events import schema
from worker.frame import Frame
from worker.publish.file_writer import output_error


class Extras:
    """Follows the analysis source by source.

    Attributes:
        several: there is more than one source, so files that belong to one are named after it.
        written: what was written, and where (or why not).
    """

    def __init__(self, csv: Path | None, timeline: Path | None, report: Path | None, several: bool) -> None:
        """Raises OutputError: a file cannot be made there."""
        if timeline is not None and timeline.suffix.lower() != ".png":
            raise OutputError(f"cannot write {timeline}: give the timeline's name the ending .png")
        for path in (timeline, report):
            if path is not None and not path.parent.is_dir():
                raise OutputError(f"cannot write {path}: its folder does not exist: make it first")
        self.several = several
        self.written: list[tuple[str, Path | str]] = []
        self._csv_path = csv
        self._csv = None if csv is None else FacesCsv(csv)
        self._timeline = timeline
        self._report = report
        self._stories: list[Story] = []
        self._story: Story | None = None
        self._name = self._mark = ""

    def begin(self, name: str, mark: str, photo: bool) -> None:
        """A source begins; `name` is what it is called, `mark` what its own files are named after."""
        if self._report is not None or self._timeline is not None:
            self._story = Story(name, photo)
            self._stories.append(self._story)
        self._name, self._mark = name, mark

    def add(self, frame: Frame, event: schema.FrameEvent) -> None:
        """Take a frame with its event. Raises OutputError."""
        if self._csv is not None:
            self._csv.add(self._name, event)
        if self._story is not None:
            self._story.add(frame, event)

    def end(self) -> None:
        """The source has ended. Raises OutputError."""
        story, self._story = self._story, None
        if story is None:
            return
        story.close()
        if self._timeline is not None and not story.photo and story.frames:
            place = self._timeline
            path = place.with_name(f"{place.stem}-{self._mark}.png") if self.several else place
            _, data = cv2.imencode(".png", draw_timeline(story))
            _write(path, data.tobytes())
            self.written.append(("timeline", path))

    def finish(self, failures: Sequence[str], models: schema.Models) -> None:
        """Everything was read, or told in `failures`. Raises OutputError."""
        if self._timeline is not None and all(story.photo for story in self._stories):
            self.written.append(("timeline", "not drawn: photos have no time"))
        if self._csv is not None and self._csv_path is not None:
            self._csv.finish()
            self.written.append(("faces", self._csv_path))
        if self._report is not None:
            _write(self._report, write_report(self._stories, failures, models).encode())
            self.written.append(("report", self._report))

    def discard(self) -> None:
        """Remove what is only half."""
        if self._csv is not None:
            self._csv.discard()


def _write(path: Path, data: bytes) -> None:
    """Beside its place first, so that a file of that name is never half."""
    scratch = path.with_name(f".{path.name}.part")
    try:
        scratch.write_bytes(data)
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise output_error(str(path), error) from error


def check_differ(paths: Mapping[str, Path | None], inputs: Sequence[Path]) -> None:
    """Raise OutputError if two options name the same file, or one names a file that is read."""
    read = {path.resolve() for path in inputs}
    known: dict[Path, str] = {}
    for option, path in paths.items():
        if path is None:
            continue
        other = known.setdefault(path.resolve(), option)
        if other != option:
            raise OutputError(f"{other} and {option} name the same file {path}: choose two")
        if path.resolve() in read:
            raise OutputError(f"{option} names {path}, which is read: choose another name")
