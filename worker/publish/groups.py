"""How far the consumer groups of a stream are behind, in seconds, and whether they have lost records to trimming.

Redis' own `lag` counts entries and says nothing of those that were trimmed away before a group had them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from worker.publish.scripts import events_key
from worker.redis_client import CLIENT_ERRORS, Client, classify

MOST_GROUPS = 20


@dataclass(frozen=True, slots=True)
class GroupState:
    """How far a group is.

    Attributes:
        lag_s: age of the first record that was not yet delivered to it; 0 where all were.
        pending_s: age of the oldest record that was delivered and not acknowledged; 0 where there is none.
        lost: records were trimmed away that it had not been given, or had not acknowledged.
    """

    lag_s: float
    pending_s: float
    lost: bool


def group_states(client: Client, stream: str, where: str) -> dict[str, GroupState]:
    """The groups of `stream` by name, at most 20. `where`: the server's address without password, for messages.

    Raises:
        RedisUnavailable: nobody answers.
        RedisError: the server refuses.
    """
    key = events_key(stream)
    try:
        if not client.exists(key):
            return {}
        info: Any = client.xinfo_stream(key)
        groups: Any = client.xinfo_groups(key)
        if not groups:
            return {}
        seconds, microseconds = _time(client)
        now = seconds + microseconds / 1e6
        states = {}
        for group in groups[:MOST_GROUPS]:
            states[_text(group["name"])] = _state(client, key, info, group, now)
        return states
    except CLIENT_ERRORS as error:
        raise classify(error, where) from error


def _state(client: Client, key: str, info: Any, group: Any, now: float) -> GroupState:
    delivered = _text(group["last-delivered-id"])
    waiting: Any = client.xrange(key, min=f"({delivered}", count=1)
    summary: Any = client.xpending(key, group["name"])
    oldest = None if not summary.get("pending") else _text(summary["min"])
    first = info.get("first-entry")
    first_id = None if not first else _text(first[0])
    trimmed = int(info["entries-added"]) - int(info["length"])
    read = group.get("entries-read")
    if read is None:  # a group that was made in the middle of the stream: only its position can be compared
        skipped = trimmed > 0 and first_id is not None and _order(delivered) < _order(first_id) and delivered != "0-0"
    else:
        skipped = int(read) < trimmed
    forgotten = oldest is not None and (first_id is None or _order(oldest) < _order(first_id))
    return GroupState(
        lag_s=_age(_text(waiting[0][0]), now) if waiting else 0.0,
        pending_s=0.0 if oldest is None else _age(oldest, now),
        lost=skipped or forgotten,
    )


def _time(client: Client) -> tuple[int, int]:
    answer: Any = client.time()
    if isinstance(answer, dict):  # a cluster answers with each node's time
        answer = next(iter(answer.values()))
    return int(answer[0]), int(answer[1])


def _age(entry: str, now: float) -> float:
    return max(0.0, now - _order(entry)[0] / 1000)


def _order(entry: str) -> tuple[int, int]:
    milliseconds, _, number = entry.partition("-")
    return int(milliseconds), int(number or 0)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
