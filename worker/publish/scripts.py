"""The scripts as typed calls and answers, and the connection that runs many of them in one round trip."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from redis import exceptions
from redis.cluster import RedisCluster

from worker.errors import RedisError
from worker.redis_client import CLIENT_ERRORS, Client, ClientError, classify, kind_of

STREAMS_KEY = "emotion:streams"
STATUS_KEY = "emotion:status"
_STATUS_MAXLEN = 1000


def events_key(stream: str) -> str:
    """The Redis stream that holds the records of `stream`. The braces keep it in one slot with its state."""
    return f"emotion:{{{stream}}}:events"


def state_key(stream: str) -> str:
    """The hash with `seq`, `writer`, `epoch`, `run`, `worker`, `beat` of `stream`."""
    return f"emotion:{{{stream}}}:state"


class Script:
    """A Lua script and its SHA-1."""

    def __init__(self, name: str) -> None:
        self.text = files("worker.publish").joinpath(f"{name}.lua").read_text("utf-8")
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


APPEND, CLAIM, RELEASE, UNREAD = Script("append"), Script("claim"), Script("release"), Script("unread")
_SCRIPTS = (APPEND, CLAIM, RELEASE, UNREAD)

Argument = str | bytes | int


@dataclass(frozen=True, slots=True)
class Call:
    """One command for the server: a script (by SHA-1) or a plain command, with all its words."""

    words: tuple[Argument, ...]

    @property
    def key(self) -> str:
        """The key that decides on the node."""
        return str(self.words[3 if self.words[0] == "EVALSHA" else 1])


@dataclass(frozen=True, slots=True)
class Trimming:
    """How much of a stream Redis keeps; 0 is no bound. `~`: whole nodes of its tree only, about 100 records."""

    max_records: int = 36_000
    max_age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Stored:
    """All is stored up to `seq`."""

    seq: int


@dataclass(frozen=True, slots=True)
class Lost:
    """Redis has forgotten what it had acknowledged after `seq`; `absent`: it knows nothing of the stream."""

    seq: int
    absent: bool


@dataclass(frozen=True, slots=True)
class Fenced:
    """Another writer holds the stream by `epoch`."""

    epoch: int
    worker: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """The stream is ours by `epoch`. `open_run` was not ended cleanly by `worker`, last alive at `beat` (Unix s).

    `writer` is who had it before, "" where that is not known.
    """

    epoch: int
    seq: int
    open_run: str
    worker: str
    beat: float
    writer: str


@dataclass(frozen=True, slots=True)
class Refused:
    """`owner` has the stream and showed a sign of life `age_s` seconds ago."""

    owner: str
    age_s: float


Numbered = tuple[int, str, bytes]
"""seq, type, data of a record."""


def append_call(
    stream: str, writer: str, epoch: int, acked: int, trimming: Trimming, run: str, records: Sequence[Numbered]
) -> Call:
    """Store `records`; with none it is a sign of life. Answered by Stored, Lost or Fenced."""
    flat = [word for record in records for word in record]
    limits = (trimming.max_records, int(trimming.max_age_s * 1000))
    keys = (events_key(stream), state_key(stream))
    return Call(("EVALSHA", APPEND.sha, 2, *keys, writer, epoch, acked, *limits, run, *flat))


def append_answer(reply: Any) -> Stored | Lost | Fenced:
    """The meaning of `append.lua`'s answer."""
    word, number = reply[0], int(reply[1])
    if word == b"OK":
        return Stored(number)
    if word == b"LOST":
        return Lost(number, absent=reply[2] == b"absent")
    return Fenced(number, reply[2].decode())


def claim_call(stream: str, writer: str, worker: str, stale_after_s: float) -> Call:
    """Claim `stream`. Answered by Claimed or Refused."""
    keys = (events_key(stream), state_key(stream))
    return Call(("EVALSHA", CLAIM.sha, 2, *keys, writer, worker, int(stale_after_s * 1000)))


def claim_answer(reply: Any) -> Claimed | Refused:
    """The meaning of `claim.lua`'s answer."""
    if reply[0] == b"REFUSED":
        return Refused(reply[1].decode(), int(reply[2]) / 1000)
    open_run, worker, writer = (reply[i].decode() for i in (3, 4, 6))
    return Claimed(int(reply[1]), int(reply[2]), open_run, worker, int(reply[5]) / 1000, writer)


def release_call(stream: str, writer: str, epoch: int, *, clean: bool) -> Call:
    """Give `stream` back. `clean`: every record arrived."""
    return Call(("EVALSHA", RELEASE.sha, 1, state_key(stream), writer, epoch, int(clean)))


def unread_call(stream: str, groups: Sequence[str]) -> Call:
    """Ask how many records the slowest of `groups` has yet to read or acknowledge. Answered by a number."""
    return Call(("EVALSHA", UNREAD.sha, 1, events_key(stream), *groups))


def announce_call(stream: str) -> Call:
    """Put `stream` into the set by which consumers find it."""
    return Call(("SADD", STREAMS_KEY, stream))


def status_call(record: Numbered) -> Call:
    """Copy a status record to `emotion:status`."""
    seq, kind, data = record
    words = ("type", kind, "seq", seq, "data", data)
    return Call(("XADD", STATUS_KEY, "MAXLEN", "~", _STATUS_MAXLEN, "*", *words))


class Failure(Exception):
    """What redis-py raised, classified: `error` is for people, `kind` for a metric."""

    def __init__(self, error: RedisError, kind: str) -> None:
        super().__init__(str(error))
        self.error = error
        self.kind = kind


class Connection:
    """Runs calls in order: one round trip for all, or one each in a cluster. Connects when first needed."""

    def __init__(self, connect: Callable[[], Client], where: str) -> None:
        """
        Args:
            connect: makes the client; may raise RedisUnavailable.
            where: the address without password, for messages.
        """
        self._connect = connect
        self._where = where
        self._client: Client | None = None

    def run(self, calls: Sequence[Call]) -> list[Any]:
        """The answer to each call: a raw reply, or a Failure where that call alone failed.

        Raises:
            Failure: nobody knows which calls were run (no connection, a lost reply). Sending all again is safe.
        """
        try:
            client = self._client = self._client or self._connect()
            replies = self._send(client, calls)
            if any(isinstance(reply, exceptions.NoScriptError) for reply in replies):
                for script in _SCRIPTS:
                    client.script_load(script.text)
                replies = self._send(client, calls)
        except CLIENT_ERRORS as error:
            self.close()
            raise self._failure(error) from error
        except RedisError as error:
            raise Failure(error, "connection") from error
        return [self._failure(reply) if isinstance(reply, CLIENT_ERRORS) else reply for reply in replies]

    def close(self) -> None:
        """Forget the connection; the next call makes a new one (and asks a cluster for its map again)."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _send(self, client: Client, calls: Sequence[Call]) -> list[Any]:
        if isinstance(client, RedisCluster):
            return self._send_each(client, calls)
        pipeline = client.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command(*call.words)  # type: ignore[no-untyped-call]
        return list(pipeline.execute(raise_on_error=False))

    def _send_each(self, client: RedisCluster, calls: Sequence[Call]) -> list[Any]:
        """One after another (redis-py refuses scripts in a cluster's pipeline). A node that is away is asked once.

        redis-py itself asks for the cluster's map again after a node did not answer or had moved a slot.
        """
        replies: list[Any] = []
        away: dict[str, ClientError] = {}
        for call in calls:
            name = ""
            try:
                node = client.get_node_from_key(call.key)  # type: ignore[no-untyped-call]
                name = node.name if node is not None else ""
                replies.append(away[name] if name in away else _run(client, call))
            except exceptions.ResponseError as error:
                replies.append(error)
            except CLIENT_ERRORS as error:
                away[name] = error
                replies.append(error)
        return replies

    def _failure(self, error: ClientError) -> Failure:
        return Failure(classify(error, self._where), kind_of(error))


def _run(client: RedisCluster, call: Call) -> Any:
    """Run `call` on its node; a script that the node has forgotten goes there whole, without asking the others."""
    try:
        return client.execute_command(*call.words)  # type: ignore[no-untyped-call]
    except exceptions.NoScriptError:
        text = next(script.text for script in _SCRIPTS if script.sha == call.words[1])
        return client.execute_command("EVAL", text, *call.words[2:])  # type: ignore[no-untyped-call]
