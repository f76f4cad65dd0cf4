"""Several readers share the records of all streams: each record goes to one of them, at least once.

Call `ack` after the work is done: what a reader took and did not acknowledge goes to another. A reader sees a part of
a stream only, so holes cannot be told by number: gaps come as gap records. Drop repeats by the record's `id`, best as
the primary key of whatever the records are written to.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis import ResponseError
from redis.cluster import RedisCluster

from worker.events.consumer import (
    BLOCK_S,
    CLUSTER_PAUSE_S,
    DISCOVER_EVERY_S,
    Client,
    Fields,
    Received,
    Unreadable,
    in_turn,
    item_of,
    members,
    replies,
    text,
)
from worker.events.schema import events_key

_BEGIN = "0-0"
_MOST_CLAIMS = 20


@dataclass(frozen=True, slots=True)
class Trimmed:
    """An entry that was given to a reader and trimmed before that reader acknowledged it: it is lost."""

    stream: str
    entry: str


GroupItem = Received | Unreadable | Trimmed


class GroupReader:
    """One reader of a group. Owned by one thread."""

    def __init__(
        self,
        client: Client,
        group: str,
        name: str,
        streams: Sequence[str] | None = None,
        claim_after_s: float = 60.0,
    ) -> None:
        """
        Args:
            client: a redis-py client.
            group: the group's name; it is made where it is missing, and then begins with the oldest record.
            name: this reader's name, the same after a restart.
            streams: ids; None for all that there are and will be.
            claim_after_s: records that another reader took this long ago and did not acknowledge are taken over.
        """
        self._client = client
        self._group = group
        self._name = name
        self._streams = streams
        self._claim_after_s = claim_after_s
        self._known: list[str] = []
        self._own: dict[str, str] = {}  # by stream: up to where this reader's unacknowledged records were given again
        self._discover_at = 0.0
        self._claim_at = 0.0
        self._cursors: dict[str, str] = {}  # by stream: where the look for abandoned records goes on
        self._page: deque[GroupItem] = deque()

    def __iter__(self) -> Iterator[GroupItem]:
        """All items, for ever; waits for new ones. A loop that is left loses nothing: the next one goes on there."""
        while True:
            item = self.take()
            if item is None:
                self.fetch(DISCOVER_EVERY_S)
            else:
                yield item

    def read(self, wait_s: float = 0.0, limit: int = 1000) -> list[GroupItem]:
        """First what this reader left unacknowledged in an earlier life, then what others abandoned, then what is new.

        Raises:
            redis.RedisError: as the client does.
            redis.exceptions.RedisClusterException: no node of a cluster has a stream's slot.
        """
        self.fetch(wait_s, limit)
        return list(iter(self.take, None))

    def fetch(self, wait_s: float = 0.0, limit: int = 1000) -> None:
        """Ask Redis for what `take` gives next, unless there still is some; the half of `read` that waits."""
        deadline = time.monotonic() + wait_s
        while not self._page:
            self._discover()
            self._page.extend(self._left_over(limit) or self._abandoned(limit))
            if not self._page:
                self._page.extend(self._fresh(min(max(0.0, deadline - time.monotonic()), BLOCK_S), limit))
            if time.monotonic() >= deadline:
                return

    def take(self) -> GroupItem | None:
        """The next of the items that were fetched; None: `fetch` again."""
        return self._page.popleft() if self._page else None

    def ack(self, items: Iterable[GroupItem]) -> None:
        """The work on `items` is done: nobody gets them again."""
        by_stream: dict[str, list[str]] = {}
        for item in items:
            by_stream.setdefault(item.stream, []).append(item.entry)
        for stream, entries in by_stream.items():
            self._client.xack(events_key(stream), self._group, *entries)

    def _discover(self) -> None:
        if time.monotonic() < self._discover_at:
            return
        if self._known:  # whatever comes of it: a node that is away does not stop what is known
            self._discover_at = time.monotonic() + DISCOVER_EVERY_S
        wanted = self._streams if self._streams is not None else members(self._client)
        for stream in wanted:
            if stream not in self._known and self._make_group(stream):
                self._known.append(stream)
                self._own[stream] = "0-0"
        self._discover_at = time.monotonic() + DISCOVER_EVERY_S

    def _make_group(self, stream: str) -> bool:
        """False where the stream has no entry yet: it is looked for again later."""
        try:
            self._client.xgroup_create(events_key(stream), self._group, "0")
        except ResponseError as error:
            if "requires the key to exist" in str(error):
                return False
            if not str(error).startswith("BUSYGROUP"):
                raise
        return True

    def _left_over(self, limit: int) -> list[GroupItem]:
        if not self._own:
            return []
        entries = self._ask(dict(self._own), 0.0, limit)
        if entries is None:  # nothing was said of any stream: ask again for those that still are there
            self._own = {stream: entry for stream, entry in self._own.items() if stream in self._known}
            return self._left_over(limit)
        for stream in set(self._own) - {stream for stream, _, _ in entries}:
            del self._own[stream]
        self._own |= {stream: entry for stream, entry, _ in entries}
        return _items(entries)

    def _abandoned(self, limit: int) -> list[GroupItem]:
        if time.monotonic() < self._claim_at:
            return []
        found = in_turn(self._client, list(self._known), lambda stream: self._claimed(stream, limit))
        if all(self._cursors.get(stream, _BEGIN) == _BEGIN for stream in self._known):
            self._claim_at = time.monotonic() + self._claim_after_s / 4
        return found

    def _claimed(self, stream: str, limit: int) -> list[GroupItem]:
        """One call looks at ten times `count` of the pending entries: the cursor is followed, twenty calls a time."""
        idle_ms, cursor = int(self._claim_after_s * 1000), self._cursors.pop(stream, _BEGIN)
        items: list[GroupItem] = []
        for _ in range(_MOST_CLAIMS):
            try:
                answer: Any = self._client.xautoclaim(
                    events_key(stream), self._group, self._name, idle_ms, cursor, count=limit - len(items)
                )
            except ResponseError as error:
                self._remake_groups(error)
                return items
            cursor, entries, deleted = text(answer[0]), answer[1], answer[2]
            items += _items([(stream, text(entry), fields) for entry, fields in entries])
            items += [Trimmed(stream, text(entry)) for entry in deleted]
            if cursor == _BEGIN or len(items) >= limit:
                break
        self._cursors[stream] = cursor
        return items

    def _fresh(self, block_s: float, limit: int) -> list[GroupItem]:
        if not self._known:
            time.sleep(block_s)
            return []
        return _items(self._ask(dict.fromkeys(self._known, ">"), block_s, limit) or ())

    def _ask(self, after: dict[str, str], block_s: float, limit: int) -> list[tuple[str, str, Fields]] | None:
        """XREADGROUP from a position of each stream; None: one of them had lost its group, so no answer came."""
        if not isinstance(self._client, RedisCluster):
            return self._given(after, limit, max(1, int(block_s * 1000)) if block_s else None)
        found = in_turn(self._client, after, lambda stream: self._given({stream: after[stream]}, limit, None) or ())
        if not found:
            time.sleep(min(block_s, CLUSTER_PAUSE_S))
        return found

    def _given(self, after: dict[str, str], limit: int, block: int | None) -> list[tuple[str, str, Fields]] | None:
        wanted: dict[Any, Any] = {events_key(stream): entry for stream, entry in after.items()}
        try:
            return replies(self._client.xreadgroup(self._group, self._name, wanted, limit, block))
        except ResponseError as error:
            self._remake_groups(error)
            return None

    def _remake_groups(self, error: ResponseError) -> None:
        """Somebody deleted a group or a stream: begin it again with the oldest record."""
        if not str(error).startswith("NOGROUP"):
            raise error
        self._known = [stream for stream in self._known if self._make_group(stream)]


def _items(entries: Iterable[tuple[str, str, Fields]]) -> list[GroupItem]:
    return [item_of(*entry) if entry[2] else Trimmed(entry[0], entry[1]) for entry in entries]
