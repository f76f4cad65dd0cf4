from __future__ import annotations

import json
import time

import pytest
import redis

from tests.unit.events.records import Book
from worker.events.consumer import Reader
from worker.events.fake import FakeCamera
from worker.events.group import GroupReader
from worker.events.lag import group_lag, reader_lag
from worker.events.schema import STREAMS_KEY, events_key


def test_lag_is_the_age_of_the_first_record_not_read(client: redis.Redis) -> None:
    book, now = Book("lobby"), time.time()
    client.sadd(STREAMS_KEY, "lobby", "never-wrote")
    for seconds_ago in (30, 20, 10):
        book.event()
        record = book.records[-1]
        fields = {"type": record["type"], "seq": record["seq"], "data": json.dumps(record)}
        client.xadd(events_key("lobby"), fields, id=f"{int((now - seconds_ago) * 1000)}-0")
    reader, group = Reader(client), GroupReader(client, "g", "one")
    assert len(reader.read(limit=1)) == 1
    assert reader_lag(client, reader.positions)["lobby"] == pytest.approx(20, abs=2)
    assert group_lag(client, "g") == {}
    group.read(limit=2)
    assert group_lag(client, "g") == {"lobby": pytest.approx(10, abs=2)}
    reader.read()
    group.read()
    assert reader_lag(client, reader.positions)["lobby"] == 0.0
    assert group_lag(client, "g") == {"lobby": 0.0}
    assert group_lag(client, "g", ["never-wrote"]) == {}


def test_a_fake_camera_is_fresh(client: redis.Redis) -> None:
    FakeCamera(client, "door").frame()
    reader = Reader(client, ["door"], start="newest")
    reader.read()
    assert reader_lag(client, reader.positions) == {"door": 0.0}
