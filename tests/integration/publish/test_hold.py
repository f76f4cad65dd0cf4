"""A file does not push out what its readers have not read; a camera does not wait for anybody."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import redis

from tests.integration.publish.rig import Rig, assert_in_order, indices, put_frames, stored, wait_for
from worker.embedded_redis import EmbeddedRedis
from worker.publish.scripts import Trimming, events_key

KEY = events_key("file")
KEEP = 1000
CAPACITY = 100


@pytest.fixture
def client(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with redis.Redis(port=redis_server.port, protocol=2) as client:
        yield client


def read(client: redis.Redis, group: str, count: int, *, acknowledge: bool = True) -> list[int]:
    """The numbers of the next `count` records that `group` is given."""
    entries = client.xreadgroup(group, "me", {KEY: ">"}, count=count)
    got = entries[0][1] if entries else []
    if got and acknowledge:
        client.xack(KEY, group, *[entry_id for entry_id, _ in got])
    return [int(fields[b"seq"]) for _, fields in got]


def test_a_file_waits_for_the_slowest_named_group(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    """Undelivered and unacknowledged records count alike; a group that nobody named does not."""
    client.xgroup_create(KEY, "sink", "0", mkstream=True)
    client.xgroup_create(KEY, "other", "0")
    with Rig(redis_server.url, trimming=Trimming(KEEP), hold_for=("sink",)) as rig:
        queue = rig.queue("file", "wait", CAPACITY)
        source = threading.Thread(target=put_frames, args=(queue, range(3000)), name="source")
        source.start()
        wait_for(lambda: client.xlen(KEY) >= KEEP - CAPACITY and not queue.records, "the file to be held")
        assert not queue.reserve()
        assert client.xlen(KEY) <= KEEP + CAPACITY
        seen: list[int] = []
        seen += read(client, "sink", 500, acknowledge=False)
        with pytest.raises(AssertionError, match="in vain"):
            wait_for(lambda: client.xlen(KEY) > KEEP + CAPACITY, "more, though nothing was acknowledged", 1.5)
        client.xack(KEY, "sink", *[entry["message_id"] for entry in client.xpending_range(KEY, "sink", "-", "+", 500)])
        while source.is_alive() or queue.records:
            seen += read(client, "sink", 200)
        seen += read(client, "sink", 5000)
        source.join()
    assert seen == list(range(1, 3001)), "the group was given every record"


def test_a_group_that_does_not_exist_yet_has_read_nothing(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    with Rig(redis_server.url, trimming=Trimming(KEEP), hold_for=("sink",)) as rig:
        file, camera = rig.queue("file", "wait", CAPACITY), rig.queue("camera", "keep_latest", CAPACITY)
        source = threading.Thread(target=put_frames, args=(file, range(1200)), name="source")
        source.start()
        wait_for(lambda: client.xlen(KEY) >= KEEP - CAPACITY and not file.records, "the file to be held")
        for first in range(0, 2000, 50):
            put_frames(camera, range(first, first + 50))
            wait_for(lambda: not camera.records, "the camera, which nobody holds")
        assert indices(stored(client, "camera"))[-1] == 1999
        client.xgroup_create(KEY, "sink", "$")
        source.join(20)
        assert not source.is_alive(), "a group that wants nothing old lets the file go on"
        wait_for(lambda: not file.records, "the rest")
    assert_in_order(stored(client, "file"))
