"""Lag of consumer groups in seconds, against real servers."""

from __future__ import annotations

import time

import redis

from tests.redis_server import redis_binary, redis_server
from worker.embedded_redis import EmbeddedRedis
from worker.publish.groups import group_states
from worker.publish.scripts import events_key

__all__ = ["redis_binary", "redis_server"]
KEY = events_key("lobby")


def states(server: EmbeddedRedis) -> dict[str, tuple[float, float, bool]]:
    with redis.Redis.from_url(server.url) as client:
        found = group_states(client, "lobby", server.url)
    return {name: (state.lag_s, state.pending_s, state.lost) for name, state in found.items()}


def test_no_stream_and_no_group_are_nothing(redis_server: EmbeddedRedis) -> None:
    assert states(redis_server) == {}
    with redis.Redis.from_url(redis_server.url) as client:
        client.xadd(KEY, {"seq": 1})
    assert states(redis_server) == {}


def test_lag_and_pending_are_ages(redis_server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        for seq in range(3):
            client.xadd(KEY, {"seq": seq})
        client.xgroup_create(KEY, "fresh", id="0")
        client.xgroup_create(KEY, "idle", id="0")
        client.xreadgroup("fresh", "a", {KEY: ">"})
        time.sleep(0.3)
        found = states(redis_server)
        assert found["fresh"][0] == 0
        assert 0.3 <= found["fresh"][1] < 5
        assert 0.3 <= found["idle"][0] < 5
        assert found["idle"][1] == 0
        client.xack(KEY, "fresh", *[entry for entry, _ in client.xrange(KEY)])
    assert states(redis_server)["fresh"] == (0, 0, False)


def test_what_was_trimmed_before_a_group_had_it_is_lost(redis_server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        for seq in range(10):
            client.xadd(KEY, {"seq": seq})
        for name in ("behind", "unacknowledged", "done"):
            client.xgroup_create(KEY, name, id="0")
        client.xreadgroup("behind", "a", {KEY: ">"}, count=2, noack=True)
        client.xreadgroup("unacknowledged", "a", {KEY: ">"})
        client.xreadgroup("done", "a", {KEY: ">"}, noack=True)
        assert [lost for _, _, lost in states(redis_server).values()] == [False, False, False]
        client.xtrim(KEY, maxlen=5, approximate=False)
    assert {name: lost for name, (_, _, lost) in states(redis_server).items()} == {
        "behind": True,
        "unacknowledged": True,
        "done": False,
    }
