"""`emotion-worker photo`: a page in the browser that reads the emotions of a photo; no cameras, no Redis."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from worker.assembly.photo_house import PhotoHouse
from worker.clock import SystemClock
from worker.commands.chosen_models import chosen_models
from worker.settings import Settings, WebSettings


def photo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0 takes a free one.")] = 8080,
    detector: Annotated[Path | None, typer.Option(help="Another detector bundle.")] = None,
    classifier: Annotated[Path | None, typer.Option(help="Another classifier bundle.")] = None,
    backend: Annotated[str, typer.Option(help="auto, openvino or torch.")] = "auto",
) -> None:
    """Read the emotions of photos in the browser; nothing leaves this machine.

    Raises:
        WorkerError: the port cannot be had, or a model cannot be loaded.
    """
    settings = Settings(models=chosen_models(detector, classifier, backend), web=WebSettings(port=port))
    console = Console()
    with console.status("loading the models ..."):
        house = PhotoHouse(settings, SystemClock())
        house.start()
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell's background job is born with SIGINT ignored
        signal.signal(number, _interrupt)
    console.print(
        f"open [bold]http://127.0.0.1:{house.port}/photo[/bold] in your browser (Ctrl-C ends)", highlight=False
    )
    try:
        house.wait()
    except KeyboardInterrupt:
        console.print("ended; no picture was kept", highlight=False)
    finally:
        house.stop()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Both signals end it in order."""
    raise KeyboardInterrupt
