"""Several workers share a list: each stream has one worker, and few move when the number changes."""

from __future__ import annotations

from collections import Counter

import pytest

from worker.settings import Settings, shard_of

STREAMS = [f"camera-{i}" for i in range(3000)]


def test_every_stream_has_one_worker() -> None:
    streams = [{"id": name, "url": "x"} for name in STREAMS[:60]]
    shares = [
        Settings.model_validate({"streams": streams, "shard": {"index": i, "of": 4}}).own_streams for i in range(4)
    ]
    assert sorted(stream.id for share in shares for stream in share) == sorted(STREAMS[:60])


@pytest.mark.parametrize("workers", [2, 3, 7])
def test_one_worker_more_takes_an_even_share_and_moves_nothing_else(workers: int) -> None:
    before = {name: shard_of(name, workers) for name in STREAMS}
    after = {name: shard_of(name, workers + 1) for name in STREAMS}
    moved = [name for name in STREAMS if before[name] != after[name]]
    assert all(after[name] == workers for name in moved), "streams move to the new worker only"
    assert len(moved) == pytest.approx(len(STREAMS) / (workers + 1), rel=0.15)


def test_shares_are_even() -> None:
    counts = Counter(shard_of(name, 5) for name in STREAMS)
    assert all(count == pytest.approx(600, rel=0.15) for count in counts.values())


def test_the_share_is_the_same_for_ever() -> None:
    assert [shard_of(name, 4) for name in ("lobby", "yard", "gate", "dock", "hall")] == [3, 1, 0, 1, 0]
