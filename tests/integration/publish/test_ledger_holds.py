"""Whatever happens between worker and Redis, the records that are there add up: checked by `verify`'s own ledger.

A camera and a file are published through everything that goes wrong, in an order drawn from a seed; what then lies
in Redis must satisfy design 12.5 to the frame.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from tests.integration.publish.proxy import Proxy
from tests.integration.publish.rig import Rig, stored, wait_for
from tests.unit.events.records import LATENCY, MODELS, make_frame
from worker.draft import Draft
from worker.embedded_redis import EmbeddedRedis
from worker.events.drafts import frame_draft, gap_draft, status_draft
from worker.events.ledger import Ledger
from worker.events.stream_events import Seen, Stats
from worker.frame import Gap, State, StateChange
from worker.publish.queue import MissingSeq, PublishQueue

STREAMS = ("camera", "file")


def real_gap(gap: Gap, missing_seq: MissingSeq | None) -> Draft:
    return gap_draft(gap, "edge-1", missing_seq)


class Study:
    """Makes the records of one stream, run after run, and counts the frames that it has told."""

    def __init__(self, stream: str, draw: random.Random) -> None:
        self.stream = stream
        self.decoded = 0
        self._draw = draw
        self._runs = 0
        self.begin_run()

    def begin_run(self) -> None:
        self._runs += 1
        self._run = f"{self.stream}-{self._runs}"
        self._index = 0

    def event(self) -> Draft:
        skipped = self._skips()
        index = self._index + sum(skipped.values())
        self._count(index + 1)
        return frame_draft(
            make_frame(index, self._run, self.stream), Seen([], skipped, Stats(0, {}, {}, 0)), LATENCY, MODELS, "edge-1"
        )

    def close_run(self) -> Draft:
        skipped = self._skips()
        self._count(self._index + sum(skipped.values()))
        change = StateChange(self.stream, self._run, State.STOPPED, State.LIVE, "why", time.time(), True, skipped)
        self.begin_run()
        return status_draft(change, "edge-1")

    def _skips(self) -> dict[str, int]:
        count = self._draw.choice([0, 0, 1, 4])
        return {"max_fps": count} if count else {}

    def _count(self, index: int) -> None:
        self.decoded += index - self._index
        self._index = index


class Worker:
    """A process of the worker: its post, and a queue a stream."""

    def __init__(self, url: str) -> None:
        self.rig = Rig(url, timeout=0.5, gap_draft=real_gap)
        self.rig.publisher.start()
        self.queues = {
            "camera": PublishQueue("camera", "keep_latest", 20, real_gap),
            "file": PublishQueue("file", "wait", 20, real_gap),
        }
        for queue in self.queues.values():
            self.rig.publisher.add(queue)

    def put(self, studies: list[Study], count: int) -> None:
        """`count` frames of each stream; a file that gets no credit just stands still."""
        for _ in range(count):
            for study in studies:
                queue = self.queues[study.stream]
                if queue.reserve():
                    queue.put(study.event())

    def close_runs(self, studies: list[Study]) -> None:
        for study in studies:
            self.queues[study.stream].put(study.close_run())

    def drained(self) -> None:
        wait_for(lambda: not any(queue.records for queue in self.queues.values()), "empty queues", 30)


class Trouble:
    """Everything that can go wrong, one thing at a time. `lossy`: Redis may forget, the worker may crash."""

    def __init__(self, server: EmbeddedRedis, client: redis.Redis, proxy: Proxy, draw: random.Random) -> None:
        self.server, self.client, self.proxy, self.draw = server, client, proxy, draw
        self.studies = [Study(stream, draw) for stream in STREAMS]
        self.worker = Worker(proxy.url)

    def outage(self) -> None:
        self.server.stop(kill=self.draw.random() < 0.5)
        self.worker.put(self.studies, self.draw.choice([5, 60]))
        if self.draw.random() < 0.5:
            self.worker.close_runs(self.studies)
            self.worker.put(self.studies, 30)
        self.server.start()

    def lost_replies(self) -> None:
        self.proxy.lose_replies.set()
        lost = self.proxy.lost
        self.worker.put(self.studies, 10)
        wait_for(lambda: self.proxy.lost > lost, "a lost reply")
        self.proxy.lose_replies.clear()

    def silence(self) -> None:
        self.proxy.swallow.set()
        self.worker.put(self.studies, 40)
        time.sleep(0.6)
        self.proxy.swallow.clear()

    def forgotten_script(self) -> None:
        self.client.script_flush()

    def new_run(self) -> None:
        self.worker.close_runs(self.studies)

    def clean_restart(self) -> None:
        self.worker.close_runs(self.studies)
        self.worker.rig.stop()
        assert not self.worker.rig.publisher.unsent
        self.worker = Worker(self.proxy.url)

    def crash(self) -> None:
        self.proxy.swallow.set()
        self.worker.put(self.studies, 5)
        self.worker.rig.stop(within=0.0)
        self.proxy.cut()
        self.proxy.swallow.clear()
        for study in self.studies:
            study.begin_run()
        self.worker = Worker(self.proxy.url)

    def amnesia(self) -> None:
        self.client.flushall()

    def lost_state(self) -> None:
        self.client.delete(*[f"emotion:{{{stream}}}:state" for stream in STREAMS])


@pytest.fixture
def client(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with redis.Redis(port=redis_server.port, protocol=2) as client:
        yield client


def go_through(trouble: Trouble, troubles: list[Callable[[], None]], rounds: int) -> Ledger:
    order = troubles * rounds
    trouble.draw.shuffle(order)
    for happens in order:
        trouble.worker.put(trouble.studies, trouble.draw.randrange(15))
        happens()
        trouble.worker.put(trouble.studies, trouble.draw.randrange(15))
        if trouble.draw.random() < 0.7:
            trouble.worker.drained()
    trouble.worker.drained()
    trouble.worker.close_runs(trouble.studies)
    trouble.worker.rig.stop()
    assert not trouble.worker.rig.publisher.unsent
    ledger = Ledger()
    for stream in STREAMS:
        for record in stored(trouble.client, stream):
            ledger.take(record, str(record["seq"]))
    return ledger


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_that_redis_keeps(redis_server: EmbeddedRedis, client: redis.Redis, seed: int) -> None:
    """Every decoded frame is an event, a skip, or counted in a gap; of the file every frame has its event."""
    with Proxy(redis_server.port) as proxy:
        trouble = Trouble(redis_server, client, proxy, random.Random(seed))
        t = trouble
        kinds = [t.outage, t.lost_replies, t.silence, t.forgotten_script, t.new_run, t.clean_restart, t.lost_state]
        ledger = go_through(trouble, kinds, rounds=2)
    assert not ledger.findings
    for study in trouble.studies:
        account = ledger.accounts[study.stream]
        assert account.decoded == study.decoded
        assert account.events + account.skipped.total() + account.in_gaps == study.decoded
        assert account.untold == account.lost_records == 0
    assert ledger.accounts["file"].gaps == {}
    assert set(ledger.accounts["camera"].gaps) <= {"spool_full"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4])
def test_what_is_lost_is_told(redis_server: EmbeddedRedis, client: redis.Redis, seed: int) -> None:
    """With crashes of the worker and a Redis that forgets, records are missing, but never untold or doubled."""
    with Proxy(redis_server.port) as proxy:
        trouble = Trouble(redis_server, client, proxy, random.Random(seed))
        t = trouble
        kinds = [t.outage, t.lost_replies, t.crash, t.amnesia, t.lost_state, t.new_run, t.clean_restart]
        ledger = go_through(trouble, kinds, rounds=2)
    assert not ledger.findings
    for account in ledger.accounts.values():
        assert set(account.gaps) <= {"worker_restart", "redis_lost", "spool_full"}
        assert account.records
