"""A cluster of three servers: streams live on different nodes, and one node may go away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from redis.cluster import RedisCluster

from tests.integration.publish.rig import Rig, assert_in_order, gaps, indices, put_frames, stored, wait_for
from worker.embedded_redis import EmbeddedRedis, free_port
from worker.publish.preflight import check
from worker.publish.scripts import STATUS_KEY, STREAMS_KEY, events_key
from worker.redis_client import RedisTarget, connect

SLOTS = 16384
STREAMS = [f"camera-{i}" for i in range(6)]


@pytest.fixture
def cluster(redis_binary: Path) -> Iterator[list[EmbeddedRedis]]:
    """Three masters that share the slots."""
    config = {
        "cluster-enabled": "yes",
        "cluster-node-timeout": "1000",
        "cluster-require-full-coverage": "no",
        "appendonly": "yes",
        "appendfsync": "always",
    }
    with ExitStack() as stack:
        configs = [config | {"cluster-port": str(free_port())} for _ in range(3)]
        servers = [stack.enter_context(EmbeddedRedis(redis_binary, config=each)) for each in configs]
        clients = [stack.enter_context(redis.Redis(port=server.port, protocol=2)) for server in servers]
        bounds = [0, 5461, 10923, SLOTS]
        for i, client in enumerate(clients):
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", bounds[i], bounds[i + 1] - 1)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", servers[0].port, configs[0]["cluster-port"])

        def joined(client: redis.Redis) -> bool:
            info = client.cluster("INFO")
            return (info["cluster_state"], info["cluster_slots_ok"]) == ("ok", str(SLOTS))

        wait_for(lambda: all(map(joined, clients)), "a cluster")
        yield servers


def test_streams_on_three_nodes_arrive_in_order_and_outlive_a_node(cluster: list[EmbeddedRedis]) -> None:
    urls = ",".join(f"127.0.0.1:{server.port}" for server in cluster)
    target = RedisTarget(f"redis://{urls}", mode="cluster")
    with connect(target) as client:
        assert isinstance(client, RedisCluster)
        check(client, target.where, STREAMS)
        nodes = {client.keyslot(events_key(stream)) * 3 // SLOTS for stream in STREAMS}
        assert len(nodes) == 3, "the streams must not all live on one node"
        with Rig(target.url, mode="cluster", timeout=1.0) as rig:
            queues = [rig.queue(stream, "wait", 200) for stream in STREAMS]
            for queue in queues:
                put_frames(queue, range(100))
            rig.wait_published(600)
            cluster[0].stop(kill=True)
            for queue in queues:
                put_frames(queue, range(100, 200))
            there = [queue for queue in queues if client.keyslot(events_key(queue.stream)) >= SLOTS // 3 + 1]
            wait_for(lambda: not any(queue.records for queue in there), "the streams of the other nodes")
            assert rig.reports.errors
            with Rig(target.url, mode="cluster", timeout=1.0, worker="edge-2") as late:
                put_frames(late.queue("late-2"), range(5))
                late.wait_published(5)
                cluster[0].start()
                rig.wait_published(1200, timeout=30)
                announced = {*STREAMS, "late-2"}
                wait_for(lambda: {name.decode() for name in client.smembers(STREAMS_KEY)} == announced, "late-2")
        for stream in STREAMS:
            records = stored(client, stream)
            assert_in_order(records)
            assert indices(records) == list(range(200))
            assert gaps(records, "redis_lost") == []
        assert not client.exists(STATUS_KEY)
