"""What must be true of Redis before the first camera is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import exceptions

from worker.errors import RedisError
from worker.publish.scripts import STATUS_KEY, STREAMS_KEY, events_key, state_key
from worker.redis_client import CLIENT_ERRORS, Client, classify


def check(client: Client, where: str, streams: Sequence[str]) -> None:
    """Refuse a server on which publishing cannot work. `where`: its address without password, for messages.

    Raises:
        RedisUnavailable: nobody answers, or the server is busy: trying again may help.
        RedisError: wrong password, missing rights, a key of another type, or an eviction policy that would throw
            away what the worker must remember.
    """
    try:
        client.ping()
        _check_eviction(client, where)
        for key, kind in _keys(streams):
            found = _text(client.type(key))
            if found not in (kind, "none"):
                raise RedisError(
                    f"Redis at {where} holds a {found} under {key!r}, where the worker keeps a {kind}: "
                    "delete or rename that key, or choose another database"
                )
    except CLIENT_ERRORS as error:
        raise classify(error, where) from error


def _check_eviction(client: Client, where: str) -> None:
    """`allkeys-*` evicts the streams' state: records would be lost or doubled without a word (design 12.4)."""
    try:
        answer: Any = client.execute_command("INFO", "memory")  # type: ignore[no-untyped-call]
    except exceptions.NoPermissionError:
        return  # a managed server may forbid INFO to its users; it tells no policy then
    for node in _nodes(answer):
        policy = str(node.get("maxmemory_policy", ""))
        if policy.startswith("allkeys-"):
            raise RedisError(
                f"Redis at {where} has maxmemory-policy {policy}: it may evict what the worker must remember, and "
                "records would be lost or doubled unseen. Set it to noeviction (or volatile-lru)"
            )


def _nodes(answer: Any) -> list[dict[str, Any]]:
    """INFO's answer of one server, or of each node of a cluster by its address."""
    values = list(answer.values())
    return values if values and all(isinstance(value, dict) for value in values) else [answer]


def _keys(streams: Sequence[str]) -> list[tuple[str, str]]:
    common = [(STREAMS_KEY, "set"), (STATUS_KEY, "stream")]
    return common + [pair for s in streams for pair in ((events_key(s), "stream"), (state_key(s), "hash"))]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
