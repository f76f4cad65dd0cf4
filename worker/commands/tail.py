"""`emotion-worker tail`: follow the records in a Redis in a terminal, or as JSON in a pipe."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from worker.commands.face_bars import FaceBars
from worker.commands.live_view import LiveView
from worker.commands.notices import LOUD, Notices, line_of
from worker.errors import RedisUnavailable, SettingsError
from worker.events import schema
from worker.events.consumer import Item, Reader, Received, text
from worker.redis_client import CLIENT_ERRORS, Client, RedisTarget, classify, connect
from worker.settings.references import fill
from worker.settings.values import parse_duration

_TURNS_A_SECOND = 4
_RETRY_S = 1.0
_NOTICES = 8
_STATUSES = 1000


class _Screen(Protocol):
    """Where items are shown."""

    def show(self, items: Iterable[Item]) -> None: ...

    def away(self, why: str | None) -> None:
        """Redis is away; None: it answers."""
        ...


def tail(
    source: Annotated[
        str, typer.Argument(envvar="EMOTION_WORKER__REDIS__URL", help="redis://..., rediss://... or unix://...")
    ] = "redis://127.0.0.1:6379/0",
    stream: Annotated[list[str] | None, typer.Option(help="Only this stream; may be repeated.")] = None,
    since: Annotated[str | None, typer.Option(help="Begin this long ago (30s, 10m, 2h) instead of now.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One record a line, for pipes.")] = False,
    lines: Annotated[bool, typer.Option("--lines", help="One line a record, no table (as in a pipe).")] = False,
    seconds: Annotated[float | None, typer.Option(min=0, help="End after this long; else with Ctrl-C.")] = None,
    cluster: Annotated[bool, typer.Option("--cluster", help="The Redis is a cluster.")] = False,
) -> None:
    """Follow what workers publish: states, emotions as bars, gaps. Goes on by itself when Redis comes back.

    Raises:
        RedisError: the server cannot be reached at the start, or refuses.
        SettingsError: the address or `since` cannot be understood.
    """
    target = RedisTarget(fill(source, os.environ), mode="cluster" if cluster else "standalone")
    end = None if seconds is None else time.monotonic() + seconds
    try:
        client = connect(target)
        client.ping()
        reader = Reader(client, stream, start="newest" if since is None else _moment(since))
        console = _Output()
        if as_json:
            _follow(reader, _Json(), target, end)
        elif lines or not console.is_terminal:
            _follow(reader, _Lines(console), target, end)
        else:
            with _table(console, client, stream or []) as screen:
                _follow(reader, screen, target, end)
        client.close()
    except BrokenPipeError:  # of standard output: those of Redis' socket come as errors of redis-py
        raise
    except CLIENT_ERRORS as error:
        raise classify(error, target.where) from error


def _moment(ago: str) -> datetime:
    try:
        return datetime.now(UTC) - timedelta(seconds=float(str(parse_duration(ago))))
    except (ValueError, OverflowError):
        raise SettingsError(f"--since {ago}: write a duration such as 30s, 10m or 2h") from None


def _follow(reader: Reader, screen: _Screen, target: RedisTarget, end: float | None) -> None:
    """Show what comes until `end` (monotonic seconds); an outage of Redis is told and waited for."""
    away = False
    while end is None or time.monotonic() < end:
        try:
            items = reader.read(wait_s=1 / _TURNS_A_SECOND)
        except CLIENT_ERRORS as error:
            told = classify(error, target.where)
            if not isinstance(told, RedisUnavailable):
                raise told from error
            away = True
            screen.away(str(told))
            time.sleep(_RETRY_S)
            continue
        if away:
            screen.away(None)
            away = False
        screen.show(items)


class _Output(Console):
    """Standard output, which a reader may leave: `| head -1`."""

    def on_broken_pipe(self) -> None:
        """Told like everywhere else (rich would end the program with 1)."""
        raise BrokenPipeError


class _Json:
    """Records as they are, and what is no record as objects of type `missing` and `unreadable`; errors elsewhere."""

    def show(self, items: Iterable[Item]) -> None:
        for item in items:
            print(_plain(item))
        sys.stdout.flush()

    def away(self, why: str | None) -> None:
        print(why or "Redis answers again", file=sys.stderr)


def _plain(item: Item) -> str:
    if isinstance(item, Received):
        return item.record.model_dump_json()
    fields: dict[str, Any] = {name: getattr(item, name) for name in item.__slots__}
    return json.dumps({"type": type(item).__name__.lower(), **fields})


class _Lines:
    """One line a record."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, items: Iterable[Item]) -> None:
        for item in items:
            self._console.print(line_of(item), soft_wrap=True)

    def away(self, why: str | None) -> None:
        self._console.print(Text(why or "Redis answers again", style=LOUD), soft_wrap=True)


class _Table:
    """The table of all streams (of one: also each face's probabilities), and what must not be overlooked."""

    def __init__(self, console: Console, live: Live, view: LiveView, single: bool) -> None:
        self._console = console
        self._live = live
        self._view = view
        self._bars = FaceBars() if single else None
        self._notices = Notices(_NOTICES)
        self._away: str | None = None

    def show(self, items: Iterable[Item]) -> None:
        for item in items:
            self._notices.add(item)
            if isinstance(item, Received):
                self._view.add(item.record)
                if self._bars is not None and isinstance(item.record, schema.FrameEvent):
                    self._bars.add(item.record)
        self._draw()

    def away(self, why: str | None) -> None:
        self._away = why
        self._draw()

    def _draw(self) -> None:
        notices = self._notices.text()
        room = self._console.height - len(notices.plain.splitlines()) - 4
        foot = Text("Ctrl-C ends", style="dim")
        if self._away is not None:
            foot = Text(f" {self._away} ", style=LOUD)
        elif not self._view.streams:
            foot = Text("no stream has published here yet; Ctrl-C ends", style="dim")
        bars = [] if self._bars is None else [self._bars.drawn()]
        self._live.update(Group(self._view.table(self._console.width, room), *bars, notices, foot))


@contextmanager
def _table(console: Console, client: Client, streams: list[str]) -> Iterator[_Table]:
    view = LiveView()
    for status in _statuses(client):
        if not streams or status.stream in streams:
            view.stands(status.stream, status.state)
    with Live(console=console, refresh_per_second=_TURNS_A_SECOND, vertical_overflow="crop") as live:
        yield _Table(console, live, view, len(streams) == 1)


def _statuses(client: Client) -> Iterator[schema.StatusRecord]:
    """The newest changes of state of all streams, the oldest first; what is no such record is left out."""
    entries: Any = client.xrevrange(schema.STATUS_KEY, count=_STATUSES)
    for _, fields in reversed(entries):
        values = {text(name): value for name, value in fields.items()}
        try:
            record = schema.parse(values.get("data", b""), text(values.get("type", b"")))
        except ValueError:
            continue
        if isinstance(record, schema.StatusRecord):
            yield record
