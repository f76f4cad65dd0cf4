"""Addresses, and what redis-py's errors mean to us."""

from __future__ import annotations

import pytest
import redis
from redis import exceptions

from worker.errors import RedisError, RedisUnavailable, SettingsError
from worker.redis_client import RedisTarget, classify, connect, kind_of

WHERE = "redis://edge:6379"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (exceptions.ConnectionError("Error 111 connecting to edge:6379. Connection refused."), "connection", "refused"),
        (ConnectionResetError("reset by peer"), "connection", "reset"),
        (exceptions.TimeoutError("Timeout reading from socket"), "timeout", "in time"),
        (TimeoutError(), "timeout", "in time"),
        (exceptions.BusyLoadingError("Redis is loading the dataset in memory"), "loading", "loading"),
        (exceptions.ReadOnlyError("You can't write against a read only replica."), "readonly", "replica"),
        (exceptions.OutOfMemoryError("command not allowed"), "oom", "maxmemory"),
        (exceptions.ResponseError("OOM command not allowed when used memory > 'maxmemory'"), "oom", "maxmemory"),
        (exceptions.ResponseError("ERR Error running script: -OOM command not allowed"), "oom", "maxmemory"),
        (exceptions.NoScriptError("No matching script."), "noscript", "script"),
        (exceptions.ResponseError("MISCONF Redis is configured to save RDB snapshots"), "misconf", "disk"),
        (exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."), "noreplicas", "replicas"),
        (exceptions.MasterDownError("Link with MASTER is down"), "masterdown", "master"),
        (exceptions.ClusterDownError("The cluster is down"), "clusterdown", "cluster"),
        (exceptions.TryAgainError("Multiple keys request during rehashing of slot"), "tryagain", "slot"),
        (exceptions.ResponseError("ERR max number of clients reached"), "other", "clients"),
    ],
)
def test_what_a_retry_may_mend(error: exceptions.RedisError | OSError, kind: str, words: str) -> None:
    ours = classify(error, WHERE)
    assert kind_of(error) == kind
    assert words in str(ours)
    assert WHERE in str(ours)
    assert "\n" not in str(ours)
    assert isinstance(ours, RedisUnavailable) is (kind != "other")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (exceptions.AuthenticationError("invalid username-password pair or user is disabled."), "auth", "password"),
        (exceptions.AuthenticationError("Authentication required."), "auth", "password"),
        (exceptions.NoPermissionError("User x has no permissions to run 'evalsha'"), "auth", "NOPERM"),
        (exceptions.ResponseError("WRONGTYPE Operation against a key"), "wrongtype", "delete that key"),
        (exceptions.ResponseError("ERR unknown command 'EVALSHA'"), "other", "unknown command"),
    ],
)
def test_what_no_retry_mends(error: exceptions.RedisError, kind: str, words: str) -> None:
    ours = classify(error, WHERE)
    assert type(ours) is RedisError
    assert kind_of(error) == kind
    assert words in str(ours)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://edge:6379/2", "redis://edge:6379/2"),
        ("redis://:s3cret@edge", "redis://edge"),
        ("rediss://user:s3cret@edge:1", "rediss://edge:1"),
        ("redis://user:s3/cret@edge:1/0", "redis://edge:1/0"),
        ("redis://edge?password=s3cret", "redis://edge"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_an_address_is_shown_without_its_secret(url: str, where: str) -> None:
    target = RedisTarget(url, password="s3cret")
    assert target.where == where
    assert "cret" not in repr(target)


def options_of(client: object) -> dict[str, object]:
    assert isinstance(client, redis.Redis)
    options: dict[str, object] = client.connection_pool.connection_kwargs
    return options


def test_a_plain_url_gives_a_client_that_never_retries_by_itself() -> None:
    options = options_of(connect(RedisTarget("redis://us%40er:p%2Fw@edge:7000/3", timeout=1.5, connect_timeout=0.5)))
    assert (options["host"], options["port"], options["db"]) == ("edge", 7000, 3)
    assert (options["username"], options["password"]) == ("us@er", "p/w")
    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (1.5, 0.5)
    assert options["retry"]._retries == 0  # type: ignore[attr-defined]


def test_settings_win_over_the_url_and_defaults_are_redis_own() -> None:
    options = options_of(connect(RedisTarget("redis://a:b@edge", username="c", password="d")))
    assert (options["username"], options["password"], options["port"], options["db"]) == ("c", "d", 6379, 0)


def test_tls_checks_the_certificate() -> None:
    client = connect(RedisTarget("rediss://edge", tls_ca="ca.pem"))
    assert isinstance(client, redis.Redis)
    assert client.connection_pool.connection_class is redis.SSLConnection
    options = options_of(client)
    assert options["ssl_ca_certs"] == "ca.pem"
    assert options.get("ssl_cert_reqs", "required") == "required"


def test_a_socket_in_the_file_system() -> None:
    assert options_of(connect(RedisTarget("unix:///run/redis.sock")))["path"] == "/run/redis.sock"


def test_sentinels_are_asked_for_the_master() -> None:
    client = connect(RedisTarget("redis://s1,s2:26380/1", mode="sentinel", service="faces", password="x"))
    assert isinstance(client, redis.Redis)
    manager = client.connection_pool.sentinel_manager  # type: ignore[attr-defined]
    ports = [sentinel.connection_pool.connection_kwargs["port"] for sentinel in manager.sentinels]
    assert ports == [26379, 26380]
    assert client.connection_pool.service_name == "faces"  # type: ignore[attr-defined]
    assert client.connection_pool.connection_kwargs["db"] == 1


@pytest.mark.parametrize(
    "url", ["http://edge", "edge:6379", "redis://edge:port", "redis://", "redis://:se/cret@edge:1", "redis://edge/db"]
)
def test_a_wrong_url_is_told_in_one_line(url: str) -> None:
    with pytest.raises(SettingsError, match=r"redis\.url") as caught:
        connect(RedisTarget(url))
    assert "cret" not in str(caught.value)


def test_a_cluster_that_does_not_answer_is_away() -> None:
    with pytest.raises(RedisUnavailable, match="cannot be reached"):
        connect(RedisTarget("redis://127.0.0.1:1", mode="cluster", connect_timeout=0.2))
