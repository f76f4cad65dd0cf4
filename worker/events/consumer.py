"""Read what workers publish: validated records, and what is missing among them. Needs redis and pydantic alone.

    import redis
    from worker.events.consumer import Missing, Reader, Received

    reader = Reader(redis.Redis.from_url("redis://localhost"))
    for item in reader:                       # for ever; `reader.read()` gives what is there
        match item:
            case Received(record=record):     # a FrameEvent, GapRecord or StatusRecord of worker.events.schema
                print(record.stream, record.seq, record.type)
            case Missing(stream, first, last):
                print(f"{stream}: records {first} to {last} were trimmed before they were read")

`Reader` has its own position: it sees every record of every stream, in order, each once. Several that share the work
are a `worker.events.group.GroupReader`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeVar

from redis import Redis
from redis.cluster import RedisCluster
from redis.exceptions import ClusterError, ConnectionError, RedisClusterException, TimeoutError

from worker.events.schema import STREAMS_KEY, GapRecord, Record, events_key, parse, why

Client = Redis | RedisCluster
T = TypeVar("T")
_AWAY = (ConnectionError, TimeoutError, ClusterError, RedisClusterException)

DISCOVER_EVERY_S = 5.0
BLOCK_S = 1.0  # one blocking call; clients give up on an answer after five seconds
CLUSTER_PAUSE_S = 0.1  # a cluster takes no XREAD of keys on several slots, so each key is asked in turn


@dataclass(frozen=True, slots=True)
class Received:
    """A record, and the id of its entry in Redis."""

    stream: str
    entry: str
    record: Record


@dataclass(frozen=True, slots=True)
class Missing:
    """Records `first` to `last` of a stream are gone and no gap record told it: trimmed before they were read."""

    stream: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry that is no record of schema v1: foreign, damaged or of a newer worker. Reading goes on after it."""

    stream: str
    entry: str
    reason: str


class Position(NamedTuple):
    """Up to where a stream was read: the entry's id, and the record's epoch and seq (0, 0: none yet)."""

    entry: str
    epoch: int = 0
    seq: int = 0


Item = Received | Missing | Unreadable
Fields = dict[Any, Any]


class Reader:
    """Reads all records of some or all streams, with its own position.

    Attributes:
        positions: by stream, up to where items were given; keep them to go on there another time.
        repeats: records that were left out because they had been there before.
    """

    def __init__(
        self,
        client: Client,
        streams: Sequence[str] | None = None,
        positions: Mapping[str, Position] | None = None,
        start: Literal["oldest", "newest"] | datetime = "oldest",
    ) -> None:
        """
        Args:
            client: a redis-py client; with or without `decode_responses` (with it, `encoding_errors="replace"` lets it
                read on over foreign entries that are no text).
            streams: ids; None for all that there are and will be.
            positions: where to go on.
            start: where streams without a position begin: with their oldest record, after their newest, or with the
                first that reached Redis at a time (aware of its zone). Those that appear later begin with their oldest.
        """
        self.positions: dict[str, Position] = dict(positions or {})
        self.repeats = 0
        self._client = client
        self._streams = streams
        self._start: Literal["oldest", "newest"] | datetime = start
        self._discover_at = 0.0
        self._page: deque[Received | Unreadable] = deque()  # fetched and not given yet
        self._held: Received | None = None  # what comes after the `Missing` that was given last

    def __iter__(self) -> Iterator[Item]:
        """All items, for ever; waits for new ones. A loop that is left loses nothing: the next one goes on there."""
        while True:
            item = self.take()
            if item is None:
                self.fetch(DISCOVER_EVERY_S)
            else:
                yield item

    def read(self, wait_s: float = 0.0, limit: int = 1000) -> list[Item]:
        """What is new, at most about `limit` entries a stream; waits up to `wait_s` if nothing is.

        Raises:
            redis.RedisError: as the client does; reading again goes on where this stopped.
            redis.exceptions.RedisClusterException: no node of a cluster has a stream's slot.
        """
        self.fetch(wait_s, limit)
        return list(iter(self.take, None))

    def fetch(self, wait_s: float = 0.0, limit: int = 1000) -> None:
        """Ask Redis for what `take` gives next, unless there still is some; the half of `read` that waits."""
        deadline = time.monotonic() + wait_s
        while not self._page and self._held is None:
            self._discover()
            entries = self._entries(min(max(0.0, deadline - time.monotonic()), BLOCK_S), limit)
            self._page.extend(item_of(*entry) for entry in entries)
            if time.monotonic() >= deadline:
                return

    def take(self) -> Item | None:
        """The next of the items that were fetched, which moves its stream's position on; None: `fetch` again."""
        if self._held is not None:
            item, self._held = self._held, None
            return self._given(item)
        while self._page:
            found = self._item(self._page.popleft())
            if found is not None:
                return found
        return None

    def _discover(self) -> None:
        if time.monotonic() < self._discover_at:
            return
        if self.positions:  # whatever comes of it: a node that is away does not stop what is known
            self._discover_at = time.monotonic() + DISCOVER_EVERY_S
        known = self._streams if self._streams is not None else members(self._client)
        for stream in known:
            if stream not in self.positions:
                self.positions[stream] = self._first_position(stream)
        self._start = "oldest"  # of what was not there at the first look
        self._discover_at = time.monotonic() + DISCOVER_EVERY_S

    def _first_position(self, stream: str) -> Position:
        if isinstance(self._start, datetime):
            return Position(before(self._start))
        if self._start == "oldest":
            return Position("0-0")
        last: Any = self._client.xrevrange(events_key(stream), count=1)
        return Position(text(last[0][0]) if last else "0-0")

    def _entries(self, block_s: float, limit: int) -> list[tuple[str, str, Fields]]:
        streams = [stream for stream in self.positions if self._streams is None or stream in self._streams]
        wanted: dict[Any, Any] = {events_key(stream): self.positions[stream].entry for stream in streams}
        if not wanted:
            time.sleep(block_s)
            return []
        client = self._client
        if not isinstance(client, RedisCluster):
            block = max(1, int(block_s * 1000)) if block_s else None
            return replies(client.xread(wanted, count=limit, block=block))

        def entries_of(stream: str) -> list[tuple[str, str, Fields]]:
            return replies(client.xread({events_key(stream): self.positions[stream].entry}, count=limit))

        found = in_turn(client, streams, entries_of)
        if not found:
            time.sleep(min(block_s, CLUSTER_PAUSE_S))
        return found

    def _item(self, item: Received | Unreadable) -> Item | None:
        """The item, or what is missing before it; None: it had been there before."""
        stream, entry = item.stream, item.entry
        before = self.positions[stream]
        if isinstance(item, Unreadable):
            self.positions[stream] = before._replace(entry=entry)
            return item
        record = item.record
        if record.seq <= before.seq and record.epoch <= before.epoch:
            self.repeats += 1
            self.positions[stream] = before._replace(entry=entry)
            return None
        first, known = record.seq, before.seq
        if isinstance(record, GapRecord) and record.missing_seq is not None:
            first = record.missing_seq[0]
        elif record.seq <= known:
            known = 0  # a new epoch counts from 1: Redis began empty
        if before.epoch and first > known + 1:
            self._held = item
            return Missing(stream, known + 1, first - 1)
        return self._given(item)

    def _given(self, item: Received) -> Received:
        self.positions[item.stream] = Position(item.entry, item.record.epoch, item.record.seq)
        return item


def before(moment: datetime) -> str:
    """The entry id just before the first one that Redis can give at `moment`; its ids begin with its own clock."""
    milliseconds = int(moment.timestamp() * 1000)
    return f"{milliseconds - 1}-{2**64 - 1}" if milliseconds > 0 else "0-0"


def members(client: Client) -> list[str]:
    """Ids of all streams that ever had a record."""
    found: Any = client.smembers(STREAMS_KEY)
    return sorted(text(member) for member in found)


def in_turn(client: Client, streams: Iterable[str], ask: Callable[[str], Sequence[T]]) -> list[T]:
    """What `ask` gives for each stream.

    A node that is away takes nothing from streams on others: its error is raised only if none of those had anything,
    and it is asked once.
    """
    found: list[T] = []
    away: dict[str, Exception] = {}
    for stream in streams:
        node = ""
        try:
            if isinstance(client, RedisCluster):
                node = client.get_node_from_key(events_key(stream)).name  # type: ignore[no-untyped-call]
            if node not in away:
                found += ask(stream)
        except _AWAY as error:
            away[node] = error
    if away and not found:
        raise next(iter(away.values()))
    return found


def replies(answer: Any) -> list[tuple[str, str, Fields]]:
    """(stream, entry, fields) of an answer to XREAD or XREADGROUP, in RESP2 (lists) or RESP3 (a map)."""
    if isinstance(answer, dict):
        pairs = [(key, entries) for key, pages in answer.items() for entries in pages]
    else:
        pairs = list(answer or ())
    prefix, suffix = events_key("\n").split("\n")
    return [
        (text(key).removeprefix(prefix).removesuffix(suffix), text(entry), fields)
        for key, entries in pairs
        for entry, fields in entries
    ]


def item_of(stream: str, entry: str, fields: Fields) -> Received | Unreadable:
    """The record in an entry's fields `type` and `data`."""
    values = {text(name): value for name, value in fields.items()}
    try:
        record = parse(values.get("data", b""), text(values.get("type", b"")))
    except ValueError as error:
        return Unreadable(stream, entry, why(error))
    if record.stream != stream:
        return Unreadable(stream, entry, f"the record is of stream {record.stream!r}")
    return Received(stream, entry, record)


def text(value: Any) -> str:
    """Redis' bytes, or what `decode_responses` made of them."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
