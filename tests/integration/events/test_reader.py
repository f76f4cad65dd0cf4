from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import redis

from tests.integration.events.conftest import Store
from tests.unit.events.records import Book
from worker.embedded_redis import EmbeddedRedis
from worker.events.consumer import Item, Missing, Position, Reader, Received, Unreadable
from worker.events.schema import STREAMS_KEY, FrameEvent, GapRecord, StatusRecord, events_key
from worker.frame import GapCause, State


def book(stream: str, events: int) -> Book:
    made = Book(stream)
    for _ in range(events):
        made.event()
    return made


def told(items: list[Item]) -> list[object]:
    """Each record by its number, anything else as it is."""
    return [item.record.seq if isinstance(item, Received) else item for item in items]


def test_all_kinds_of_records_of_all_streams_in_order(client: redis.Redis, store: Store) -> None:
    lobby, door = Book("lobby"), book("door", 3)
    lobby.status(State.LIVE)
    lobby.event({"max_fps": 2})
    lobby.gap(GapCause.STALL, 0)
    store(lobby.records)
    store(door.records)
    items = Reader(client).read()
    by_stream: dict[str, list[Received]] = {"lobby": [], "door": []}
    for item in items:
        assert isinstance(item, Received)
        by_stream[item.stream].append(item)
    assert [type(item.record) for item in by_stream["lobby"]] == [StatusRecord, FrameEvent, GapRecord]
    assert told(list(by_stream["door"])) == [1, 2, 3]


def test_it_goes_on_where_it_was(client: redis.Redis, store: Store) -> None:
    records = book("lobby", 9).records
    store(records[:4])
    reader = Reader(client)
    assert told(reader.read()) == [1, 2, 3, 4]
    assert reader.read() == []
    store(records[4:7])
    assert told(reader.read(limit=2)) == [5, 6]
    store(records[7:])
    assert told(Reader(client, positions=reader.positions).read()) == [7, 8, 9]


def test_what_was_trimmed_unread_is_told(client: redis.Redis, store: Store) -> None:
    records = book("lobby", 10).records
    store(records[:2])
    reader = Reader(client)
    reader.read()
    store(records[2:])
    client.xtrim(events_key("lobby"), maxlen=3, approximate=False)
    assert told(reader.read()) == [Missing("lobby", 3, 7), 8, 9, 10]
    assert told(Reader(client).read()) == [8, 9, 10]  # who comes late misses nothing that was theirs


def test_foreign_broken_and_newer_entries_do_not_stop_it(client: redis.Redis, store: Store) -> None:
    records = book("lobby", 4).records
    store(records[:1])
    key = events_key("lobby")
    client.xadd(key, {"temperature": "21"})
    client.xadd(key, {"type": "emotion.frame.v1", "seq": "2", "data": b"\xff{"})
    client.xadd(key, {"type": "emotion.frame.v2", "seq": "2", "data": "{}"})
    store([records[1] | {"faces": None}])
    store([records[1] | {"id": "lobby/1/7"}])
    store([records[1] | {"more": "fields"}, *records[2:]])
    items = Reader(client).read()
    assert [type(item) for item in items] == [Received, *[Unreadable] * 5, Received, Received, Received]
    reasons = [item.reason for item in items if isinstance(item, Unreadable)]
    assert "v2" in reasons[2]
    assert "faces" in reasons[3]
    assert "contradicts" in reasons[4]


def test_a_record_under_another_streams_key_is_foreign(client: redis.Redis, store: Store) -> None:
    (record,) = book("door", 1).records
    store(book("lobby", 1).records)
    client.xadd(events_key("lobby"), {"type": record["type"], "data": json.dumps(record)})
    assert [type(item) for item in Reader(client).read()] == [Received, Unreadable]


def test_repeats_are_left_out_and_counted(client: redis.Redis, store: Store) -> None:
    records = book("lobby", 3).records
    store([*records, *records[1:]])
    reader = Reader(client)
    assert told(reader.read()) == [1, 2, 3]
    assert reader.repeats == 2


def test_a_gap_by_number_tells_what_this_reader_lost(client: redis.Redis, store: Store) -> None:
    lobby = book("lobby", 6)
    before = list(lobby.records)
    lobby.redis_forgets(3)
    lobby.event()
    all_seen, some_seen, fewer_seen = Reader(client), Reader(client), Reader(client)
    for reader, count in ((all_seen, 6), (some_seen, 4), (fewer_seen, 2)):
        entries = store(before[:count])
        reader.read()
        client.xtrim(events_key("lobby"), maxlen=0, approximate=False)
        assert reader.positions["lobby"] == Position(entries[-1], 1, count)
    store(lobby.records[3:])
    assert told(all_seen.read()) == [7]  # the gap has the number of the last lost record, which was seen
    assert told(some_seen.read()) == [6, 7]
    assert told(fewer_seen.read()) == [Missing("lobby", 3, 3), 6, 7]


def test_a_redis_that_starts_empty_loses_nothing_new(client: redis.Redis, store: Store) -> None:
    lobby = book("lobby", 5)
    store(lobby.records)
    reader = Reader(client)
    reader.read()
    client.flushall()
    lobby.epoch, lobby.seq = 2, 0
    lobby.event()
    lobby.event()
    store(lobby.records[5:])
    assert told(reader.read()) == [1, 2]
    assert reader.repeats == 0


def test_start_at_the_newest_but_new_streams_from_their_beginning(client: redis.Redis, store: Store) -> None:
    records = book("lobby", 4).records
    store(records[:2])
    reader = Reader(client, start="newest")
    assert reader.read() == []
    store(records[2:])
    assert told(reader.read()) == [3, 4]
    store(book("door", 2).records)
    reader._discover_at = 0.0
    assert told(reader.read()) == [1, 2]


def test_start_at_the_newest_before_there_is_any_stream(client: redis.Redis, store: Store) -> None:
    reader = Reader(client, start="newest")
    assert reader.read() == []
    store(book("lobby", 3).records)
    reader._discover_at = 0.0
    assert told(reader.read()) == [1, 2, 3]


def test_only_the_named_streams(client: redis.Redis, store: Store) -> None:
    store(book("lobby", 2).records)
    store(book("door", 3).records)
    assert told(Reader(client, streams=["door", "gone"]).read()) == [1, 2, 3]
    begun = {"door": Position("0-0"), "lobby": Position("0-0")}
    assert told(Reader(client, streams=["door"], positions=begun).read()) == [1, 2, 3]


def test_a_loop_that_is_left_goes_on_where_it_was_and_so_do_its_positions(client: redis.Redis, store: Store) -> None:
    records = book("lobby", 10).records
    store(records[:2])
    reader = Reader(client)
    for item in reader:
        assert told([item]) == [1]
        break
    assert reader.positions["lobby"].seq == 1
    assert told([next(iter(reader))]) == [2]
    store(records[2:])
    client.xtrim(events_key("lobby"), maxlen=3, approximate=False)
    assert told([next(iter(reader))]) == [Missing("lobby", 3, 7)]
    assert reader.positions["lobby"].seq == 2, "who stops here is told of it again"
    assert told([next(iter(reader))]) == [8]
    assert told(reader.read(limit=1)) == [9, 10]
    assert told(Reader(client, positions=reader.positions).read()) == []


def test_it_waits_for_new_records_and_for_the_first_stream(client: redis.Redis, store: Store) -> None:
    reader = Reader(client)
    started = time.monotonic()
    assert reader.read(wait_s=0.3) == []
    assert 0.25 < time.monotonic() - started < 2
    client.sadd(STREAMS_KEY, "lobby")
    reader._discover_at = 0.0
    timer = threading.Timer(0.3, lambda: store(book("lobby", 1).records))
    timer.start()
    assert told(reader.read(wait_s=10)) == [1]
    assert time.monotonic() - started < 5
    timer.join()


def test_iteration_and_text_answers(client: redis.Redis, store: Store) -> None:
    store(book("lobby", 3).records)
    kwargs = client.connection_pool.connection_kwargs
    with redis.Redis(host=kwargs["host"], port=kwargs["port"], decode_responses=True) as texts:
        items = iter(Reader(texts))
        assert told([next(items), next(items), next(items)]) == [1, 2, 3]


def test_it_goes_on_after_the_server_was_away(redis_server: EmbeddedRedis, client: redis.Redis, store: Store) -> None:
    records = book("lobby", 6).records
    store(records[:3])
    reader = Reader(client)
    assert told(reader.read(limit=2)) == [1, 2]
    redis_server.stop(kill=True)
    with pytest.raises(redis.ConnectionError):
        reader.read()
    redis_server.start()
    assert told(reader.read()) == [3]
    store(records[3:])
    assert told(reader.read()) == [4, 5, 6]


def test_it_begins_with_what_reached_redis_at_a_time(client: redis.Redis) -> None:
    noon = datetime(2026, 11, 25, 12, tzinfo=UTC)
    records = book("lobby", 6).records
    client.sadd(STREAMS_KEY, "lobby")
    for second, record in enumerate(records):
        fields = {"type": record["type"], "seq": record["seq"], "data": json.dumps(record)}
        client.xadd(events_key("lobby"), fields, id=f"{int((noon.timestamp() + second) * 1000)}-0")
    assert told(Reader(client, start=noon + timedelta(seconds=2)).read()) == [3, 4, 5, 6]
    assert told(Reader(client, start=noon + timedelta(seconds=2.5)).read()) == [4, 5, 6]
    assert told(Reader(client, start=datetime(1970, 1, 1, tzinfo=UTC)).read()) == [1, 2, 3, 4, 5, 6]
    assert told(Reader(client, start=noon + timedelta(days=1)).read()) == []
