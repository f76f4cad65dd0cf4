"""The queue: order, credits, and an exact account of what it had to drop."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.publish.records import frame_draft, gap_draft, status_draft
from worker.draft import Draft
from worker.frame import Gap, GapCause
from worker.publish.queue import Policy, PublishQueue


def make(policy: Policy = "keep_latest", capacity: int = 4, max_notices: int = 8) -> PublishQueue:
    return PublishQueue("a", policy, capacity, gap_draft, max_notices=max_notices)


def drain(queue: PublishQueue, limit: int = 3) -> list[Draft]:
    drafts: list[Draft] = []
    while batch := queue.take(limit):
        drafts += batch
        queue.settle()
    return drafts


def told(drafts: list[Draft]) -> list[Any]:
    """Frame index, status' state, or a gap's number of frames in a list, per record."""
    short: list[Any] = []
    for draft in drafts:
        body = json.loads(draft.body)
        if draft.droppable:
            short.append(body["frame"]["index"])
        else:
            short.append(body.get("state") or [body["frames"]])
    return short


def other_gap(cause: GapCause = GapCause.SOURCE_DOWN, run: str = "R") -> Draft:
    return gap_draft(Gap("a", run, cause, 1.0, 2.0), None)


def test_records_leave_in_order() -> None:
    queue = make(capacity=10)
    queue.put(status_draft("a", "live"))
    for index in range(5):
        queue.put(frame_draft("a", index))
    queue.put(other_gap())
    assert queue.records == 7
    assert told(drain(queue)) == ["live", 0, 1, 2, 3, 4, [None]]
    assert queue.records == 0


def test_a_credit_is_one_free_place_in_flight_included() -> None:
    queue = make("wait", capacity=3)
    assert [queue.reserve() for _ in range(4)] == [True, True, True, False]
    queue.put(frame_draft("a", 0))
    assert not queue.reserve()
    queue.cancel_reservation()
    assert queue.reserve()
    assert told(list(queue.take(10))) == [0]
    assert not queue.reserve(), "a record in flight keeps its place"
    queue.settle()
    assert queue.reserve()


def test_statuses_and_gaps_need_no_credit_and_take_no_place() -> None:
    queue = make("wait", capacity=2)
    for _ in range(5):
        queue.put(status_draft("a", "live"))
    assert queue.reserve()
    assert queue.reserve()


@pytest.mark.parametrize("call", [lambda queue: queue.put(frame_draft("a", 0)), PublishQueue.cancel_reservation])
def test_a_credit_that_was_never_taken_is_a_mistake(call: Callable[[PublishQueue], None]) -> None:
    with pytest.raises(RuntimeError, match="credit"):
        call(make("wait"))


def test_a_camera_gives_up_its_oldest_frames_and_says_how_many() -> None:
    queue = make(capacity=4)
    for index in range(10):
        assert queue.reserve()
        queue.put(frame_draft("a", index, skipped=index % 2))
    assert queue.dropped == 6
    drafts = drain(queue)
    assert told(drafts) == [[9], 6, 7, 8, 9]
    body = json.loads(drafts[0].body)
    assert body["cause"] == "spool_full"
    assert (body["from"], body["to"]) == ("1970-01-01T00:16:40.000Z", "1970-01-01T00:16:45.000Z")


def test_the_gap_stands_where_the_frames_were() -> None:
    queue = make(capacity=3)
    queue.put(frame_draft("a", 0))
    queue.put(status_draft("a", "stalled"))
    for index in range(1, 6):
        queue.put(frame_draft("a", index))
    assert told(drain(queue)) == [[1], "stalled", [2], 3, 4, 5]


def test_a_batch_in_flight_is_never_touched() -> None:
    queue = make(capacity=3)
    for index in range(3):
        queue.put(frame_draft("a", index))
    batch = queue.take(10)
    assert told(list(batch)) == [0, 1], "one place stays outside the batch"
    for index in range(3, 8):
        queue.put(frame_draft("a", index))
    with pytest.raises(RuntimeError, match="in flight"):
        queue.take(1)
    queue.settle()
    assert told(drain(queue)) == [[5], 7]


def test_gaps_of_different_runs_stay_apart() -> None:
    queue = make(capacity=2)
    for index, run in enumerate("AABB"):
        queue.put(frame_draft("a", index, run=run))
    for index in range(2):
        queue.put(frame_draft("a", index, run="C"))
    drafts = drain(queue)
    assert told(drafts) == [[2], [2], 0, 1]
    assert [draft.run for draft in drafts] == ["A", "B", "C", "C"]


def test_a_camera_that_flaps_without_redis_stays_bounded_and_keeps_its_newest_word() -> None:
    queue = make(max_notices=8)
    for i in range(500):
        queue.put(status_draft("a", f"backoff-{i}", run=f"R{i}"))
    assert queue.records <= 8
    drafts = drain(queue)
    assert told(drafts)[0] == [0], "no frame was lost with those statuses"
    assert told(drafts)[-1] == "backoff-499"


def test_frames_of_merged_notices_are_counted_within_a_run_and_unknown_across_runs() -> None:
    one, two = make(max_notices=4), make(max_notices=4)
    for i in range(5):
        one.put(status_draft("a", "stalled", skipped=1, run="R"))
        two.put(status_draft("a", "stalled", skipped=1, run=f"R{i}"))
    assert told(drain(one)) == [[2], "stalled", "stalled", "stalled"]
    assert told(drain(two)) == [[None], "stalled", "stalled", "stalled"]


def test_notices_between_frames_are_not_merged_over_them() -> None:
    queue = make("wait", capacity=6, max_notices=4)
    for index in range(6):
        assert queue.reserve()
        queue.put(frame_draft("a", index))
        queue.put(status_draft("a", "live"))
    assert told(drain(queue)) == [0, "live", 1, "live", 2, "live", 3, "live", 4, "live", 5, "live"]


def test_a_closed_queue_refuses_and_counts() -> None:
    queue = make("wait", capacity=4)
    for index in range(3):
        assert queue.reserve()
        if index:
            queue.put(frame_draft("a", index))
    queue.close()
    for index in range(3, 13):  # more than there are places: nobody waits for what would be dropped
        assert queue.reserve()
        queue.put(frame_draft("a", index))
    queue.put(status_draft("a", "stopped"))
    assert queue.records == 0
    assert queue.dropped == 12, "frames, not statuses"
    assert queue.take(5) == ()


def test_every_put_wakes_the_publisher() -> None:
    queue, calls = make(), []
    queue.on_put(lambda: calls.append(1))
    queue.put(frame_draft("a", 0))
    queue.put(status_draft("a", "live"))
    assert len(calls) == 2


@pytest.mark.parametrize(("capacity", "notices"), [(1, 8), (4, 3)])
def test_a_queue_too_small_to_work_is_refused(capacity: int, notices: int) -> None:
    with pytest.raises(ValueError, match="places"):
        make(capacity=capacity, max_notices=notices)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("frame"), st.integers(0, 5)),
        st.tuples(st.just("status"), st.integers(0, 3)),
        st.tuples(st.just("run"), st.just(0)),
        st.tuples(st.just("take"), st.integers(1, 4)),
        st.tuples(st.just("settle"), st.just(0)),
        st.tuples(st.just("cancel"), st.just(0)),
    ),
    max_size=120,
)


@given(STEPS, st.sampled_from(["wait", "keep_latest"]), st.integers(2, 6))
@settings(max_examples=150, deadline=None)
def test_frames_in_equal_frames_out_plus_gaps_in_each_run(
    steps: list[tuple[str, int]], policy: Policy, capacity: int
) -> None:
    """The ledger of design 12.5: within each run, and up to each record that arrives, nothing is unaccounted for."""
    queue = make(policy, capacity, max_notices=10_000)
    given_by_run: dict[str, int] = {}
    last_index: dict[str, int] = {}
    out: list[Draft] = []
    run, flying = 0, False
    for step, number in steps:
        name = f"R{run}"
        if step == "frame" and queue.reserve():
            given_by_run[name] = given_by_run.get(name, 0) + 1 + number
            last_index[name] = given_by_run[name] - 1
            queue.put(frame_draft("a", last_index[name], skipped=number, run=name))
        elif step == "cancel" and queue.reserve():
            queue.cancel_reservation()
        elif step == "status":
            given_by_run[name] = given_by_run.get(name, 0) + number
            queue.put(status_draft("a", "live", skipped=number, run=name))
        elif step == "run":
            run += 1
        elif step == "take" and not flying:
            out += queue.take(number)
            flying = True
        elif step == "settle":
            queue.settle()
            flying = False
    queue.settle()
    out += drain(queue)
    accounted: dict[str, int] = {}
    for draft in out:
        body = json.loads(draft.body)
        frames = body["frames"] if draft.type == "emotion.gap.v1" else draft.frames
        accounted[draft.run] = accounted.get(draft.run, 0) + frames
        if draft.droppable:
            assert body["frame"]["index"] == accounted[draft.run] - 1, "a hole before this event is not told exactly"
    assert {key: value for key, value in accounted.items() if value} == {k: v for k, v in given_by_run.items() if v}
    if policy == "wait":
        assert all(draft.type != "emotion.gap.v1" for draft in out)


@given(STEPS, st.sampled_from(["wait", "keep_latest"]), st.integers(2, 6), st.integers(4, 12))
@settings(max_examples=100, deadline=None)
def test_the_queue_is_bounded_whatever_comes(
    steps: list[tuple[str, int]], policy: Policy, capacity: int, notices: int
) -> None:
    queue = make(policy, capacity, notices)
    run = 0
    for step, number in steps * 3:
        run += step == "run"
        if step == "frame" and queue.reserve():
            queue.put(frame_draft("a", 0, skipped=number, run=f"R{run}"))
        elif step == "status":
            queue.put(status_draft("a", "live", run=f"R{run}"))
        assert queue.records <= capacity + max(notices, capacity + 2)
