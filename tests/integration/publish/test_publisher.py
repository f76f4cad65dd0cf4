"""The publisher's thread on real servers: what goes wrong, and that nothing is lost, doubled or untold."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.integration.publish.proxy import Proxy
from tests.integration.publish.rig import (
    Rig,
    assert_in_order,
    gaps,
    indices,
    put_frames,
    state,
    stored,
    wait_for,
)
from tests.unit.publish.records import frame_draft, status_draft
from worker.embedded_redis import EmbeddedRedis, free_port
from worker.errors import RedisError, RedisUnavailable
from worker.publish.scripts import STATUS_KEY, STREAMS_KEY, events_key, state_key


@pytest.fixture
def client(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with redis.Redis(port=redis_server.port, protocol=2) as client:
        yield client


def test_many_streams_arrive_in_order_and_are_announced(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    streams = [f"camera-{i}" for i in range(8)]
    with Rig(redis_server.url) as rig:
        queues = [rig.queue(stream) for stream in streams]
        for index in range(200):
            for queue in queues:
                queue.put(frame_draft(queue.stream, index))
        for queue in queues:
            queue.put(status_draft(queue.stream, "ended"))
    for stream in streams:
        records = stored(client, stream)
        assert_in_order(records)
        assert records[0]["seq"] == 1
        assert indices(records) == list(range(200))
        assert state(client, stream)["beat"] == ""
    assert {name.decode() for name in client.smembers(STREAMS_KEY)} == set(streams)
    assert client.xlen(STATUS_KEY) == 8
    assert len(rig.reports.drafts) == 8 * 201
    assert rig.reports.ups == [True]
    assert not rig.publisher.unsent


def test_the_number_goes_on_through_a_restart_of_the_worker(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    for first in (0, 10):
        with Rig(redis_server.url) as rig:
            put_frames(rig.queue("a"), range(first, first + 10))
            rig.wait_published(10)
    records = stored(client, "a")
    assert_in_order(records)
    assert indices(records) == list(range(20))
    assert gaps(records, "worker_restart") == [], "a clean stop leaves no gap"
    assert len({record["epoch"] for record in records}) == 2


def test_a_crash_of_the_worker_is_told_as_a_gap(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    with Proxy(redis_server.port) as proxy:
        crashed = Rig(proxy.url, timeout=0.3)
        crashed.publisher.start()
        put_frames(crashed.queue("a"), range(10))
        crashed.wait_published(10)
        proxy.swallow.set()
        crashed.stop(within=0.2)
    with Rig(redis_server.url) as rig:
        put_frames(rig.queue("a"), [10])
        rig.wait_published(2)
    records = stored(client, "a")
    assert_in_order(records)
    assert [record["seq"] for record in gaps(records, "worker_restart")] == [11]
    assert indices(records) == list(range(11))


def test_a_lost_reply_doubles_nothing(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    with Proxy(redis_server.port) as proxy, Rig(proxy.url) as rig:
        queue = rig.queue("a", "wait", 50)
        put_frames(queue, range(20))
        rig.wait_published(20)
        for lost in range(1, 4):
            proxy.lose_replies.set()
            put_frames(queue, range(lost * 20, lost * 20 + 20))
            wait_for(lambda least=lost: proxy.lost >= least, "a lost reply")
            proxy.lose_replies.clear()
            rig.wait_published(20 * lost + 20)
        queue.put(status_draft("a", "ended"))
    records = stored(client, "a")
    assert_in_order(records)
    assert indices(records) == list(range(80))
    assert records[-1]["type"] == "emotion.status.v1"
    assert rig.reports.errors, "the loss was noticed"


def test_a_silent_server_is_noticed_in_time(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    with Proxy(redis_server.port) as proxy, Rig(proxy.url, timeout=0.3) as rig:
        queue = rig.queue("a")
        put_frames(queue, range(5))
        rig.wait_published(5)
        proxy.swallow.set()
        put_frames(queue, range(5, 10))
        wait_for(lambda: rig.reports.errors, "a time-out", 3)
        assert rig.reports.errors[0][0] == "timeout"
        proxy.swallow.clear()
        rig.wait_published(10)
    records = stored(client, "a")
    assert_in_order(records)
    assert indices(records) == list(range(10))


def test_a_server_that_goes_away_costs_a_file_nothing_and_a_camera_an_exact_gap(
    redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    """The server is gone for 6 s; ten times as much comes as the queues hold."""
    with Rig(redis_server.url) as rig:
        file, camera = rig.queue("file", "wait", 100), rig.queue("camera", "keep_latest", 100)
        put_frames(file, range(50))
        put_frames(camera, range(50))
        rig.wait_published(100)
        redis_server.stop()
        reader = threading.Thread(target=put_frames, args=(file, range(50, 1000)), name="file")
        reader.start()
        for index in range(50, 1050):
            camera.put(frame_draft("camera", index, skipped=1))
            assert camera.records <= 102, "100 places, and a gap before and behind the batch in flight"
            assert file.records <= 100
            time.sleep(0.004)
        wait_for(lambda: rig.reports.ups == [True, False], "the outage told once")
        time.sleep(2)
        redis_server.start()
        reader.join(30)
        camera.put(frame_draft("camera", 1050))
        wait_for(lambda: not camera.records and not file.records, "empty queues")
        assert rig.reports.ups == [True, False, True]
    records = stored(client, "file")
    assert_in_order(records)
    assert indices(records) == list(range(1000))
    records = stored(client, "camera")
    assert_in_order(records)
    told = sum(1 + sum(r["skipped"].values()) for r in records if r["type"] == "emotion.frame.v1")
    assert told + sum(gap["frames"] for gap in gaps(records, "spool_full")) == 50 + 2 * 1000 + 1
    assert 1 <= len(gaps(records, "spool_full")) <= 2
    assert indices(records) == sorted(set(indices(records)))


def test_a_restart_of_the_server_loses_nothing_it_has_written(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    with Rig(redis_server.url) as rig:
        queue = rig.queue("a", "wait", 100)
        put_frames(queue, range(500))
        redis_server.stop(kill=True)
        redis_server.start()
        put_frames(queue, range(500, 1000))
        rig.wait_published(1000)
    records = stored(client, "a")
    assert_in_order(records)
    assert indices(records) == list(range(1000))
    assert gaps(records, "redis_lost") == []


def test_what_redis_loses_is_told_and_the_numbers_go_on(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    with Rig(redis_server.url) as rig:
        queue = rig.queue("a")
        put_frames(queue, range(30))
        rig.wait_published(30)
        client.flushall()
        put_frames(queue, range(30, 40))
        rig.wait_published(41)
        [first, second] = rig.reports.claims
    assert second[1] > first[1]
    records = stored(client, "a")
    assert_in_order(records)
    [gap] = gaps(records, "redis_lost")
    assert gap["missing_seq"] == [1, 30]
    assert gap["seq"] == 30
    assert records[0] == gap
    assert indices(records) == list(range(30, 40))
    assert client.smembers(STREAMS_KEY) == {b"a"}


def test_a_replica_promoted_behind_its_master_leaves_a_gap(redis_binary: Path) -> None:
    with EmbeddedRedis(redis_binary) as master, EmbeddedRedis(redis_binary) as replica:
        old = redis.Redis(port=master.port, protocol=2)
        new = redis.Redis(port=replica.port, protocol=2)
        with old, new, Proxy(master.port) as proxy, Rig(proxy.url) as rig:
            queue = rig.queue("a")
            new.replicaof("127.0.0.1", str(master.port))
            put_frames(queue, range(50))
            rig.wait_published(50)
            wait_for(lambda: new.xlen(events_key("a")) == 50, "replication")
            new.replicaof("NO", "ONE")
            put_frames(queue, range(50, 80))
            rig.wait_published(80)
            proxy.target = replica.port
            proxy.cut()
            put_frames(queue, range(80, 90))
            rig.wait_published(91)
            records = stored(new, "a")
    assert_in_order(records)
    [gap] = gaps(records, "redis_lost")
    assert gap["missing_seq"] == [51, 80]
    assert indices(records) == [*range(50), *range(80, 90)]


def test_a_second_worker_waits_for_the_first_and_names_it(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    with Rig(redis_server.url, worker="edge-1") as first, Rig(redis_server.url, worker="edge-2") as second:
        put_frames(first.queue("a"), range(5))
        first.wait_published(5)
        second_queue = second.queue("a")
        put_frames(second_queue, range(5, 10))
        wait_for(lambda: second.reports.refusals, "a refusal")
        stream, owner, age, retry = second.reports.refusals[0]
        assert (stream, owner) == ("a", "edge-1")
        assert age + retry == pytest.approx(15.5, abs=0.1)
        assert second_queue.records == 5
        assert not first.reports.taken
    assert not second.reports.drafts
    assert second.publisher.unsent["a"].records == 5
    assert indices(stored(client, "a")) == list(range(5))


@pytest.mark.slow
def test_a_second_worker_takes_over_when_the_first_falls_silent(
    redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    with Proxy(redis_server.port) as proxy:
        first = Rig(proxy.url, worker="edge-1", timeout=0.5)
        first.publisher.start()
        queue = first.queue("a")
        put_frames(queue, range(5))
        first.wait_published(5)
        proxy.swallow.set()
        put_frames(queue, [5])
        with Rig(redis_server.url, worker="edge-2") as second:
            put_frames(second.queue("a"), range(100, 105))
            second.wait_published(6, timeout=25)
            proxy.swallow.clear()
            wait_for(lambda: first.reports.taken, "the first to notice")
        assert first.reports.taken == [("a", "edge-2")]
        assert first.reports.drafts[-1].frames == 1
        first.stop()
    assert first.publisher.unsent["a"].records == 1
    records = stored(client, "a")
    assert_in_order(records)
    assert indices(records) == [0, 1, 2, 3, 4, 100, 101, 102, 103, 104]
    assert [gap["seq"] for gap in gaps(records, "worker_restart")] == [6]


def test_the_same_worker_started_twice_fences_the_older_process(
    redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    with Rig(redis_server.url) as first, Rig(redis_server.url) as second:
        old = first.queue("a")
        put_frames(old, range(5))
        first.wait_published(5)
        put_frames(second.queue("a"), range(5, 8))
        second.wait_published(4)
        put_frames(old, [99])
        wait_for(lambda: first.reports.taken, "the older process to notice")
        old.put(frame_draft("a", 100))
        assert not old.reserve() or old.policy == "keep_latest"
    assert 99 not in indices(stored(client, "a"))
    assert state(client, "a")["writer"] == second.writer


def test_out_of_memory_stops_nothing_for_good(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    client.config_set("maxmemory-policy", "noeviction")
    with Rig(redis_server.url) as rig:
        queue = rig.queue("a", "wait", 100)
        put_frames(queue, range(10))
        rig.wait_published(10)
        client.config_set("maxmemory", 1)
        put_frames(queue, range(10, 60))
        wait_for(lambda: rig.reports.errors, "an error")
        assert rig.reports.errors[0][0] == "oom"
        assert client.xlen(events_key("a")) == int(state(client, "a")["seq"])
        client.config_set("maxmemory", 0)
        rig.wait_published(60)
    records = stored(client, "a")
    assert_in_order(records)
    assert indices(records) == list(range(60))


def test_a_flushed_script_is_loaded_again(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    with Rig(redis_server.url) as rig:
        queue = rig.queue("a")
        put_frames(queue, range(5))
        rig.wait_published(5)
        client.script_flush()
        put_frames(queue, range(5, 10))
        rig.wait_published(10)
    assert indices(stored(client, "a")) == list(range(10))
    assert not rig.reports.errors


def test_a_quiet_stream_still_shows_life(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    with Rig(redis_server.url) as rig:
        rig.queue("a")
        wait_for(lambda: rig.reports.claims, "the claim")
        before = int(state(client, "a")["beat"])
        wait_for(lambda: int(state(client, "a")["beat"]) > before, "a beat", 6)
        assert not client.exists(events_key("a"))


def test_a_wrong_key_type_stops_that_stream_only(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    client.set(state_key("bad"), "mine")
    with Rig(redis_server.url) as rig:
        put_frames(rig.queue("bad"), range(5))
        put_frames(rig.queue("good"), range(5))
        rig.wait_published(5)
        wait_for(lambda: rig.reports.refused, "the refusal")
    [(stream, error)] = rig.reports.refused
    assert stream == "bad"
    assert "WRONGTYPE" in str(error)
    assert rig.publisher.unsent["bad"].records == 5
    assert indices(stored(client, "good")) == list(range(5))


def test_a_wrong_password_ends_the_publisher_with_one_line_and_no_secret(redis_binary: Path) -> None:
    with EmbeddedRedis(redis_binary, password="right") as server:
        for password in ("wr0ng-secret", None):
            rig = Rig(server.url, password=password)
            rig.publisher.start()
            rig.queue("a")
            wait_for(lambda rig=rig: rig.reports.failures, "the failure")
            [error] = rig.reports.failures
            assert type(error) is RedisError
            assert "password" in str(error)
            assert "secret" not in str(error)
            assert "\n" not in str(error)
            assert rig.publisher.join(5)
        with Rig(server.url, password="right") as rig:
            put_frames(rig.queue("a"), range(3))
            rig.wait_published(3)


def test_a_server_that_comes_late_is_waited_for(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    redis_server.stop()
    with Rig(redis_server.url) as rig:
        put_frames(rig.queue("a"), range(3))
        wait_for(lambda: len(rig.reports.errors) > 1, "two tries")
        assert all(isinstance(error, RedisUnavailable) for _, error in rig.reports.errors)
        redis_server.start()
        rig.wait_published(3)
        assert rig.reports.ups == [False, True]


def test_a_stop_without_a_server_ends_in_time_and_counts_what_is_left(redis_server: EmbeddedRedis) -> None:
    with Rig(redis_server.url) as rig:
        queue = rig.queue("a")
        put_frames(queue, range(3))
        rig.wait_published(3)
        redis_server.stop()
        for index in range(3, 10):
            queue.put(frame_draft("a", index, skipped=2))
        start = time.monotonic()
        rig.stop(within=1.0)
        assert time.monotonic() - start < 3
    assert rig.publisher.unsent["a"].records == 7
    assert rig.publisher.unsent["a"].frames == 21


def test_a_publisher_held_by_a_silent_server_is_counted_all_the_same(redis_server: EmbeddedRedis) -> None:
    with Proxy(redis_server.port) as proxy:
        rig = Rig(proxy.url, timeout=3.0)
        rig.publisher.start()
        queue = rig.queue("a")
        put_frames(queue, range(3))
        rig.wait_published(3)
        proxy.swallow.set()
        put_frames(queue, range(3, 10))
        rig.publisher.stop(0.2)
        assert not rig.publisher.join(0.5)
        assert rig.publisher.unsent["a"].records == 7
        proxy.cut()
        assert rig.publisher.join(5)


def test_a_removed_stream_is_given_back_and_may_come_again(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    with Rig(redis_server.url) as rig:
        leaving = rig.queue("a")
        put_frames(leaving, range(5))
        rig.publisher.remove(leaving)
        wait_for(lambda: state(client, "a").get("beat") == "", "the release")
        put_frames(rig.queue("a"), range(5, 10))
        rig.wait_published(10)
    records = stored(client, "a")
    assert_in_order(records)
    assert indices(records) == list(range(10))


def test_a_stream_that_is_changed_again_and_again_while_redis_is_away_loses_nothing(
    redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    with Proxy(free_port()) as proxy, Rig(proxy.url) as rig:
        put_frames(rig.queue("b"), range(1))
        wait_for(lambda: bool(rig.reports.errors), "the first failure")
        for first in (0, 3, 6):  # added, and taken out again, all within one wait for the next try
            queue = rig.queue("a")
            put_frames(queue, range(first, first + 3))
            rig.publisher.remove(queue)
        newest = rig.queue("a")
        put_frames(newest, range(9, 12))
        proxy.target = redis_server.port
        rig.wait_published(13)
        assert not newest.closed
    assert rig.reports.taken == []
    records = stored(client, "a")
    assert_in_order(records)
    assert indices(records) == list(range(12))


def test_what_waits_for_its_forerunner_is_told_as_unsent() -> None:
    with Proxy(free_port()) as proxy:
        rig = Rig(proxy.url)
        rig.publisher.start()
        leaving = rig.queue("a")
        put_frames(leaving, range(2))
        wait_for(lambda: bool(rig.reports.errors), "the first failure")
        rig.publisher.remove(leaving)
        put_frames(rig.queue("a"), range(2, 7))
        rig.stop(0.1)
        assert rig.publisher.unsent["a"].records == 7
