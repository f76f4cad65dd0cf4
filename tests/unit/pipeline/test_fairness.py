"""Thirty cameras at three times the capacity: nobody starves."""

from __future__ import annotations

import random

import pytest

from tests.unit.pipeline.scene import CountingOutbox, make_frame
from worker.pipeline.batcher import Batcher, Lane
from worker.pipeline.mailbox import Mailbox, Policy


def make_lane(name: str, policy: Policy = "keep_latest", room: int = 1_000_000) -> Lane:
    return Lane(name, Mailbox(policy, 100, lambda: None, lambda reason, count: None), CountingOutbox(room))


@pytest.mark.parametrize("max_batch", [1, 4, 8])
def test_cameras_of_mixed_rate_get_shares_of_at_least_half_the_highest(max_batch: int) -> None:
    lanes = [make_lane(f"c{i}") for i in range(30)]
    rates = [random.Random(i).choice([10, 15, 25, 30]) for i in range(30)]
    served = dict.fromkeys((lane.stream for lane in lanes), 0)
    batcher = Batcher(max_batch)
    frames_per_second = sum(rates) / 3
    credit = 0.0
    phase = [random.Random(-1 - i).random() for i in range(30)]
    for tick in range(10_000):  # 10 s in steps of 1 ms
        for i, lane in enumerate(lanes):
            if int(tick * rates[i] / 1000 + phase[i]) > int((tick - 1) * rates[i] / 1000 + phase[i]):
                lane.mailbox.frame(make_frame(lane.stream, tick, tall=i % 3 == 0))
        credit += frames_per_second / 1000
        if credit >= max_batch:
            taken = batcher.gather(lanes).frames
            credit -= len(taken)
            for lane, _ in taken:
                served[lane.stream] += 1
    assert min(served.values()) >= 0.5 * max(served.values()), served


@pytest.mark.parametrize("max_batch", [1, 8])
def test_a_file_has_an_eighth_beside_busy_cameras(max_batch: int) -> None:
    lanes = [make_lane(f"c{i}") for i in range(12)]
    file = make_lane("file", "wait")
    for index in range(100):
        file.mailbox.frame(make_frame("file", index))
    batcher = Batcher(max_batch)
    taken = {"file": 0, "live": 0}
    for tick in range(64):
        for lane in lanes:
            lane.mailbox.frame(make_frame(lane.stream, tick))
        for lane, _ in batcher.gather([*lanes, file]).frames:
            taken["file" if lane is file else "live"] += 1
    assert taken["file"] == taken["live"] / 7
    assert sum(taken.values()) == 64 * max_batch


def test_files_alone_fill_the_batch_in_order() -> None:
    file = make_lane("file", "wait")
    for index in range(20):
        file.mailbox.frame(make_frame("file", index))
    batcher = Batcher(8)
    batches = [[frame.index for _, frame in batcher.gather([file]).frames] for _ in range(3)]
    assert batches == [list(range(8)), list(range(8, 16)), list(range(16, 20))]


def test_a_stream_without_credit_is_not_offered() -> None:
    full, free = make_lane("full", "wait", room=0), make_lane("free", "wait")
    for lane in (full, free):
        lane.mailbox.frame(make_frame(lane.stream, 0))
    assert [lane.stream for lane, _ in Batcher(8).gather([full, free]).frames] == ["free"]
    assert full.mailbox.waiting == 1


def test_a_batch_holds_one_shape_and_the_other_comes_next() -> None:
    wide, tall = make_lane("wide"), make_lane("tall")
    wide.mailbox.frame(make_frame("wide", 0))
    tall.mailbox.frame(make_frame("tall", 0, tall=True))
    batcher = Batcher(8)
    first = [lane.stream for lane, _ in batcher.gather([wide, tall]).frames]
    wide.mailbox.frame(make_frame("wide", 1))
    second = [lane.stream for lane, _ in batcher.gather([wide, tall]).frames]
    assert (first, second) == (["wide"], ["tall"])
