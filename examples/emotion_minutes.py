"""Emotion minutes: how many seconds faces showed which emotion, by camera and minute, in an SQLite database.

    python examples/emotion_minutes.py redis://localhost:6379 minutes.db
    sqlite3 minutes.db "SELECT * FROM minutes ORDER BY minute DESC LIMIT 20"

Shows what a consumer that must not lose or double anything looks like. It reads as one of a group: start several, under
different names, and they share the work. A batch is written in one transaction and acknowledged after it: killed in
between, it gets those records again and knows them by their `id`. Gaps are kept beside the minutes, because a minute
without data is not a minute without people. Needs redis and pydantic alone.
"""

from __future__ import annotations

import argparse
import socket
import sqlite3
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime

import redis

from worker.events.consumer import Received, Unreadable
from worker.events.group import GroupItem, GroupReader, Trimmed
from worker.events.schema import FrameEvent, GapRecord, Record

TABLES = """
CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, minute TEXT);
CREATE TABLE IF NOT EXISTS minutes (
    stream TEXT, minute TEXT, emotion TEXT, face_seconds REAL NOT NULL, PRIMARY KEY (stream, minute, emotion)
);
CREATE TABLE IF NOT EXISTS gaps (
    stream TEXT, minute TEXT, cause TEXT, seconds REAL NOT NULL, PRIMARY KEY (stream, minute, cause)
);
CREATE TABLE IF NOT EXISTS last (stream TEXT PRIMARY KEY, at REAL NOT NULL);
"""
LONGEST_STEP_S = 2.0  # a longer time between two frames is a gap, not a long frame


def store(database: sqlite3.Connection, items: Iterable[GroupItem]) -> int:
    """Add what is new, in one transaction; how many records were repeats."""
    repeats = 0
    with database:
        for item in items:
            match item:
                case Received(record=record):
                    repeats += not _add(database, record)
                case Unreadable(stream, entry, reason):
                    print(f"{stream}: entry {entry} is left out: {reason}")
                case Trimmed(stream, entry):
                    print(f"{stream}: entry {entry} was trimmed before it was done: it is lost")
                    _add_gap(database, stream, datetime.now(UTC), "trimmed", 0.0)
    return repeats


def _add(database: sqlite3.Connection, record: Record) -> bool:
    """False: the record was there already."""
    at = _time(record)
    new = database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (record.id, _minute(at))).rowcount
    if not new:
        return False
    if isinstance(record, GapRecord):
        seconds = (record.end - record.start).total_seconds() if record.start and record.end else 0.0
        _add_gap(database, record.stream, at, record.cause, seconds)
    elif isinstance(record, FrameEvent):
        step = _step(database, record.stream, at)
        for face in record.faces:
            label = face.stable.label if face.stable else f"none: {face.abstained or 'not read yet'}"
            database.execute(
                "INSERT INTO minutes VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                "face_seconds = face_seconds + excluded.face_seconds",
                (record.stream, _minute(at), label, step),
            )
    return True


def _time(record: Record) -> datetime:
    """When it was: capture for frames, the end of a gap, the change of a state."""
    if isinstance(record, FrameEvent):
        told = record.frame.captured_at
    elif isinstance(record, GapRecord):
        told = record.end
    else:
        told = record.at
    return told or datetime.now(UTC)


def _minute(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


def _step(database: sqlite3.Connection, stream: str, at: datetime) -> float:
    """Seconds since the stream's frame before: what this frame stands for."""
    found = database.execute("SELECT at FROM last WHERE stream = ?", (stream,)).fetchone()
    database.execute("INSERT OR REPLACE INTO last VALUES (?, ?)", (stream, at.timestamp()))
    step = at.timestamp() - found[0] if found else 0.0
    return step if 0 < step <= LONGEST_STEP_S else 0.0


def _add_gap(database: sqlite3.Connection, stream: str, at: datetime, cause: str, seconds: float) -> None:
    database.execute(
        "INSERT INTO gaps VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET seconds = seconds + excluded.seconds",
        (stream, _minute(at), cause, seconds),
    )


def main() -> None:
    """Read until interrupted, or with --until-idle until nothing is left."""
    parser = argparse.ArgumentParser(description="Emotion minutes of all cameras, into SQLite.")
    parser.add_argument("redis", help="redis://host:port/db")
    parser.add_argument("database", help="the SQLite file; it is made where it is missing")
    parser.add_argument("--name", default=socket.gethostname(), help="this reader's name, the same after a restart")
    parser.add_argument("--batch", type=int, default=200, help="most records of a stream in one transaction")
    parser.add_argument("--until-idle", action="store_true", help="end when nothing is left")
    options = parser.parse_args()
    database = sqlite3.connect(options.database)
    database.executescript(TABLES)
    reader = GroupReader(redis.Redis.from_url(options.redis), "emotion-minutes", options.name)
    while True:
        try:
            count = _turn(database, reader, options.batch)
        except (redis.ConnectionError, redis.TimeoutError) as away:
            print(f"Redis is away, trying again: {away}", file=sys.stderr, flush=True)
            time.sleep(2.0)
            continue
        if options.until_idle and not count:
            return
        if count < options.batch:
            time.sleep(1.0)  # so that one transaction holds what a second brought, not a frame


def _turn(database: sqlite3.Connection, reader: GroupReader, batch: int) -> int:
    """Read, store, acknowledge; how many there were. Cut off anywhere, the same items come again and are known."""
    items = reader.read(wait_s=1.0, limit=batch)
    if items:
        repeats = store(database, items)
        reader.ack(items)
        known = f", {repeats} of them known already" if repeats else ""
        print(f"{len(items)} {'record' if len(items) == 1 else 'records'}{known}", flush=True)
    return len(items)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # Ctrl-C is how one ends it
        sys.exit(130)
    except (redis.RedisError, sqlite3.Error, ValueError) as error:
        sys.exit(f"error: {error}")
