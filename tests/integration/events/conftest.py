"""Real servers for the consumer's tests, and records to put there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

import pytest
import redis

from tests.redis_server import redis_binary, redis_server
from tests.unit.events.records import Parsed
from worker.embedded_redis import EmbeddedRedis
from worker.events.schema import STREAMS_KEY, events_key

__all__ = ["redis_binary", "redis_server"]

Store = Callable[[Iterable[Parsed]], list[str]]


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(redis_server: EmbeddedRedis, request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server.url, protocol=request.param) as made:
        yield made


@pytest.fixture
def store(client: redis.Redis) -> Store:
    """Puts records where a worker puts them; gives the entries' ids."""

    def put(records: Iterable[Parsed]) -> list[str]:
        with client.pipeline(transaction=False) as pipe:
            for record in records:
                pipe.sadd(STREAMS_KEY, record["stream"])
                fields = {"type": record["type"], "seq": record["seq"], "data": json.dumps(record)}
                pipe.xadd(events_key(record["stream"]), fields)
            return [entry.decode() for entry in pipe.execute()[1::2]]

    return put
