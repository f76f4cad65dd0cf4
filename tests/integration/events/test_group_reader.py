from __future__ import annotations

import time

import pytest
import redis

from tests.integration.events.conftest import Store
from tests.unit.events.records import Book
from worker.events.consumer import Received, Unreadable
from worker.events.group import GroupItem, GroupReader, Trimmed
from worker.events.schema import STREAMS_KEY, events_key


def book(stream: str, events: int) -> Book:
    made = Book(stream)
    for _ in range(events):
        made.event()
    return made


def seqs(items: list[GroupItem]) -> list[int]:
    return [item.record.seq for item in items if isinstance(item, Received)]


def test_readers_of_a_group_share_the_records(client: redis.Redis, store: Store) -> None:
    store(book("lobby", 10).records)
    a, b = GroupReader(client, "sink", "a"), GroupReader(client, "sink", "b")
    first, second = a.read(limit=4), b.read(limit=100)
    assert seqs(first) == [1, 2, 3, 4]
    assert seqs(second) == [5, 6, 7, 8, 9, 10]
    a.ack(first)
    b.ack(second)
    assert client.xpending(events_key("lobby"), "sink")["pending"] == 0
    assert a.read() == []
    assert seqs(GroupReader(client, "other", "a").read()) == list(range(1, 11))


def test_after_a_restart_it_first_gets_what_it_did_not_acknowledge(client: redis.Redis, store: Store) -> None:
    records = book("lobby", 6).records
    store(records[:5])
    a = GroupReader(client, "sink", "a")
    a.ack(a.read(limit=2))
    assert seqs(a.read(limit=2)) == [3, 4]  # not acknowledged
    again = GroupReader(client, "sink", "a")
    assert seqs(again.read(limit=1)) == [3]
    assert seqs(again.read(limit=1)) == [4]
    assert seqs(again.read()) == [5]
    store(records[5:])
    assert seqs(again.read()) == [6]


def test_a_loop_that_is_left_goes_on_where_it_was(client: redis.Redis, store: Store) -> None:
    store(book("lobby", 5).records)
    reader = GroupReader(client, "sink", "a")
    for item in reader:
        assert seqs([item]) == [1]
        break
    assert seqs([next(iter(reader))]) == [2]
    assert seqs(reader.read()) == [3, 4, 5]


def test_a_deleted_group_of_another_stream_takes_nothing_from_what_was_left(client: redis.Redis, store: Store) -> None:
    kept = book("lobby", 4).records
    store(kept[:3])
    store(book("door", 1).records)
    GroupReader(client, "sink", "a").read()
    again = GroupReader(client, "sink", "a")
    again._discover()
    client.xgroup_destroy(events_key("door"), "sink")
    store(kept[3:])
    assert [(item.stream, seqs([item])) for item in again.read()] == [("lobby", [n]) for n in (1, 2, 3)]
    assert sorted((item.stream, *seqs([item])) for item in again.read()) == [("door", 1), ("lobby", 4)]


def test_what_another_left_is_found_behind_what_others_work_on(client: redis.Redis, store: Store) -> None:
    store(book("lobby", 40).records)
    busy, gone = GroupReader(client, "sink", "busy"), GroupReader(client, "sink", "gone")
    busy.read(limit=30)
    gone.read()
    time.sleep(1.1)
    GroupReader(client, "sink", "busy").read(limit=30)  # given again: it has only just taken them
    assert seqs(GroupReader(client, "sink", "heir", claim_after_s=1.0).read(limit=1)) == [31]


def test_what_another_left_is_taken_over_and_what_was_trimmed_is_told(client: redis.Redis, store: Store) -> None:
    entries = store(book("lobby", 3).records)
    GroupReader(client, "sink", "gone").read()
    client.xdel(events_key("lobby"), entries[1])
    time.sleep(0.25)
    heir = GroupReader(client, "sink", "heir", claim_after_s=0.2)
    items = heir.read()
    assert seqs(items) == [1, 3]
    assert Trimmed("lobby", entries[1]) in items
    heir.ack(items)
    assert client.xpending(events_key("lobby"), "sink")["pending"] == 0


def test_own_records_that_were_trimmed_are_told(client: redis.Redis, store: Store) -> None:
    entries = store(book("lobby", 2).records)
    GroupReader(client, "sink", "a").read()
    client.xtrim(events_key("lobby"), maxlen=1, approximate=False)
    items = GroupReader(client, "sink", "a").read()
    assert items[0] == Trimmed("lobby", entries[0])
    assert seqs(items) == [2]


def test_a_deleted_group_is_made_again_from_the_oldest(client: redis.Redis, store: Store) -> None:
    records = book("lobby", 3).records
    store(records)
    a = GroupReader(client, "sink", "a", claim_after_s=0.01)
    a.ack(a.read())
    client.xgroup_destroy(events_key("lobby"), "sink")
    assert seqs(a.read(wait_s=5)) == [1, 2, 3]
    client.delete(events_key("lobby"))
    assert a.read() == []
    store(records)
    a._discover_at = 0.0
    assert seqs(a.read(wait_s=5)) == [1, 2, 3]


def test_a_stream_that_is_known_before_it_has_a_record(client: redis.Redis, store: Store) -> None:
    client.sadd(STREAMS_KEY, "lobby")
    a = GroupReader(client, "sink", "a")
    assert a.read(wait_s=0.1) == []
    store(book("lobby", 1).records)
    a._discover_at = 0.0
    assert seqs(a.read(wait_s=1)) == [1]


def test_unreadable_entries_are_given_so_that_they_can_be_acknowledged(client: redis.Redis, store: Store) -> None:
    store(book("lobby", 1).records)
    client.xadd(events_key("lobby"), {"type": "x"})
    a = GroupReader(client, "sink", "a", streams=["lobby"])
    items = a.read()
    assert [type(item) for item in items] == [Received, Unreadable]
    a.ack(items)
    assert GroupReader(client, "sink", "a").read() == []


def test_iteration_waits_and_errors_of_other_kinds_are_told(client: redis.Redis, store: Store) -> None:
    store(book("lobby", 2).records)
    items = iter(GroupReader(client, "sink", "a"))
    assert seqs([next(items), next(items)]) == [1, 2]
    client.set(events_key("door"), "a string")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        GroupReader(client, "sink", "a", streams=["door"]).read()


def test_a_stream_that_turns_into_something_else_is_told(client: redis.Redis, store: Store) -> None:
    store(book("lobby", 1).records)
    reader = GroupReader(client, "sink", "a")
    reader.read()
    client.set(events_key("lobby"), "a string")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        reader.read()


def test_nothing_known_yet(client: redis.Redis) -> None:
    assert GroupReader(client, "sink", "a").read(wait_s=0.05) == []
