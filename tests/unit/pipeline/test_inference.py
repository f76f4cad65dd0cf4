"""The inference thread: what it does with a batch, with errors, and at the end."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from tests.unit.pipeline.scene import CountingOutbox, CountingStudy, SilentReport, cut, make_frame
from worker.clock import SystemClock
from worker.draft import Draft
from worker.errors import BackendError
from worker.face import Box, Detection
from worker.frame import Letterbox, Notice, Pixels, Skip, State, StateChange
from worker.pipeline.batcher import Batch, Batcher, Lane
from worker.pipeline.inference import Inference, InferenceThread, Models
from worker.pipeline.mailbox import Bell, Mailbox


class OneFaceEach:
    """Stands in for the detector: one face a picture whose box tells the picture's value; fails when told to."""

    def __init__(self) -> None:
        self.fails = 0

    def __call__(self, inputs: Pixels, letterboxes: Sequence[Letterbox]) -> list[list[Detection]]:
        if self.fails:
            self.fails -= 1
            raise BackendError("the device is gone")
        return [[Detection(Box(float(x[0, 0, 0]), 0, 9, 9), 0.9)] for x in inputs]


def certain(crops: Pixels) -> npt.NDArray[np.float32]:
    return np.tile(np.eye(7, dtype=np.float32)[3], (len(crops), 1))


def write(notice: Notice) -> Draft:
    assert isinstance(notice, StateChange)
    body = json.dumps({"skipped": dict(notice.skipped)}).encode()
    return Draft(notice.stream, "emotion.status.v1", body, sum(notice.skipped.values()), notice.run, notice.at)


def make_lane(name: str, bell: Bell) -> Lane:
    return Lane(name, Mailbox("wait", 100, bell.ring, lambda reason, count: None), CountingOutbox())


def outbox(lane: Lane) -> CountingOutbox:
    assert isinstance(lane.outbox, CountingOutbox)
    return lane.outbox


def test_frames_of_one_stream_in_a_batch_are_told_in_order() -> None:
    inference = Inference(Models(OneFaceEach(), cut, certain), write, SilentReport(), SystemClock())
    bell = Bell()
    a, b = make_lane("a", bell), make_lane("b", bell)
    inference.add("a", CountingStudy())
    inference.add("b", CountingStudy())
    frames = [(a, make_frame("a", 0)), (b, make_frame("b", 4)), (a, make_frame("a", 1)), (a, make_frame("a", 2))]
    inference.process(Batch(frames=frames))
    assert [json.loads(draft.body)["index"] for draft in outbox(a).drafts] == [0, 1, 2]
    assert [json.loads(draft.body)["index"] for draft in outbox(b).drafts] == [4]


def test_each_face_gets_its_own_result_and_refused_crops_get_none() -> None:
    def of_the_crops(crops: Pixels) -> npt.NDArray[np.float32]:
        return np.repeat(crops[:, :1, 0].astype(np.float32), 7, axis=1)

    inference = Inference(Models(OneFaceEach(), cut, of_the_crops), write, SilentReport(), SystemClock())
    lanes = {name: make_lane(name, Bell()) for name in "abc"}
    studies = {name: CountingStudy() for name in lanes}
    for name, study in studies.items():
        inference.add(name, study)
    indices = {"a": 12, "b": 13, "c": 14}
    inference.process(Batch(frames=[(lanes[name], make_frame(name, index)) for name, index in indices.items()]))
    results = {name: study.results for name, study in studies.items()}
    assert results["b"] == [None]
    assert [float(r[0]) for name in "ac" for r in results[name] if r is not None] == [12.0, 14.0]


def test_a_failed_batch_is_accounted_for_by_the_next_record_of_its_run() -> None:
    detect = OneFaceEach()
    report = SilentReport()
    inference = Inference(Models(detect, cut, certain), write, report, SystemClock())
    lane = make_lane("a", Bell())
    inference.add("a", CountingStudy())
    detect.fails = 3  # the batch, and then each of its two frames alone
    inference.process(Batch(frames=[(lane, make_frame("a", 0)), (lane, make_frame("a", 2, skipped={"max_fps": 1}))]))
    assert outbox(lane).drafts == []
    assert report.skips == [("a", Skip.INFERENCE_ERROR, 1)] * 2
    inference.process(Batch(frames=[(lane, make_frame("a", 3))]))
    assert [draft.frames for draft in outbox(lane).drafts] == [4]


@pytest.mark.parametrize("stage", ["detect", "classify"])
def test_one_frame_that_fails_costs_no_other_its_record(stage: str) -> None:
    """Frames 1 of both streams are poison wherever they are; the ledger of each stream adds up in order."""

    def detect(inputs: Pixels, letterboxes: Sequence[Letterbox]) -> list[list[Detection]]:
        if stage == "detect" and any(x[0, 0, 0] == 11 for x in inputs):
            raise BackendError("no numbers")
        return OneFaceEach()(inputs, letterboxes)

    def classify(crops: Pixels) -> npt.NDArray[np.float32]:
        if stage == "classify" and (crops[:, 0, 0] == 11).any():
            raise BackendError("no numbers")
        return certain(crops)

    report = SilentReport()
    inference = Inference(Models(detect, cut, classify), write, report, SystemClock())
    lanes = {name: make_lane(name, Bell()) for name in "ab"}
    for name in lanes:
        inference.add(name, CountingStudy())
    frames = [(lanes[name], make_frame(name, index)) for index in (10, 11, 12) for name in "ab"]
    inference.process(Batch(frames=frames))
    for lane in lanes.values():
        assert [json.loads(draft.body)["index"] for draft in outbox(lane).drafts] == [10, 12]
        assert [draft.frames for draft in outbox(lane).drafts] == [1, 2]
    assert sorted(report.skips) == [("a", Skip.INFERENCE_ERROR, 1), ("b", Skip.INFERENCE_ERROR, 1)]


class Hours(SystemClock):
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_a_device_that_does_not_come_back_is_given_up_after_half_a_minute() -> None:
    detect, clock = OneFaceEach(), Hours()
    inference = Inference(Models(detect, cut, certain), write, SilentReport(), clock)
    lane = make_lane("a", Bell())
    inference.add("a", CountingStudy())
    for index in range(5):  # now and then a batch fails
        detect.fails = index % 2
        inference.process(Batch(frames=[(lane, make_frame("a", index))]))
        clock.now += 25
    detect.fails = 100
    for index in range(100, 103):  # hours apart: nothing was asked in between
        inference.process(Batch(frames=[(lane, make_frame("a", index))]))
        clock.now += 3600
    for index in range(5, 9):
        inference.process(Batch(frames=[(lane, make_frame("a", index))]))
        clock.now += 10
    with pytest.raises(BackendError, match="the device is gone"):
        inference.process(Batch(frames=[(lane, make_frame("a", 9))]))


def test_a_failed_last_frame_is_told_by_the_closing_notice() -> None:
    detect = OneFaceEach()
    inference = Inference(Models(detect, cut, certain), write, SilentReport(), SystemClock())
    lane = make_lane("a", Bell())
    inference.add("a", CountingStudy())
    detect.fails = 1
    inference.process(Batch(frames=[(lane, make_frame("a", 0))]))
    end = StateChange("a", "r", State.ENDED, State.LIVE, "the file ended", 1e9, closes_run=True)
    inference.process(Batch(notices=[(lane, end)]))
    assert [json.loads(draft.body) for draft in outbox(lane).drafts] == [{"skipped": {"inference_error": 1}}]


def test_the_thread_drains_what_waits_and_ends() -> None:
    bell, failures = Bell(), list[BaseException]()
    inference = Inference(Models(OneFaceEach(), cut, certain), write, SilentReport(), SystemClock())
    thread = InferenceThread(inference, Batcher(8), bell, SystemClock(), failures.append)
    lane = make_lane("a", bell)
    thread.add(lane, CountingStudy())
    thread.start()
    for index in range(50):
        assert lane.mailbox.frame(make_frame("a", index))
    lane.mailbox.close()
    thread.drain()
    assert thread.join(5)
    assert [json.loads(draft.body)["index"] for draft in outbox(lane).drafts] == list(range(50))
    assert failures == []


def test_an_unexpected_error_ends_the_thread_and_reaches_the_owner() -> None:
    def broken(inputs: Pixels, letterboxes: Sequence[Letterbox]) -> list[list[Detection]]:
        raise ZeroDivisionError("nobody thought of this")

    bell, told = Bell(), threading.Event()
    failures: list[BaseException] = []

    def failed(error: BaseException) -> None:
        failures.append(error)
        told.set()

    inference = Inference(Models(broken, cut, certain), write, SilentReport(), SystemClock())
    thread = InferenceThread(inference, Batcher(8), bell, SystemClock(), failed)
    lane = make_lane("a", bell)
    thread.add(lane, CountingStudy())
    thread.start()
    lane.mailbox.frame(make_frame("a", 0))
    assert told.wait(5)
    assert thread.join(5)
    assert [type(error) for error in failures] == [ZeroDivisionError]


def test_a_removed_stream_is_let_go_once_its_mailbox_is_empty() -> None:
    bell, failures = Bell(), list[BaseException]()
    inference = Inference(Models(OneFaceEach(), cut, certain), write, SilentReport(), SystemClock())
    thread = InferenceThread(inference, Batcher(8), bell, SystemClock(), failures.append)
    lane = make_lane("a", bell)
    thread.add(lane, CountingStudy())
    lane.mailbox.frame(make_frame("a", 0))
    gone = threading.Event()
    thread.remove("a", gone.set)
    thread.start()
    thread.drain()
    assert thread.join(5)
    assert gone.is_set()
    assert len(outbox(lane).drafts) == 1
    with pytest.raises(KeyError):
        inference.process(Batch(frames=[(lane, make_frame("a", 1))]))
