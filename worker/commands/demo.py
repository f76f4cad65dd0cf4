"""`emotion-worker demo`: the whole worker on two demo cameras (or the user's own), watched live, in one command."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import redis
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from worker.commands.leash import leash
from worker.commands.live_view import LiveView
from worker.commands.overlay import overlay
from worker.commands.own_redis import own_redis
from worker.commands.verify import verify
from worker.demo.cameras import SCENES, make_video
from worker.embedded_redis import free_port
from worker.errors import OutputError, SourceError, StageDied
from worker.events import schema
from worker.events.consumer import Reader, Received
from worker.redact import redact
from worker.settings.references import fill
from worker.sources.options import is_live

_FRAMES_A_SECOND = 4
_START_S = 180.0  # a busy machine needs a while to compile the models


def demo(
    source: Annotated[list[str] | None, typer.Option(help="Your own camera or file instead; may be repeated.")] = None,
    seconds: Annotated[float, typer.Option(min=5, help="How long to watch.")] = 22.0,
    out: Annotated[Path, typer.Option(help="Folder for the picture, the video and the worker's log.")] = Path(
        "out/demo"
    ),
    redis_url: Annotated[str | None, typer.Option("--redis", help="A running Redis instead of the demo's own.")] = None,
) -> None:
    """Show the whole worker on two demo cameras.

    Raises:
        WorkerError: the worker did not start, or its records do not add up.
    """
    console = Console()
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="emotion-demo-")))
        streams = {f"camera-{i}": url for i, url in enumerate(source, 1)} if source else _make_cameras(scratch, console)
        server = fill(redis_url, os.environ) if redis_url else stack.enter_context(own_redis())
        port = free_port()
        config = _write_config(scratch, streams, server, port)
        view, records = LiveView(), list[schema.FrameEvent]()
        with _worker(config, out / "worker.log") as process:
            head = _headline(streams, bool(source), server, port)
            _watch(console, process, Reader(redis.Redis.from_url(server)), view, records, seconds, head)
        console.print("\n[bold]Does every frame add up?[/bold] emotion-worker verify, on that Redis:")
        verify(server, stream=list(streams))
        _leave_pictures(console, streams, records, out)
    _what_next(console, out)


def _make_cameras(scratch: Path, console: Console) -> dict[str, str]:
    """The demo's own videos, made now."""
    streams = {}
    with console.status("making two demo cameras from two public-domain portraits ..."):
        for scene in SCENES:
            path = scratch / f"{scene.name}.mp4"
            make_video(scene, path)
            streams[scene.name] = str(path)
    return streams


def _write_config(scratch: Path, streams: dict[str, str], server: str, port: int) -> Path:
    """Settings of the demo's worker. Files play like cameras: at their own pace, in a loop, the newest frame counts."""
    config = scratch / "demo.yaml"
    entries = [
        {"id": name, "url": url}
        | ({} if is_live(url) else {"loop": True, "realtime": True, "policy": "keep_latest", "max_fps": 10})
        for name, url in streams.items()
    ]
    settings = {
        "worker": {"name": "demo", "purpose": "demonstration"},
        "streams": entries,
        "redis": {"url": server},
        "web": {"port": port},
        "logs": {"format": "console"},
    }
    config.write_text(json.dumps(settings))  # JSON is YAML
    config.chmod(0o600)  # a source's address may hold a password
    return config


@contextmanager
def _worker(config: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`emotion-worker run` as a process of its own, stopped in order at the end.

    Raises:
        OutputError: the log cannot be written.
    """
    try:
        lines = log.open("wb")
    except OSError as error:
        raise OutputError(f"cannot write {log}: {error.strerror}; choose another folder with --out") from error
    with lines:
        command = [sys.executable, "-m", "worker", "run", str(config)]
        process = subprocess.Popen(command, stdout=lines, stderr=lines, env={**os.environ, "NO_COLOR": "1"})
        with leash(process.pid):
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _watch(
    console: Console,
    process: subprocess.Popen[bytes],
    reader: Reader,
    view: LiveView,
    records: list[schema.FrameEvent],
    seconds: float,
    head: Text,
) -> None:
    """Draw what comes out of Redis until `seconds` after the first event.

    Raises:
        StageDied: the worker ended by itself.
        SourceError: no event came.
    """
    began = time.monotonic()
    first: float | None = None
    with Live(console=console, refresh_per_second=_FRAMES_A_SECOND, transient=False) as live:
        while first is None or time.monotonic() - first < seconds:
            for item in reader.read(wait_s=1 / _FRAMES_A_SECOND):
                if isinstance(item, Received):
                    view.add(item.record)
                    if isinstance(item.record, schema.FrameEvent):
                        records.append(item.record)
            if view.events and first is None:
                first = time.monotonic()
            left = (
                "starting: models are loaded and warmed"
                if first is None
                else f"{max(0.0, seconds - time.monotonic() + first):.0f} s left"
            )
            live.update(Group(head, view.table(console.width), Text(left, style="dim")))
            if process.poll() is not None:
                raise StageDied(f"the demo's worker ended by itself (code {process.returncode}): see its log")
            if first is None and time.monotonic() - began > _START_S:
                raise SourceError(f"no event came within {_START_S:.0f} s: see the worker's log")


def _headline(streams: dict[str, str], own: bool, server: str, port: int) -> Text:
    cameras = (
        ", ".join(redact(url) for url in streams.values())
        if own
        else (
            "two videos made from two public-domain portraits (Grace Hopper, US Navy; Eileen Collins, NASA), "
            "played in a loop at the pace of a camera"
        )
    )
    text = Text("emotion-worker demo", style="bold")
    text.append(f"\ncameras  {cameras}", style="not bold")
    text.append(f"\nRedis    {redact(server)}, streams emotion:{{NAME}}:events", style="not bold")
    text.append(f"\npage     http://127.0.0.1:{port}/ (metrics at /metrics)\n", style="not bold")
    return text


def _leave_pictures(console: Console, streams: dict[str, str], records: list[schema.FrameEvent], out: Path) -> None:
    """A video of the first file with what the worker published about it, and its best picture."""
    with console.status("drawing what was published onto the video ..."):
        for name, url in streams.items():
            if is_live(url):
                continue
            events = [record for record in records if record.stream == name]
            if overlay(Path(url), events, out / "annotated.mp4", out / "annotated.jpg"):
                console.print(
                    f"\nannotated video    {out / 'annotated.mp4'}\nannotated picture  {out / 'annotated.jpg'}"
                )
                return
    console.print("\nno annotated video: the sources are live (point --source at a file to get one)")


def _what_next(console: Console, out: Path) -> None:
    console.print(f"worker's log       {out / 'worker.log'}\n", highlight=False)
    console.print("[bold]What to try next[/bold]", highlight=False)
    name = "emotion-worker"
    if shutil.which(name) is None and Path(sys.argv[0]).name == name:
        name = sys.argv[0]  # called by its place, as `make demo` does
    for command, what in (
        ("demo --source rtsp://USER:PASSWORD@CAMERA/PATH", "your own camera"),
        ("analyze CLIP.mp4 --video annotated.mp4", "a clip of yours, offline"),
        ("run deploy/emotion-worker.example.yaml --check", "the service's settings, explained there"),
    ):
        console.print(f"  [dim]{what}:[/dim]\n    {name} {command}", highlight=False, soft_wrap=True)
