"""Sentinel promotes a replica: the publisher finds the new master by itself, nothing is doubled, loss is told."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from tests.integration.publish.rig import Rig, assert_in_order, gaps, indices, put_frames, stored, wait_for
from worker.embedded_redis import EmbeddedRedis, free_port
from worker.publish.scripts import events_key


@pytest.fixture
def pair(redis_binary: Path) -> Iterator[tuple[EmbeddedRedis, EmbeddedRedis]]:
    with EmbeddedRedis(redis_binary) as master, EmbeddedRedis(redis_binary) as replica:
        with redis.Redis(port=replica.port, protocol=2) as client:
            client.replicaof("127.0.0.1", str(master.port))
            wait_for(lambda: client.info("replication")["master_link_status"] == "up", "the replica")
        yield master, replica


@pytest.fixture
def sentinel(redis_binary: Path, pair: tuple[EmbeddedRedis, EmbeddedRedis], tmp_path: Path) -> Iterator[redis.Redis]:
    port = free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"bind 127.0.0.1\nport {port}\ndir {tmp_path}\nlogfile {tmp_path}/sentinel.log\n"
        f"sentinel monitor faces 127.0.0.1 {pair[0].port} 1\n"
        "sentinel down-after-milliseconds faces 500\nsentinel failover-timeout faces 3000\n"
    )
    with ExitStack() as stack:
        process = subprocess.Popen([str(redis_binary), str(config), "--sentinel"], stdout=subprocess.DEVNULL)
        stack.callback(process.wait, 10)
        stack.callback(process.terminate)
        client = stack.enter_context(redis.Redis(port=port, protocol=2))

        def knows_the_replica() -> bool:
            try:
                return len(client.sentinel_slaves("faces")) == 1
            except redis.RedisError:
                return False

        wait_for(knows_the_replica, "the sentinel to know the replica", 20)
        yield client


@pytest.mark.slow
def test_a_failover_costs_nothing_that_was_replicated(
    pair: tuple[EmbeddedRedis, EmbeddedRedis], sentinel: redis.Redis
) -> None:
    master, replica = pair
    port = sentinel.connection_pool.connection_kwargs["port"]
    with (
        redis.Redis(port=replica.port, protocol=2) as client,
        Rig(f"redis://127.0.0.1:{port}", mode="sentinel", service="faces", timeout=0.5) as rig,
    ):
        queue = rig.queue("a", "wait", 500)
        put_frames(queue, range(100))
        rig.wait_published(100)
        wait_for(lambda: client.xlen(events_key("a")) == 100, "replication")
        master.stop(kill=True)
        put_frames(queue, range(100, 200))
        rig.wait_published(200, timeout=40)
        assert client.info("replication")["role"] == "master"
        assert rig.reports.errors
    with redis.Redis(port=replica.port, protocol=2) as client:
        records = stored(client, "a")
    assert_in_order(records)
    assert indices(records) == list(range(200))
    assert gaps(records, "redis_lost") == []
