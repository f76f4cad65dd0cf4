"""A mailbox never blocks a live camera, never drops a file's frame, and loses no count."""

from __future__ import annotations

import threading
import time

from tests.unit.pipeline.scene import make_frame
from worker.frame import Skip, State, StateChange
from worker.pipeline.mailbox import Bell, Mailbox, Policy


def make_mailbox(policy: Policy, capacity: int = 2) -> tuple[Mailbox, list[tuple[Skip, int]]]:
    skips: list[tuple[Skip, int]] = []
    return Mailbox(policy, capacity, lambda: None, lambda reason, count: skips.append((reason, count))), skips


def closing(run: str) -> StateChange:
    return StateChange("s", run, State.BACKOFF, State.LIVE, "gone", 1e9, closes_run=True)


def test_a_newer_live_frame_replaces_the_older_and_carries_its_counts() -> None:
    mailbox, skips = make_mailbox("keep_latest")
    mailbox.frame(make_frame("s", 0))
    mailbox.frame(make_frame("s", 3, skipped={"max_fps": 2}))
    mailbox.frame(make_frame("s", 5, skipped={"max_fps": 1}))
    frame = mailbox.take((64, 32))
    assert frame is not None
    assert frame.index == 5
    assert frame.skipped == {"superseded": 2, "max_fps": 3}
    assert skips == [(Skip.SUPERSEDED, 1)] * 2
    assert mailbox.empty


def test_a_frame_of_an_ended_run_is_told_by_that_runs_closing_notice() -> None:
    mailbox, _ = make_mailbox("keep_latest")
    mailbox.frame(make_frame("s", 7, run="a", skipped={"max_fps": 1}))
    mailbox.notice(closing("a"))
    mailbox.frame(make_frame("s", 0, run="b"))
    (notice,) = mailbox.take_notices()
    assert isinstance(notice, StateChange)
    assert notice.skipped == {"superseded": 1, "max_fps": 1}
    frame = mailbox.take((64, 32))
    assert frame is not None
    assert (frame.run, frame.skipped) == ("b", {})


def test_notices_keep_their_place_between_frames() -> None:
    mailbox, _ = make_mailbox("wait", capacity=3)
    mailbox.frame(make_frame("s", 0))
    mailbox.notice(closing("r"))
    mailbox.frame(make_frame("s", 0, run="q"))
    assert mailbox.take_notices() == []
    assert mailbox.take((64, 32)) is not None
    assert mailbox.take((64, 32)) is None, "a notice stands before the next frame"
    assert len(mailbox.take_notices()) == 1
    assert mailbox.take((64, 32)) is not None


def test_a_full_mailbox_that_waits_holds_its_source_until_there_is_room() -> None:
    mailbox, skips = make_mailbox("wait", capacity=2)
    put: list[bool] = []
    source = threading.Thread(target=lambda: put.extend(mailbox.frame(make_frame("s", i)) for i in range(3)))
    source.start()
    time.sleep(0.1)
    assert put == [True, True]
    assert mailbox.take((64, 32)) is not None
    source.join(5)
    assert put == [True, True, True]
    assert skips == []


def test_closing_frees_a_source_that_waits_and_refuses_its_frame() -> None:
    mailbox, _ = make_mailbox("wait", capacity=1)
    mailbox.frame(make_frame("s", 0))
    put: list[bool] = []
    source = threading.Thread(target=lambda: put.append(mailbox.frame(make_frame("s", 1))))
    source.start()
    mailbox.close()
    source.join(5)
    assert put == [False]
    assert mailbox.waiting == 1, "what waited can still be taken"


def test_abandoned_frames_are_told_as_stopping_by_the_closing_notice() -> None:
    mailbox, skips = make_mailbox("wait", capacity=4)
    for index in range(3):
        mailbox.frame(make_frame("s", index, skipped={"max_fps": 1}))
    mailbox.notice(closing("r"))
    assert mailbox.abandon() == 3
    (notice,) = mailbox.take_notices()
    assert isinstance(notice, StateChange)
    assert notice.skipped == {"stopping": 3, "max_fps": 3}
    assert skips == [(Skip.STOPPING, 3)]


def test_a_frame_of_another_shape_is_not_taken() -> None:
    mailbox, _ = make_mailbox("wait")
    mailbox.frame(make_frame("s", 0, tall=True))
    assert mailbox.take((64, 32)) is None
    assert mailbox.take((32, 64)) is not None


def test_a_ring_before_the_wait_is_not_lost() -> None:
    bell = Bell()
    heard = bell.wait(0, 0.0)
    bell.ring()
    started = time.monotonic()
    assert bell.wait(heard, 5.0) == heard + 1
    assert time.monotonic() - started < 1.0
