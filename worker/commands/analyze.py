"""`emotion-worker analyze`: clips and photos, offline, without Redis; the same result every time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import av
import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from worker.assembly.offline import Analysis
from worker.assembly.study import Author
from worker.assembly.workshop import Workshop, open_workshop
from worker.clock import SystemClock
from worker.commands.annotated import AnnotatedVideo, Annotator, write_picture
from worker.commands.chosen_models import chosen_models
from worker.commands.chosen_region import chosen_region
from worker.commands.extras import Extras, check_differ
from worker.commands.inputs import Input, StreamIds, inputs
from worker.commands.summary import PhotoSummary, Summary
from worker.errors import OutputError, SourceError
from worker.events import schema
from worker.frame import Frame, Pixels, Region
from worker.publish.file_writer import JsonlFile
from worker.publish.local_writer import LineSink
from worker.publish.stdout_writer import JsonlStdout
from worker.sources.file_frames import run_id
from worker.sources.options import SourceOptions, is_pictures

WORKER = "analyze"
_SHOWN = 5
_STDOUT = Path("-")


def analyze(  # noqa: PLR0913 - the signature is the command line
    clips: Annotated[list[str], typer.Argument(help="Clips, photos, or folders of photos.")],
    *,
    out: Annotated[
        Path, typer.Option(help="Where the records go, one JSON object a line; `-`: standard output.")
    ] = Path("events.jsonl"),
    video: Annotated[
        Path | None,
        typer.Option(help="Also write an annotated video (of several clips: NAME-CLIP.mp4). Photos: NAME-PHOTO.jpg."),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Also write a row for each face of each frame.")] = None,
    timeline: Annotated[
        Path | None, typer.Option(help="Also draw emotions over time (PNG; of several clips: NAME-CLIP.png).")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Also write a report for people who do not program (one HTML file).")
    ] = None,
    start_time: Annotated[
        datetime | None, typer.Option(help="When the recording began (UTC): fills captured_at from media time.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Look for faces only there: x,y,width,height, shares of the picture.")
    ] = None,
    detector: Annotated[Path | None, typer.Option(help="Another detector bundle.")] = None,
    classifier: Annotated[Path | None, typer.Option(help="Another classifier bundle.")] = None,
    backend: Annotated[str, typer.Option(help="auto, openvino or torch.")] = "auto",
) -> None:
    """Read clips or photos offline and write one record a decoded frame.

    Raises:
        WorkerError: a source could not be read (what could be is in the output), or the output could not be written.
    """
    sources = inputs(clips)
    models, part = chosen_models(detector, classifier, backend), chosen_region(region)
    began = None if start_time is None else start_time.replace(tzinfo=start_time.tzinfo or UTC).timestamp()
    _check_outputs({"--out": out, "--csv": csv, "--timeline": timeline, "--report": report}, video, sources)
    workshop = open_workshop(models)
    sink = JsonlStdout(sys.stdout.buffer) if out == _STDOUT else JsonlFile(out, SystemClock(), whole=True)
    with ExitStack() as unfinished:
        unfinished.callback(sink.discard)
        extras = Extras(csv, timeline, report, len(sources) > 1)
        unfinished.callback(extras.discard)
        job = _Job(workshop, sink, video, began, part, Console(stderr=True), extras)
        job.read_all(sources, out)
        sink.finish()
        extras.finish(job.failures, workshop.names())
        unfinished.pop_all()
    job.tell(out)
    if job.failures:
        raise SourceError("\n".join(job.failures))


def _check_outputs(outputs: dict[str, Path | None], video: Path | None, sources: Sequence[Input]) -> None:
    """Raise OutputError where two outputs are one file, or one is read; `video` stands for a file a source."""
    for place in [] if video is None else [place_of(video, source, len(sources) > 1) for source in sources]:
        outputs["--video" if place == video else f"--video ({place.name})"] = place
    check_differ(outputs, [source.path for source in sources])


class _Job:
    """One call of the command: reads source after source into one file."""

    def __init__(
        self,
        workshop: Workshop,
        sink: LineSink,
        video: Path | None,
        start_time: float | None,
        region: Region | None,
        console: Console,
        extras: Extras,
    ) -> None:
        self._analysis = Analysis(workshop, Author(WORKER, workshop.names(), timed=False))
        self._shapes = workshop.detector.shapes
        self._sink = sink
        self._video = video
        self._start_time = start_time
        self._region = region
        self._console = console
        self._extras = extras
        self._annotator = Annotator()
        self._ids = StreamIds()
        self._clips: list[Summary] = []
        self._photos: list[PhotoSummary] = []
        self._written: list[Path] = []
        self.failures: list[str] = []
        self.frames = 0
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[fps]:.1f} fps"),
            TimeRemainingColumn(),
            console=console,
        )

    def read_all(self, sources: Sequence[Input], out: Path) -> None:
        """Analyse one source after another. What cannot be read is told in `failures`.

        Raises:
            SourceError: nothing could be read, and `out` has the records of an earlier call.
        """
        with self.progress:
            for source in sources:
                self._read(source)
        if not self.frames and out.exists():
            raise SourceError("\n".join([*self.failures, f"{out} is left as it was: no frame could be read"]))

    def _read(self, clip: Input) -> None:
        self._annotator = Annotator()
        if is_pictures(str(clip.path)):
            photo = PhotoSummary(clip.shown)
            self._photos.append(photo)
            self._extras.begin(clip.shown, clip.mark, photo=True)
            self._follow(clip, photo.add, None)
            self._extras.end()
            return
        summary = Summary(clip.shown)
        self._clips.append(summary)
        self._extras.begin(clip.shown, clip.mark, photo=False)
        with ExitStack() as stack:
            video = stack.enter_context(AnnotatedVideo(self._place(clip))) if self._video else None
            self._follow(clip, summary.add, video)
        summary.close()
        self._extras.end()
        if video is not None and summary.frames:
            self._written.append(self._place(clip))

    def _follow(self, clip: Input, add: Callable[[schema.FrameEvent], None], video: AnnotatedVideo | None) -> None:
        """Write the records of one source, and what they say onto its pictures."""
        bar = self.progress.add_task(clip.shown, total=expected_frames(clip.path), fps=0.0)
        began, frames = SystemClock().monotonic(), 0
        for frame, record in self._analysis.records(self._options(clip.path), self._failed):
            self._sink.write(record + b"\n")
            if frame is None:
                continue
            event = schema.FrameEvent.model_validate_json(record)
            add(event)
            self._extras.add(frame, event)
            if frame.picture is not None:
                self._draw(clip, frame, frame.picture, event, video)
            frames += 1
            self.frames += 1
            self.progress.update(bar, advance=1, fps=frames / max(SystemClock().monotonic() - began, 1e-3))
        self.progress.update(bar, total=frames)

    def _failed(self, error: SourceError) -> None:
        self.failures.append(str(error))

    def tell(self, out: Path) -> None:
        """Print the summary."""
        if self._clips:
            self._tabulate("clip", ("face", "from - to (s)", "seconds", "stable emotion (s)"), self._clips)
        if self._photos:
            self._tabulate("photo", ("face", "size (px)", "emotion"), self._photos)
        sources: list[Summary | PhotoSummary] = [*self._clips, *self._photos]
        frames = sum(source.frames for source in sources)
        faces = sum(source.frames_with_faces for source in sources)
        where = "on standard output" if out == _STDOUT else f"in {out}"
        counted = "1 frame" if frames == 1 else f"{frames} frames"
        self._console.print(f"{counted}, {faces} of them with faces, {where}", highlight=False)
        for what, path in self._extras.written:
            self._console.print(f"{what}: {path}", highlight=False)
        for path in self._written[:_SHOWN]:
            self._console.print(f"annotated: {path}", highlight=False)
        if len(self._written) > _SHOWN:
            more = len(self._written) - _SHOWN
            self._console.print(f"annotated: {more} more beside them", highlight=False)

    def _tabulate(self, first: str, columns: Sequence[str], sources: Sequence[Summary | PhotoSummary]) -> None:
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for column in (first, *columns):
            table.add_column(column, overflow="fold")
        for source in sources:
            source.rows(table)
        self._console.print(table)

    def _options(self, clip: Path) -> SourceOptions:
        plain = SourceOptions(
            stream="analysis",
            url=str(clip),
            live=False,
            shapes=self._shapes,
            region=self._region,
            keep_picture=self._video is not None,
            deterministic_run=True,
            start_time=self._start_time,
            decoder_threads=0,
        )
        return replace(plain, stream=self._ids.of(clip, run_id(plain, 0.0)))

    def _draw(
        self, clip: Input, frame: Frame, picture: Pixels, event: schema.FrameEvent, video: AnnotatedVideo | None
    ) -> None:
        picture = picture.copy()  # a frame's pixels never change
        self._annotator.draw(picture, event, frame.letterbox)
        if video is not None:
            video.write(picture, frame.pts_s)
            return
        path = self._place(clip)
        write_picture(path, picture)
        self._written.append(path)

    def _place(self, clip: Input) -> Path:
        assert self._video is not None
        return place_of(self._video, clip, self._extras.several)


def place_of(video: Path, clip: Input, several: bool) -> Path:
    """Where the annotated video of a clip goes, or the annotated copy of a photo."""
    place = video.with_name(f"{video.stem}-{clip.mark}.mp4") if several else video
    return place.with_suffix(".jpg") if is_pictures(str(clip.path)) else place


def expected_frames(clip: Path) -> int | None:
    """How many frames a clip seems to have, for the progress bar; None: it does not say."""
    if is_pictures(str(clip)):
        return 1
    try:
        with av.open(str(clip)) as container:
            track = container.streams.best("video")
            if track is None or not isinstance(track, av.VideoStream):
                return None
            if track.frames:
                return track.frames
            if container.duration and track.average_rate:
                return round(container.duration / 1e6 * float(track.average_rate))
    except (av.error.FFmpegError, OSError, OutputError):
        return None
    return None
