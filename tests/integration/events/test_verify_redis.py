from __future__ import annotations

import json

import pytest
import redis

from tests.integration.events.conftest import Store
from tests.unit.events.records import Book
from tests.unit.events.test_ledger import a_day
from worker.commands.verify import verify
from worker.embedded_redis import EmbeddedRedis, free_port
from worker.errors import LedgerError, RedisError, RedisUnavailable
from worker.events.schema import STREAMS_KEY, events_key


def test_all_streams_of_a_server(
    client: redis.Redis, store: Store, redis_server: EmbeddedRedis, capsys: pytest.CaptureFixture[str]
) -> None:
    door = Book("door")
    for _ in range(2500):  # more than two pages
        door.event({"max_fps": 1})
    store(door.records)
    store(a_day().records)
    client.sadd(STREAMS_KEY, "not-begun")
    verify(redis_server.url)
    assert "1..2500" in capsys.readouterr().out
    client.xtrim(events_key("door"), maxlen=700, approximate=False)
    verify(redis_server.unix_url, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["streams"]["door"]["first_seq"], told["streams"]["door"]["events"]) == (1801, 700)
    assert told["streams"]["lobby"]["decoded"] == 28


def test_one_removed_one_repeated_one_renumbered(
    client: redis.Redis, store: Store, redis_server: EmbeddedRedis, capsys: pytest.CaptureFixture[str]
) -> None:
    records = a_day().records
    entries = store(records)
    verify(redis_server.url)
    client.xdel(events_key("lobby"), entries[4])
    with pytest.raises(LedgerError, match="1 hole"):
        verify(redis_server.url)
    assert f"hole lobby {entries[5]}: record 5 is missing" in capsys.readouterr().out
    client.delete(events_key("lobby"))
    store([*records, records[-1]])
    with pytest.raises(LedgerError, match="1 repeat"):
        verify(redis_server.url)
    client.delete(events_key("lobby"))
    store([*records[:-1], records[-1] | {"seq": 99, "id": "lobby/1/99"}])
    with pytest.raises(LedgerError, match="1 hole"):
        verify(redis_server.url, stream=["lobby"])


def test_entries_that_contradict_themselves(client: redis.Redis, store: Store, redis_server: EmbeddedRedis) -> None:
    records = a_day().records
    store(records[:1])
    key = events_key("lobby")
    client.xadd(key, {"type": records[1]["type"], "seq": "77", "data": json.dumps(records[1])})
    client.xadd(key, {"hello": "world"})
    with pytest.raises(LedgerError, match="2 invalid"):
        verify(redis_server.url)


def test_servers_that_refuse_or_are_away(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    with pytest.raises(LedgerError, match="nothing to check"):
        verify(redis_server.url)
    with pytest.raises(RedisUnavailable):
        verify(f"redis://:secret@127.0.0.1:{free_port()}")
    client.config_set("requirepass", "right")
    with pytest.raises(RedisError) as told:
        verify(redis_server.url.replace("redis://", "redis://:wrong@"))
    assert "wrong" not in str(told.value)
