"""How far a reader or a group is behind, in seconds by the server's own clock. Needs redis and pydantic alone.

Redis' own `lag` counts entries, and is silent about those that were trimmed before a group had them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from worker.events.consumer import Client, Position, members, text
from worker.events.schema import events_key


def reader_lag(client: Client, positions: Mapping[str, Position]) -> dict[str, float]:
    """By stream, the age of the first record after the position; 0 where there is none.

    `positions`: `Reader.positions`. Raises redis.RedisError.
    """
    now = _now(client)
    return {stream: _age(client, stream, position.entry, now) for stream, position in positions.items()}


def group_lag(client: Client, group: str, streams: Sequence[str] | None = None) -> dict[str, float]:
    """By stream, the age of the first record that nobody in the group was given; 0 where there is none.

    Streams where the group does not exist are left out. Raises redis.RedisError.
    """
    now = _now(client)
    lags = {}
    for stream in members(client) if streams is None else streams:
        if not client.exists(events_key(stream)):
            continue
        groups: Any = client.xinfo_groups(events_key(stream))
        for found in groups:
            if text(found["name"]) == group:
                lags[stream] = _age(client, stream, text(found["last-delivered-id"]), now)
    return lags


def _now(client: Client) -> float:
    answer: Any = client.time()
    if isinstance(answer, dict):  # a cluster answers with each node's time
        answer = next(iter(answer.values()))
    return float(answer[0]) + float(answer[1]) / 1e6


def _age(client: Client, stream: str, entry: str, now: float) -> float:
    waiting: Any = client.xrange(events_key(stream), min=f"({entry}", count=1)
    if not waiting:
        return 0.0
    return max(0.0, now - int(text(waiting[0][0]).partition("-")[0]) / 1000)
