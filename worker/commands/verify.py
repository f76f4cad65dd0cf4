"""`emotion-worker verify`: do a Redis or an events file account for every decoded frame, once and in order?"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from worker.errors import LedgerError, SettingsError, SourceUnreadable
from worker.events import schema
from worker.events.ledger import Account, Ledger
from worker.redact import redact
from worker.redis_client import CLIENT_ERRORS, Client, RedisTarget, classify, connect
from worker.settings.references import fill

_SHOWN = 20  # findings on the screen; `--json` has a thousand
_PAGE = 1000  # entries read at once
_COLUMNS = ("stream", "seq", "runs", "decoded", "events", "skipped", "in gaps", "untold", "faults")


def verify(
    source: Annotated[
        str, typer.Argument(help="An events file (one JSON record a line), or redis://..., rediss://..., unix://...")
    ],
    stream: Annotated[list[str] | None, typer.Option(help="Only this stream; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was counted and found as JSON.")] = False,
    cluster: Annotated[bool, typer.Option("--cluster", help="The Redis is a cluster.")] = False,
) -> None:
    """Check the ledger: holes, repeats, order, unexplained frames. Exit code 1 if anything is wrong.

    Raises:
        LedgerError: something is wrong, or there is nothing to check.
        SourceUnreadable: the file cannot be read.
        SettingsError: the address is none of Redis.
        RedisError: the server cannot be reached or refuses.
    """
    ledger = Ledger()
    if source.startswith(("redis://", "rediss://", "unix://")):
        target = RedisTarget(fill(source, os.environ), mode="cluster" if cluster else "standalone")
        _read_redis(target, stream or [], ledger)
    elif "://" in source:
        raise SettingsError(f"{redact(source)} is neither a file nor a Redis address (redis://, rediss://, unix://)")
    else:
        _read_file(Path(source), stream or [], ledger)
    if ledger.accounts or ledger.faults or as_json:
        print(_as_json(ledger)) if as_json else _show(ledger, Console())
    if not ledger.accounts and not ledger.faults:
        raise LedgerError(f"nothing to check: {redact(source)} holds no records{' of these streams' if stream else ''}")
    if ledger.faults:
        faults = ", ".join(f"{count} {fault}" for fault, count in ledger.faults.most_common())
        raise LedgerError(f"the ledger does not add up: {faults}")


def _read_file(path: Path, streams: Sequence[str], ledger: Ledger) -> None:
    read = objects = 0
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    data = _parsed(line)
                    read, objects = read + 1, objects + (data is not None)
                    _take(ledger, data, f"line {number}", streams)
    except OSError as error:
        raise SourceUnreadable(f"cannot read {path}: {error.strerror}") from error
    if read and not objects:
        raise SourceUnreadable(f"{path} is no events file: none of its {read} lines is a record in JSON")


def _read_redis(target: RedisTarget, streams: Sequence[str], ledger: Ledger) -> None:
    try:
        client = connect(target)
        known: Any = client.smembers(schema.STREAMS_KEY)
        for name in streams or sorted(_text(member) for member in known):
            for number, entry in _entries(client, schema.events_key(name)):
                _take_entry(ledger, name, _text(number), entry)
        client.close()
    except CLIENT_ERRORS as error:
        raise classify(error, target.where) from error


def _entries(client: Client, key: str) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
    start = "-"
    while True:
        page: Any = client.xrange(key, start, "+", count=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        start = "(" + _text(page[-1][0])


def _take_entry(ledger: Ledger, stream: str, where: str, entry: dict[bytes, bytes]) -> None:
    """Entries say type and seq twice, and the key names the stream: all must agree."""
    data = _parsed(_text(entry.get(b"data", b"")))
    _take(ledger, data, where, (), stream)
    if data is None:
        return
    told = (stream, _text(entry.get(b"type", b"")), _text(entry.get(b"seq", b"")))
    if told != (data.get("stream"), data.get("type"), str(data.get("seq"))):
        ledger.complain(stream, where, "the entry's key, type and seq contradict its data")


def _parsed(text: str) -> dict[str, Any] | None:
    """One record; None if the text is no JSON object."""
    try:
        data = json.loads(text)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _take(ledger: Ledger, data: dict[str, Any] | None, where: str, streams: Sequence[str], stream: str = "?") -> None:
    """Give one record to the ledger, unless it is of a stream that nobody asked for."""
    if data is None:
        ledger.complain(stream, where, "holds no JSON object")
    elif not streams or data.get("stream") in streams:
        ledger.take(data, where)


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def _as_json(ledger: Ledger) -> str:
    return json.dumps(
        {
            "streams": {stream: _plain(account) for stream, account in ledger.accounts.items()},
            "faults": dict(ledger.faults),
            "findings": [finding._asdict() for finding in ledger.findings],
        },
        indent=2,
    )


def _plain(account: Account) -> dict[str, Any]:
    return {field.name: getattr(account, field.name) for field in fields(account)}


def _show(ledger: Ledger, console: Console) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    for column in _COLUMNS:
        first = column == "stream"
        table.add_column(column, justify="left" if first else "right", overflow="fold", min_width=len(column))
    for stream, account in sorted(ledger.accounts.items()):
        faults = ledger.faulty[stream]
        table.add_row(escape(stream), *_cells(account), f"[red]{faults}[/red]" if faults else "[green]0[/green]")
    console.print(table)
    console.print("decoded = events + skipped + in gaps + untold (frames that no record can number)")
    for what, counts in (
        ("skipped", [account.skipped for account in ledger.accounts.values()]),
        ("gaps", [account.gaps for account in ledger.accounts.values()]),
    ):
        total = sum(counts, Counter[str]())
        if total:
            console.print(f"{what}: {', '.join(f'{word} {count}' for word, count in total.most_common())}")
    for finding in ledger.findings[:_SHOWN]:
        text = redact(f"{finding.stream} {finding.where}: {finding.text}")
        console.print(f"[red]{finding.fault}[/red] {escape(text)}", soft_wrap=True, highlight=False)
    more = ledger.faults.total() - _SHOWN
    if more > 0:
        console.print(f"... and {more} more")


def _cells(account: Account) -> list[str]:
    skipped = account.skipped.total()
    counts = (account.runs, account.decoded, account.events, skipped, account.in_gaps, account.untold)
    return [f"{account.first_seq}..{account.last_seq}", *map(str, counts)]
