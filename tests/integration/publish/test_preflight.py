"""What is refused before the first camera is opened, on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from worker.embedded_redis import EmbeddedRedis
from worker.errors import RedisError, RedisUnavailable
from worker.publish.preflight import check
from worker.publish.scripts import STREAMS_KEY, events_key, state_key
from worker.redact import redact
from worker.redis_client import RedisTarget, connect


def run_check(url: str, password: str | None = None, username: str | None = None) -> None:
    target = RedisTarget(url, username, password)
    with connect(target) as client:
        check(client, target.where, ["a", "b"])


@pytest.fixture
def client(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with redis.Redis(port=redis_server.port, protocol=2) as client:
        yield client


def test_a_fresh_and_a_used_server_pass(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    run_check(redis_server.url)  # raises where it refuses
    assert client.keys() == [], "a check leaves nothing behind"
    client.xadd(events_key("a"), {"seq": 1})
    client.hset(state_key("a"), "seq", 1)
    run_check(redis_server.unix_url)
    assert {key.decode() for key in client.scan_iter()} == {events_key("a"), state_key("a")}


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random"])
def test_a_server_that_may_evict_the_state_is_refused(
    redis_server: EmbeddedRedis, client: redis.Redis, policy: str
) -> None:
    client.config_set("maxmemory-policy", policy)
    with pytest.raises(RedisError, match=f"{policy}.*noeviction"):
        run_check(redis_server.url)


@pytest.mark.parametrize("key", [events_key("b"), state_key("b"), STREAMS_KEY])
def test_a_key_of_another_type_is_named(redis_server: EmbeddedRedis, client: redis.Redis, key: str) -> None:
    client.set(key, "mine")
    with pytest.raises(RedisError, match="holds a string under") as caught:
        run_check(redis_server.url)
    assert key in str(caught.value)


def test_a_wrong_password_and_missing_rights_are_told_apart(redis_binary: Path) -> None:
    with EmbeddedRedis(redis_binary, password="right") as server:
        for password in (None, "wrong"):
            with pytest.raises(RedisError, match="refuses the password") as caught:
                run_check(server.url, password)
            assert not isinstance(caught.value, RedisUnavailable)
            assert redact(str(caught.value)) == str(caught.value), "the advice must not be masked as a password"
        run_check(server.url, "right")
        with redis.Redis(port=server.port, password="right", protocol=2) as client:
            client.execute_command("ACL", "SETUSER", "guest", "on", ">pw", "+ping", "+info", "~*")
            client.execute_command("ACL", "SETUSER", "quiet", "on", ">pw", "+@all", "-info", "~*")
        with pytest.raises(RedisError, match="NOPERM"):
            run_check(server.url, "pw", "guest")
        run_check(server.url, "pw", "quiet")


def test_a_server_that_is_away_is_no_reason_to_give_up(redis_server: EmbeddedRedis) -> None:
    redis_server.stop()
    with pytest.raises(RedisUnavailable, match="cannot be reached"):
        run_check(redis_server.url)


def test_cluster_mode_on_a_single_server_is_told(redis_server: EmbeddedRedis) -> None:
    with pytest.raises(RedisError, match=r"redis\.mode"):
        connect(RedisTarget(redis_server.url, mode="cluster"))
