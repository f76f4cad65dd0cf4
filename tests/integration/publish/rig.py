"""A publisher on a real server, as assembly would build it, and what tests look at."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import redis

from tests.unit.publish.records import Remembered, frame_draft, gap_draft
from worker.clock import SystemClock, ulid
from worker.publish.lane import Identity, LaneSettings
from worker.publish.queue import GapDraft, Policy, PublishQueue
from worker.publish.redis_writer import PublisherThread
from worker.publish.scripts import Connection, Trimming, events_key, state_key
from worker.redis_client import Mode, RedisTarget, connect


def wait_for(condition: Callable[[], object], what: str, timeout: float = 15.0) -> None:
    """Return once `condition()` is true; fail naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(0.01)


@dataclass
class Rig:
    """A worker's post. Leaves cleanly at the end of `with`."""

    url: str
    worker: str = "edge-1"
    trimming: Trimming = field(default_factory=Trimming)
    password: str | None = None
    timeout: float = 2.0
    mode: Mode = "standalone"
    hold_for: tuple[str, ...] = ()
    service: str = "mymaster"
    gap_draft: GapDraft = gap_draft

    def __post_init__(self) -> None:
        self.target = RedisTarget(
            self.url,
            password=self.password,
            timeout=self.timeout,
            connect_timeout=1.0,
            mode=self.mode,
            service=self.service,
        )
        self.reports = Remembered()
        self.writer = ulid(time.time())
        self.publisher = PublisherThread(
            Connection(lambda: connect(self.target), self.target.where),
            LaneSettings(Identity(self.writer, self.worker), self.trimming, self.gap_draft, self.hold_for),
            self.reports,
            SystemClock(),
        )

    def __enter__(self) -> Self:
        self.publisher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def stop(self, within: float = 5.0) -> None:
        """Flush and end."""
        self.publisher.stop(within)
        assert self.publisher.join(within + 5.0), "the publisher does not end"

    def queue(self, stream: str, policy: Policy = "keep_latest", capacity: int = 1000) -> PublishQueue:
        """A queue that is published from now on."""
        queue = PublishQueue(stream, policy, capacity, self.gap_draft)
        self.publisher.add(queue)
        return queue

    def wait_published(self, count: int, timeout: float = 15.0) -> None:
        """Until `count` records of all streams were acknowledged."""
        wait_for(lambda: len(self.reports.drafts) >= count, f"{count} records", timeout)


def put_frames(queue: PublishQueue, indices: Sequence[int], *, timeout: float = 30.0) -> None:
    """Put frame records as a source would: with a credit, waiting for one where the policy says so."""
    for index in indices:
        wait_for(queue.reserve, "a credit", timeout)
        queue.put(frame_draft(queue.stream, index))


def stored(client: redis.Redis, stream: str) -> list[dict[str, Any]]:
    """The records of `stream` in Redis, parsed; the entry's fields must agree with the record."""
    records = []
    for _, fields in client.xrange(events_key(stream)):
        assert list(fields) == [b"type", b"seq", b"data"]
        record = json.loads(fields[b"data"])
        assert (record["type"], record["seq"]) == (fields[b"type"].decode(), int(fields[b"seq"]))
        assert record["id"] == f"{stream}/{record['epoch']}/{record['seq']}"
        records.append(record)
    return records


def state(client: redis.Redis, stream: str) -> dict[str, str]:
    """The state hash of `stream`."""
    return {key.decode(): value.decode() for key, value in client.hgetall(state_key(stream)).items()}


def assert_in_order(records: Sequence[dict[str, Any]]) -> None:
    """Every number once, in order; only a gap `redis_lost` may jump, over what it names."""
    previous = (records[0].get("missing_seq") or [records[0]["seq"]])[0] - 1
    for record in records:
        missing = record.get("missing_seq")
        if missing:
            assert missing == [previous + 1, record["seq"]]
        else:
            assert record["seq"] == previous + 1
        previous = record["seq"]


def indices(records: Sequence[dict[str, Any]]) -> list[int]:
    """The frame indices of the frame records."""
    return [record["frame"]["index"] for record in records if record["type"] == "emotion.frame.v1"]


def gaps(records: Sequence[dict[str, Any]], cause: str) -> list[dict[str, Any]]:
    """The gap records of one cause."""
    return [record for record in records if record["type"] == "emotion.gap.v1" and record["cause"] == cause]
