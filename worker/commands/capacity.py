"""`emotion-worker capacity`: how many cameras does this machine hold, and what binds?"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import av
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from worker.commands.bottleneck import Step, search, what_binds
from worker.commands.chosen_models import chosen_backend
from worker.commands.load_step import Load, run_step
from worker.commands.look import look_at
from worker.demo.cameras import HALL, make_video
from worker.errors import SettingsError, SourceUnreadable
from worker.redact import redact
from worker.settings.references import fill
from worker.settings.values import parse_duration
from worker.sources.opening import open_container, translated
from worker.sources.options import SourceOptions, is_live, is_pictures

_RECORD_S = 10.0
_LOOK_S = 2.0
_RATES_UP_TO = 120.0
_NOTICEABLE = 0.1
_ROOMY = 96  # columns of a terminal


def capacity(
    source: Annotated[
        str | None, typer.Argument(help="A clip, or a camera of which ten seconds are recorded; else the demo's clip.")
    ] = None,
    target: Annotated[str, typer.Option(help="What 95 of 100 frames must keep, from arrival to Redis.")] = "500ms",
    max_fps: Annotated[float, typer.Option(min=0.1, max=_RATES_UP_TO, help="Frames a second of each stream.")] = 10.0,
    seconds: Annotated[float, typer.Option(min=1, help="How long each step is measured.")] = 10.0,
    most: Annotated[int, typer.Option(min=1, max=1000, help="Try no more streams than this.")] = 64,
    backend: Annotated[str, typer.Option(help="auto, openvino or torch.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Every step and the result, as JSON.")] = False,
) -> None:
    """Run the real worker with more and more streams until they do not hold, and say what binds.

    A stream holds if it gets 90 of 100 frames that it asks for, and 95 of 100 arrive in Redis within the target.

    Raises:
        WorkerError: the source cannot be read, or the worker could not run.
    """
    target_ms, runtime = _milliseconds(target), chosen_backend(backend)
    quiet = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="emotion-capacity-") as scratch:
        folder = Path(scratch)
        with quiet.status("preparing the clip ..."):
            clip = clip_of(source and fill(source, os.environ), folder)
            fps = look_at(SourceOptions("capacity", str(clip), live=False), _LOOK_S, 1).fps or 25.0
        load = Load(clip, fps, max_fps, seconds, runtime, folder)

        def measure(streams: int) -> Step:
            with quiet.status(f"{streams} stream{'' if streams == 1 else 's'} for {seconds:g} s ..."):
                return run_step(load, streams)

        good, steps = search(measure, target_ms, most)
    if as_json:
        print(_as_json(good, steps, target_ms))
    else:
        show(Console(), good, steps, target_ms)


def _milliseconds(target: str) -> float:
    try:
        return 1000 * float(str(parse_duration(target)))
    except ValueError:
        raise SettingsError(f"--target {target}: write a duration such as 500ms or 2s") from None


def clip_of(source: str | None, folder: Path) -> Path:
    """A file that can be played in a loop: the source itself, ten seconds of a camera, or the demo's clip.

    Raises:
        SettingsError: it is a picture.
        SourceError: the camera cannot be read.
    """
    if source is None:
        path = folder / "demo.mp4"
        make_video(HALL._replace(seconds=6), path)
        return path
    if is_pictures(source):
        raise SettingsError(f"{source}: pictures are no stream: give a clip or a camera")
    if not is_live(source):
        return Path(source).resolve()
    path = folder / "camera.mkv"
    _record(source, path)
    return path


def _record(url: str, path: Path) -> None:
    """Ten seconds of a camera as it sends them, from its first key frame on."""
    options = SourceOptions("capacity", url, live=True)
    began: float | None = None
    with open_container(options) as camera, av.open(str(path), "w") as file:
        track = camera.streams.video[0]
        copy = file.add_stream_from_template(track)
        try:
            for packet in camera.demux(track):
                if packet.dts is None or packet.pts is None or (began is None and not packet.is_keyframe):
                    continue
                at_s = float(packet.dts * packet.time_base)
                began = at_s if began is None else began
                if at_s - began > _RECORD_S:
                    break
                packet.stream = copy
                file.mux(packet)
        except av.FFmpegError as error:
            raise translated(error, options, 0.0, options.read_timeout_s) from None
    if began is None:
        raise SourceUnreadable(f"{redact(url)}: no key frame came; is its key frame interval (GOP) too long?")


def show(console: Console, good: int, steps: Sequence[Step], target_ms: float) -> None:
    """The steps by number of streams, the result, and what binds."""
    room = 1 if console.width >= _ROOMY else 0
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, room))
    columns = (
        "streams", "holds", "fps\nleast", "latency ms\np50 / p95", f"cores\nof {steps[0].cores:g}", "decode",
        "detect", "classify", "models\nbusy", "memory\nMB",
    )  # fmt: skip
    for title in columns:
        table.add_column(title, justify="left" if title == "holds" else "right", no_wrap=True)
    for step in sorted(steps, key=lambda step: step.streams):
        table.add_row(*_row(step, target_ms))
    console.print(table)
    wanted = steps[0].wanted_fps
    told = f"{good} stream{'' if good == 1 else 's'}" if good else "Not even one stream"
    verb = "holds" if good < 2 else "hold"
    console.print(
        f"[bold]{told}[/bold] {verb} {wanted:g} frames a second with 95 % within {target_ms:.0f} ms.", highlight=False
    )
    broken = [step for step in steps if not step.holds(target_ms)]
    if not broken:
        console.print("More were not tried (--most).")
    else:
        first = min(broken, key=lambda step: step.streams)
        bound = what_binds(first)
        console.print(f"What binds at {first.streams}: [bold]{bound.what}[/bold]: {bound.seen}.", highlight=False)
        console.print(f"What helps: {bound.advice}.", highlight=False)
        if first.others > _NOTICEABLE * first.machine_cores and bound.what != "other programs":
            told = f"Other programs used {first.others:.1f} of {first.machine_cores} cores meanwhile: without them it"
            console.print(f"{told} may be more.", highlight=False)
    console.print("[dim]All streams show one clip, nearly in step; cameras do not, so a little more may hold.[/dim]")


def _row(step: Step, target_ms: float) -> tuple[str | Text, ...]:
    holds = step.holds(target_ms)
    share = {stage: step.stages.get(stage, 0.0) for stage in ("decode", "convert", "detect", "classify")}
    return (
        str(step.streams),
        Text("yes", style="bold green") if holds else Text("no", style="bold red"),
        f"{step.fps:.1f}",
        f"{step.p50_ms:.0f} / {step.p95_ms:.0f}",
        f"{step.used:.2f}",
        f"{share['decode'] + share['convert']:.2f}",
        f"{share['detect']:.2f}",
        f"{share['classify']:.2f}",
        f"{step.inference_busy:.0%}",
        f"{step.memory_mb:.0f}",
    )


def _as_json(good: int, steps: Sequence[Step], target_ms: float) -> str:
    broken = [step for step in steps if not step.holds(target_ms)]
    bound = what_binds(min(broken, key=lambda step: step.streams)) if broken else None
    return json.dumps(
        {
            "streams": good,
            "target_ms": target_ms,
            "binds": None if bound is None else asdict(bound),
            "steps": [{**_finite(asdict(step)), "holds": step.holds(target_ms)} for step in steps],
        },
        indent=2,
    )


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows no infinity: a latency of frames that never came is null."""
    return {name: None if value == math.inf else value for name, value in values.items()}
