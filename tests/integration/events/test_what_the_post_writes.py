"""The study's drafts through the real post into a real server, in bad times: the ledger still adds up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import redis

from tests.integration.publish.rig import wait_for
from tests.unit.events.records import LATENCY, MODELS, make_frame
from tests.unit.publish.records import Remembered
from worker.clock import SystemClock, ulid
from worker.commands.verify import verify
from worker.draft import Draft
from worker.embedded_redis import EmbeddedRedis
from worker.events.consumer import Missing, Reader, Received
from worker.events.drafts import frame_draft, gap_draft, status_draft
from worker.events.gates import Gates
from worker.events.ledger import Account, Ledger
from worker.events.reading import Reading
from worker.events.stream_events import StreamEvents
from worker.frame import Gap, Skip, State, StateChange
from worker.publish.lane import Identity, LaneSettings
from worker.publish.queue import PublishQueue
from worker.publish.redis_writer import PublisherThread
from worker.publish.scripts import Connection, Trimming
from worker.redis_client import RedisTarget, connect


def gap_record(gap: Gap, missing_seq: tuple[int, int] | None) -> Draft:
    return gap_draft(gap, "edge-1", missing_seq)


@dataclass
class Camera:
    """Feeds one stream's study and queue; knows how many frames it decoded."""

    queue: PublishQueue
    run: str
    decoded: int = 0
    events: StreamEvents = field(default_factory=lambda: StreamEvents(Gates(), Reading.BY_RULE))

    def frames(self, count: int) -> None:
        """Every other frame is skipped by the source, every seventh of the rest by failing models."""
        for number in range(count):
            frame = make_frame(self.decoded + 1, self.run, skipped={"max_fps": 1})
            self.decoded += 2
            if number % 7 == 6:
                self.events.skip(frame, Skip.INFERENCE_ERROR)
                continue
            self.events.begin(frame, [])
            self.queue.put(frame_draft(frame, self.events.finish(frame, [], []), LATENCY, MODELS, "edge-1"))

    def close(self, state: State) -> None:
        self.decoded += 1
        change = StateChange("lobby", self.run, state, State.LIVE, "", time.time(), True, {"stopping": 1})
        self.queue.put(status_draft(self.events.carry(change), "edge-1"))


@contextmanager
def post(url: str, capacity: int, within: float = 5.0) -> Iterator[tuple[PublishQueue, Remembered]]:
    """A worker's post with one stream; `within` 0 ends it like a crash."""
    target = RedisTarget(url, timeout=1.0, connect_timeout=0.5)
    reports = Remembered()
    publisher = PublisherThread(
        Connection(lambda: connect(target), target.where),
        LaneSettings(Identity(ulid(time.time()), "edge-1"), Trimming(), gap_record),
        reports,
        SystemClock(),
    )
    queue = PublishQueue("lobby", "keep_latest", capacity, gap_record)
    publisher.add(queue)
    publisher.start()
    try:
        yield queue, reports
    finally:
        publisher.stop(within)
        assert publisher.join(10)


def account(url: str) -> Account:
    """What is in the server; fails where it does not add up."""
    verify(url)
    ledger = Ledger()
    with redis.Redis.from_url(url) as client:
        for item in Reader(client).read(limit=100_000):
            assert isinstance(item, Received)
            ledger.take(item.record.model_dump(mode="json"), item.entry)
    assert ledger.findings == []
    return ledger.accounts["lobby"]


def test_a_day_without_accidents(redis_server: EmbeddedRedis) -> None:
    with post(redis_server.url, 1000) as (queue, _):
        for number in range(3):
            camera = Camera(queue, f"r{number}")
            camera.frames(50)
            camera.close(State.BACKOFF)
    told = account(redis_server.url)
    assert (told.runs, told.decoded, told.in_gaps, told.untold) == (3, 3 * 101, 0, 0)
    assert told.skipped == {"max_fps": 150, "inference_error": 21, "stopping": 3}


def test_redis_is_away_for_longer_than_the_queue_lasts(redis_server: EmbeddedRedis) -> None:
    with post(redis_server.url, 30) as (queue, reports):
        camera = Camera(queue, "r1")
        camera.frames(20)
        wait_for(lambda: len(reports.drafts) >= 18, "the first records")
        redis_server.stop(kill=True)
        for _ in range(10):
            camera.frames(20)
        redis_server.start()
        wait_for(lambda: queue.records == 0, "all records")
        camera.frames(20)
        camera.close(State.STOPPED)
    told = account(redis_server.url)
    assert told.gaps["spool_full"] >= 1
    assert told.in_gaps > 100
    assert told.untold == 0
    assert told.decoded == camera.decoded == 2 * 240 + 1


def test_redis_forgets_everything(redis_server: EmbeddedRedis) -> None:
    with post(redis_server.url, 1000) as (queue, reports), redis.Redis.from_url(redis_server.url) as client:
        reader = Reader(client)
        camera = Camera(queue, "r1")
        camera.frames(40)
        wait_for(lambda: len(reports.drafts) >= 35, "the first records")
        before = reader.read()
        client.flushall()
        camera.frames(40)
        camera.close(State.STOPPED)
        wait_for(lambda: queue.records == 0, "all records")
        after = reader.read(wait_s=5)
    told = account(redis_server.url)
    assert told.gaps == {"redis_lost": 1}
    assert told.lost_records == len(before)
    assert not any(isinstance(item, Missing) for item in [*before, *after])  # this reader lost nothing


def test_a_worker_dies_and_comes_back(redis_server: EmbeddedRedis) -> None:
    with post(redis_server.url, 1000, within=0.0) as (queue, reports):
        Camera(queue, "r1").frames(40)
        wait_for(lambda: len(reports.drafts) >= 35, "the first records")
    with post(redis_server.url, 1000) as (queue, reports):
        camera = Camera(queue, "r2")
        camera.frames(40)
        camera.close(State.STOPPED)
    told = account(redis_server.url)
    assert told.gaps == {"worker_restart": 1}
    assert (told.runs, told.epochs) == (2, 2)
    assert told.untold == 0


@pytest.mark.parametrize("records", [1, 500])
def test_a_trimmed_stream_adds_up_from_its_first_entry(redis_server: EmbeddedRedis, records: int) -> None:
    with post(redis_server.url, 2000) as (queue, _):
        Camera(queue, "r1").frames(800)
    with redis.Redis.from_url(redis_server.url) as client:
        client.xtrim("emotion:{lobby}:events", maxlen=records, approximate=False)
    assert account(redis_server.url).records == records
