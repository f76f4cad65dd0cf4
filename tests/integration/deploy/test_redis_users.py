"""The Redis users of deploy/README.md: rights enough for the worker and for consumers, and no more."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
import redis
from redis import exceptions

from tests.integration.deploy.tools import DEPLOY
from tests.integration.publish.rig import Rig, put_frames
from tests.redis_server import redis_binary, redis_server
from worker.embedded_redis import EmbeddedRedis
from worker.events.consumer import Reader
from worker.events.group import GroupReader
from worker.publish.groups import group_states
from worker.publish.preflight import check
from worker.redis_client import RedisTarget, connect

__all__ = ["redis_binary", "redis_server"]
PASSWORDS = {"WORKER_PASSWORD": "w" * 20, "CONSUMER_PASSWORD": "c" * 20}


@pytest.fixture
def users(redis_server: EmbeddedRedis) -> Callable[[str], str]:
    """The address of the server for a user of the runbook."""
    text = (DEPLOY / "README.md").read_text()
    (block,) = re.findall(r"```\n(user worker .*?)```", text, re.S)
    admin = redis.Redis.from_url(redis_server.url)
    for line in block.strip().splitlines():
        words = line.split()[1:]
        for name, value in PASSWORDS.items():
            words = [word.replace(name, value) for word in words]
        admin.execute_command("ACL", "SETUSER", *words)

    def address(user: str) -> str:
        return redis_server.url.replace("://", f"://{user}:{PASSWORDS[user.upper() + '_PASSWORD']}@")

    return address


def test_the_worker_publishes_and_watches_groups(users: Callable[[str], str], redis_server: EmbeddedRedis) -> None:
    target = RedisTarget(users("worker"))
    check(connect(target), target.where, ["lobby"])
    with Rig(users("worker")) as rig:
        put_frames(rig.queue("lobby"), range(5))
        rig.wait_published(5)
    redis.Redis.from_url(redis_server.url).xgroup_create("emotion:{lobby}:events", "archive", id="0")
    assert group_states(connect(target), "lobby", target.where)["archive"].lag_s > 0


def test_consumers_read_alone_and_in_groups(users: Callable[[str], str]) -> None:
    with Rig(users("worker")) as rig:
        put_frames(rig.queue("lobby"), range(5))
        rig.wait_published(5)
    client = redis.Redis.from_url(users("consumer"))
    alone = Reader(client).read(wait_s=1)
    assert len(alone) >= 5
    first = GroupReader(client, "archive", "one", claim_after_s=0.2)
    taken = first.read(wait_s=1, limit=3)
    assert taken
    time.sleep(0.5)
    second = GroupReader(client, "archive", "two", claim_after_s=0.2)
    got = [item for _ in range(5) for item in second.read(wait_s=0.3)]
    second.ack(got)
    assert {item.entry for item in got} == {item.entry for item in alone}, "what the first took and left is claimed too"


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("worker", "SET other:key 1"),
        ("worker", "DEL emotion:{lobby}:events"),
        ("worker", "FLUSHALL"),
        ("worker", "CONFIG GET *"),
        ("worker", "XREAD COUNT 1 STREAMS emotion:{lobby}:events 0"),
        ("consumer", "XADD emotion:{lobby}:events * a b"),
        ("consumer", "XRANGE other - +"),
        ("consumer", "HGETALL emotion:{lobby}:state"),
        ("consumer", "KEYS *"),
    ],
)
def test_the_rest_is_refused(users: Callable[[str], str], user: str, command: str) -> None:
    with pytest.raises(exceptions.NoPermissionError):
        redis.Redis.from_url(users(user)).execute_command(*command.split())
