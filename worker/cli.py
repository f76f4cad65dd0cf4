"""The command `emotion-worker`: arguments, and what becomes of errors. The one place that ends the process.

A command's own signature is its command line. Its module is imported only when it is called, so that help is quick.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from worker import __version__
from worker.errors import WorkerError
from worker.redact import redact

INTERRUPTED = 130
READER_GONE = 141
"""128 + SIGPIPE, as shells tell it: whoever read our output has gone."""
UNEXPECTED = 70


class _Command(NamedTuple):
    module: str
    function: str
    help: str


COMMANDS = {
    "run": _Command("worker.cli", "run", "Watch the cameras and files of CONFIG until stopped."),
    "analyze": _Command("worker.commands.analyze", "analyze", "Read clips or photos offline; no Redis."),
    "photo": _Command("worker.commands.photo", "photo", "Read the emotions of photos in the browser; no cameras."),
    "probe": _Command("worker.commands.probe", "probe", "Look at cameras before they go live."),
    "capacity": _Command("worker.commands.capacity", "capacity", "Measure how many cameras this machine holds."),
    "tail": _Command("worker.commands.tail", "tail", "Follow the records in a Redis: states, emotions, gaps."),
    "verify": _Command("worker.commands.verify", "verify", "Check that records account for every decoded frame."),
    "demo": _Command("worker.commands.demo", "demo", "Show the whole worker on two demo cameras."),
    "config-schema": _Command("worker.commands.config", "schema", "Print the JSON Schema of the settings file."),
}


def main() -> None:
    """The process: its arguments, its exit code."""
    sys.exit(call(sys.argv[1:]))


def call(arguments: Sequence[str]) -> int:
    """Do what the arguments say; the exit code (docs/exit-codes.md)."""
    try:
        _app(arguments)(list(arguments), prog_name="emotion-worker")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def run(
    config: Annotated[Path, typer.Argument(help="Settings in YAML; see deploy/emotion-worker.example.yaml.")],
    check: Annotated[
        bool, typer.Option("--check", help="Check all but cameras and Redis; show what is in force.")
    ] = False,
) -> None:
    """Watch the cameras and files of CONFIG until stopped."""
    from worker.logs import setup_logs
    from worker.settings import load_settings

    settings = load_settings(config, os.environ)
    if check:
        from worker.commands.config import check as check_settings

        check_settings(settings)
        return
    from worker.commands.run import run as run_worker

    setup_logs(settings.logs.level, settings.logs.format)
    run_worker(settings)


def _app(arguments: Sequence[str]) -> typer.Typer:
    """The commands; only the one that is called is imported, of the others the help is enough."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    debug = "--debug" in arguments

    @app.callback()
    def options(
        version: Annotated[
            bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
        ] = False,
        debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    ) -> None:
        """Watches many cameras, tells the emotions that faces show, and accounts for every frame."""

    called = next((word for word in arguments if not word.startswith("-")), None)
    for name, command in COMMANDS.items():
        if name == called:
            function = _load(command, debug)
            # The docstring's first part: what it raises is for callers.
            app.command(name, help=(inspect.getdoc(function) or command.help).partition("\n\n")[0])(function)
        else:
            app.command(name, help=command.help)(_not_called)
    return app


def _load(command: _Command, debug: bool) -> Callable[..., None]:
    function: Callable[..., None] = getattr(importlib.import_module(command.module), command.function)
    return _told(function, debug)


def _not_called() -> None:
    """Stands for the commands whose help alone is wanted."""


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"emotion-worker {__version__}")
        raise typer.Exit


def _told(function: Callable[..., None], debug: bool) -> Callable[..., None]:
    """`function`, whose errors become lines on standard error and an exit code."""

    @functools.wraps(function)
    def told(*args: Any, **kwargs: Any) -> None:
        from worker.logs import setup_logs, stop_logs

        setup_logs("debug" if debug else "warning")
        try:
            function(*args, **kwargs)
            sys.stdout.flush()
        except WorkerError as error:
            _complain(str(error), debug)
            raise typer.Exit(error.exit_code) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(READER_GONE) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:  # noqa: BLE001 - the outermost frame: a traceback is for --debug
            _complain(f"unexpected {type(error).__name__}: {error}; --debug before the command tells more", debug)
            raise typer.Exit(UNEXPECTED) from None
        finally:
            stop_logs()

    return told


def _complain(text: str, debug: bool) -> None:
    """One line for each mistake, without secrets."""
    if debug:
        print(redact(traceback.format_exc()), end="", file=sys.stderr)
    for line in text.splitlines():
        print(f"error: {redact(line)}", file=sys.stderr)
