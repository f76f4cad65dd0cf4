"""`emotion-worker probe`: look at cameras before they go live, and say what to do about what is wrong."""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from worker.assembly.workshop import Workshop, open_workshop
from worker.commands.annotated import write_picture
from worker.commands.look import Look, look_at
from worker.commands.probe_view import facts, show_sheet, show_table
from worker.commands.verdict import Judgement, SeenFace, best_sample, judge, settings_entry, speed_of, stream_name
from worker.drawing import FaceView, draw_caption, draw_faces
from worker.errors import OutputError, SettingsError, SourceError, SourceTimeout, WorkerError
from worker.redact import redact
from worker.settings import ModelsSettings
from worker.settings.references import fill
from worker.sources.options import SourceOptions, is_live, is_pictures

_SAMPLES = 10
_AT_ONCE = 8
_SLACK_S = 10.0


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of one address: `look` and `judgement`, or the `error`. `entry`: for the settings."""

    name: str
    url: str
    look: Look | None = None
    judgement: Judgement | None = None
    entry: str = ""
    error: str | None = None


def probe(
    urls: Annotated[list[str], typer.Argument(help="Cameras or files; `${NAME}` is that variable's value.")],
    seconds: Annotated[float, typer.Option(min=1, max=120, help="How long to watch each.")] = 8.0,
    transport: Annotated[str, typer.Option(help="How RTSP carries its packets: tcp or udp.")] = "tcp",
    picture: Annotated[
        Path | None, typer.Option(help="Save a picture with the faces' boxes (of several: NAME-STREAM.jpg).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything that was measured, as JSON.")] = False,
) -> None:
    """Look at cameras before they go live: video, clock, faces, light, cost, a verdict and a settings entry.

    Raises:
        SourceError: something cannot be read; the others were told.
        SettingsError: an address or option cannot be understood.
        OutputError: a picture cannot be written.
    """
    if transport not in ("tcp", "udp"):
        raise SettingsError(f"--transport {transport}: choose tcp or udp")
    if picture is not None and not picture.parent.is_dir():
        raise OutputError(f"cannot write {picture}: its folder does not exist: make it first")
    wanted = {url: fill(url, os.environ) for url in urls}
    console = Console()
    with Console(stderr=True).status("loading the models ..."):
        workshop = open_workshop(ModelsSettings())
        speed = speed_of(workshop)
    names, probed = _names(wanted), []
    with Console(stderr=True).status(f"watching {len(wanted)} for {seconds:g} s ..."):
        for url, found in _looks(wanted, seconds, transport, workshop, picture is not None):
            judgement = None if isinstance(found, WorkerError) else judge(found, workshop, speed)
            probed.append(_probed(names[url], url, found, judgement))
            if picture is not None:
                _save(probed[-1], picture, len(wanted) > 1)
    probed.sort(key=lambda item: urls.index(item.url))
    if as_json:
        print(json.dumps([facts(redact(item.url), item.look, item.judgement, item.error) for item in probed], indent=2))
    elif len(probed) == 1 and probed[0].look is not None and probed[0].judgement is not None:
        show_sheet(console, redact(urls[0]), probed[0].look, probed[0].judgement, probed[0].entry)
    elif len(probed) > 1:  # of one that failed the error below says all
        show_table(console, [(item.name, item.look, item.judgement, item.entry) for item in probed])
    failures = [item.error for item in probed if item.error is not None]
    if failures:
        raise SourceError("\n".join(failures))


def _looks(
    wanted: Mapping[str, str], seconds: float, transport: str, workshop: Workshop, keep: bool
) -> Iterator[tuple[str, Look | WorkerError]]:
    """Each address with what was seen, as it is done; eight at once. A thread that hangs in the library is left."""
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    for url in wanted:
        todo.put(url)
    done: queue.SimpleQueue[tuple[str, Look | WorkerError]] = queue.SimpleQueue()
    shapes = workshop.detector.shapes
    mode: Literal["tcp", "udp"] = "udp" if transport == "udp" else "tcp"

    def work() -> None:
        while True:
            try:
                url = todo.get_nowait()
            except queue.Empty:
                return
            try:
                address = wanted[url]
                if is_pictures(address):
                    raise SettingsError(f"{address}: pictures are no stream: `emotion-worker analyze` reads them")
                options = SourceOptions(redact(url), address, is_live(address), mode, shapes=shapes, keep_picture=keep)
                done.put((url, look_at(options, seconds, _SAMPLES)))
            except WorkerError as error:
                done.put((url, error))

    for number in range(min(_AT_ONCE, len(wanted))):
        threading.Thread(target=work, name=f"probe-{number}", daemon=True).start()
    left = set(wanted)
    limit = SourceOptions("probe", "", live=True)
    longest = limit.open_timeout_s + 3 * limit.read_timeout_s + seconds + _SLACK_S
    while left:
        try:
            url, found = done.get(timeout=longest)
        except queue.Empty:
            for url in sorted(left):
                yield url, SourceTimeout(f"{redact(url)}: the video library did not return within {longest:.0f} s")
            return
        left.discard(url)
        yield url, found


def _names(urls: Iterable[str]) -> dict[str, str]:
    """A stream id for each address, no two alike."""
    names: dict[str, str] = {}
    for url in urls:
        name = stream_name(url)
        number = next(n for n in count(1) if (name if n == 1 else f"{name}-{n}") not in names.values())
        names[url] = name if number == 1 else f"{name}-{number}"
    return names


def _probed(name: str, url: str, found: Look | WorkerError, judgement: Judgement | None) -> Probed:
    if isinstance(found, WorkerError) or judgement is None:
        return Probed(name, url, error=str(found))
    return Probed(name, url, found, judgement, settings_entry(name, url, found, judgement.cost))


def _save(item: Probed, place: Path, several: bool) -> None:
    if item.look is None or item.judgement is None:
        return
    shown, faces = best_sample(item.look, item.judgement.faces)
    draw_faces(shown, [_view(number, face) for number, face in enumerate(faces, 1)])
    draw_caption(shown, f"{item.name} · {item.look.width} x {item.look.height} · {item.judgement.grade}")
    path = place.with_name(f"{place.stem}-{item.name}.jpg") if several else place
    if path.suffix.lower() not in (".jpg", ".jpeg"):
        path = path.with_suffix(".jpg")
    write_picture(path, shown)
    Console(stderr=True).print(f"picture: {path}", highlight=False)


def _view(number: int, face: SeenFace) -> FaceView:
    box = face.detection.box
    return FaceView(
        track=number,
        box=(box.x_min, box.y_min, box.width, box.height),
        label=None if face.refused else face.label,
        confidence=face.confidence,
        probabilities=None,
        fresh=True,
        abstained=face.refused,
    )
