"""A cluster refuses one XREAD of keys on several slots: the consumer asks key by key."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator

import pytest
from redis.cluster import ClusterNode, RedisCluster

from tests.integration.publish.test_cluster import cluster
from tests.unit.events.records import Book, Parsed
from worker.commands.verify import verify
from worker.embedded_redis import EmbeddedRedis
from worker.errors import LedgerError
from worker.events.consumer import Missing, Reader, Received
from worker.events.group import GroupReader
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
