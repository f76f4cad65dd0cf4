"""A redis-py client from plain values, and what its errors mean.

redis-py retries ten times by itself (4 s) and hides the outage from us: every client made here retries never, the
publisher alone does.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from worker.errors import RedisError, RedisUnavailable, SettingsError
from worker.redact import redact

Mode = Literal["standalone", "sentinel", "cluster"]
Client = redis.Redis | RedisCluster
ClientError = exceptions.RedisError | exceptions.RedisClusterException | OSError
CLIENT_ERRORS = (exceptions.RedisError, exceptions.RedisClusterException, OSError)
"""All that a client raises when a call fails. redis-py's cluster errors stand outside its own tree."""

_SCHEMES = {"redis": False, "rediss": True}

_AWAY = (exceptions.ConnectionError, exceptions.ClusterError, exceptions.RedisClusterException, OSError)
_RETRY_WORDS = {
    "LOADING": "is loading its data set",
    "READONLY": "is a read-only replica (a failover is under way?)",
    "OOM": "is out of memory: raise its maxmemory or lower the trimming",
    "NOSCRIPT": "has forgotten the publishing script; it is loaded again",
    "MISCONF": "refuses writes because it cannot save to its disk: see its log",
    "CLUSTERDOWN": "says that the cluster is down",
    "NOREPLICAS": "has too few replicas to accept writes",
    "MASTERDOWN": "has lost its master",
    "TRYAGAIN": "is moving the slot: try again",
    "BUSY": "is busy with another script",
    "UNBLOCKED": "changed its role",
    "ASK": "is moving the slot",
    "MOVED": "has moved the slot",
}
_CLASS_WORDS: dict[type[exceptions.RedisError], str] = {
    exceptions.BusyLoadingError: "LOADING",
    exceptions.ReadOnlyError: "READONLY",
    exceptions.OutOfMemoryError: "OOM",
    exceptions.NoScriptError: "NOSCRIPT",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.TryAgainError: "TRYAGAIN",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.AskError: "ASK",
    exceptions.MovedError: "MOVED",
}


@dataclass(frozen=True, slots=True)
class RedisTarget:
    """Where Redis is and how to get in.

    Attributes:
        url: `redis://host:port/db`, `rediss://...` (TLS) or `unix:///path`; for `sentinel` and `cluster` several
            `host:port` separated by commas may stand there: the sentinels, or nodes to begin with.
        username, password: taken before those in `url`; never shown.
        service: the master's name (`sentinel` only).
        tls_ca: file with the authority's certificate; None for the system's.
        connect_timeout, timeout: seconds for connecting and for each answer.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    mode: Mode = "standalone"
    service: str = "mymaster"
    tls_ca: str | None = None
    connect_timeout: float = 2.0
    timeout: float = 5.0

    def __repr__(self) -> str:
        return f"RedisTarget({self.where}, mode={self.mode})"

    @property
    def where(self) -> str:
        """The address as it may be shown: without user and password."""
        scheme, _, rest = redact(self.url).partition("://")
        return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def connect(target: RedisTarget) -> Client:
    """A client for `target`. Nothing is sent yet, but by `cluster`, which asks for its map at once.

    Raises:
        SettingsError: the URL is none.
        RedisUnavailable: no node of the cluster answers.
        RedisError: the cluster refuses the password.
    """
    options = _options(target)
    if target.url.startswith("unix://"):
        path = urlsplit(target.url).path
        return redis.Redis(unix_socket_path=path, **options)
    nodes, database, tls = _address(target)
    if tls:
        options |= {"ssl": True, "ssl_ca_certs": target.tls_ca, "ssl_min_version": ssl.TLSVersion.TLSv1_2}
    if target.mode == "standalone":
        host, port = nodes[0]
        return redis.Redis(host=host, port=port, db=database, **options)
    if target.mode == "sentinel":
        sentinel = Sentinel(nodes, sentinel_kwargs=options, **options)  # type: ignore[no-untyped-call]
        master: redis.Redis = sentinel.master_for(target.service, db=database)  # type: ignore[no-untyped-call]
        return master
    try:
        startup = [ClusterNode(host, port) for host, port in nodes]  # type: ignore[no-untyped-call]
        # While it asks for the map it may try other nodes: the first that the map names may be away.
        client = RedisCluster(startup_nodes=startup, **options | {"retry": Retry(NoBackoff(), 3)})
    except CLIENT_ERRORS as error:
        raise classify(error, target.where) from None
    client.set_retry(Retry(NoBackoff(), 0))
    return client


def classify(error: ClientError, where: str) -> RedisError:
    """Our error for redis-py's: `RedisUnavailable` where a retry may mend it, else `RedisError`.

    The message says what happened and what to do; `where` is an address without password.
    """
    error = _cause_of(error)
    word = _word_of(error)
    if word in _RETRY_WORDS:
        return RedisUnavailable(f"Redis at {where} {_RETRY_WORDS[word]} ({word})")
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return RedisError(f"Redis at {where} refuses the password, so check redis.username and redis.password_file")
    if isinstance(error, exceptions.NoPermissionError):
        return RedisError(f"Redis at {where} does not allow this user what the worker needs (NOPERM): {_reason(error)}")
    if word == "WRONGTYPE":
        return RedisError(
            f"Redis at {where} holds something else under a key of the worker (WRONGTYPE): "
            "delete that key or choose another database"
        )
    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        return RedisUnavailable(f"Redis at {where} does not answer in time")
    if "Cluster mode is not enabled" in str(error):
        return RedisError(f"Redis at {where} is no cluster: leave out --cluster, or set redis.mode to standalone")
    if isinstance(error, _AWAY):
        return RedisUnavailable(
            f"Redis at {where} cannot be reached ({_reason(error).rstrip('.')}); does it run, and is its address right?"
        )
    return RedisError(f"Redis at {where} answers with an error: {_reason(error)}")


def kind_of(error: ClientError) -> str:
    """A closed, low-cardinality word for metrics: the server's error word, `timeout`, `connection` or `other`."""
    error = _cause_of(error)
    word = _word_of(error)
    if word in _RETRY_WORDS or word == "WRONGTYPE":
        return word.lower()
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError | exceptions.NoPermissionError):
        return "auth"
    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        return "timeout"
    if isinstance(error, _AWAY):
        return "connection"
    return "other"


def _options(target: RedisTarget) -> dict[str, Any]:
    parts = urlsplit(target.url)
    username = target.username or (unquote(parts.username) if parts.username else None)
    password = target.password or (unquote(parts.password) if parts.password else None)
    return {
        "username": username,
        "password": password,
        "socket_connect_timeout": target.connect_timeout,
        "socket_timeout": target.timeout,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }


def _address(target: RedisTarget) -> tuple[list[tuple[str, int]], int, bool]:
    """((host, port), ...), database, whether TLS."""
    parts = urlsplit(target.url)
    if parts.scheme not in _SCHEMES:
        raise SettingsError("an address of Redis (redis.url) begins with redis://, rediss:// or unix://")
    nodes: list[tuple[str, int]] = []
    for node in parts.netloc.rpartition("@")[2].split(","):
        host, colon, port = node.rpartition(":")
        if not colon or node.endswith("]"):
            host, port = node, "26379" if target.mode == "sentinel" else "6379"
        if not host or not port.isdecimal():
            raise SettingsError(f"redis.url: {target.where!r} has no host, or a port that is no number")
        nodes.append((host.strip("[]"), int(port)))
    database = parts.path.strip("/") or "0"
    if not database.isdecimal():
        raise SettingsError(f"redis.url: the database in {target.where!r} must be a number")
    return nodes, int(database), _SCHEMES[parts.scheme]


def _cause_of(error: ClientError) -> ClientError:
    """What stopped a cluster's client from asking for its map, where redis-py tells it."""
    if isinstance(error, exceptions.RedisClusterException) and isinstance(error.__cause__, CLIENT_ERRORS):
        return error.__cause__
    return error


def _word_of(error: BaseException) -> str:
    """Redis' error word. redis-py cuts it off where it has a class for it, and keeps it elsewhere."""
    for kind, word in _CLASS_WORDS.items():
        if isinstance(error, kind):
            return word
    first = str(error).partition(" ")[0]
    if isinstance(error, exceptions.ResponseError) and first.isupper() and first != "ERR":
        return first
    # An error inside a script on some servers: "ERR Error running script ...: -OOM command not allowed ..."
    return next((word for word in (*_RETRY_WORDS, "WRONGTYPE") if f"-{word} " in str(error)), "")


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return redact(lines[0]) if lines else type(error).__name__
