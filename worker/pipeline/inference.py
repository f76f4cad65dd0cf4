"""What happens to a batch: detect, track, crop, classify, tell; and the one thread that does it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from worker.clock import Clock
from worker.errors import BackendError
from worker.face import Detection, Quality
from worker.frame import Frame, Pixels, Skip, StateChange
from worker.pipeline.batcher import Batch, Batcher, Lane
from worker.pipeline.mailbox import Bell
from worker.pipeline.ports import Classify, Crop, Detect, Report, Study, Write

_Probabilities = npt.NDArray[np.float32]

IDLE_S = 0.25
"""The thread beats at least this often, also with nothing to do."""

_GIVE_UP_S = 30.0
_IDLE_S = 10.0
"""Two failures further apart say nothing of the time between them: nothing was asked."""


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Seconds that a frame spent in each stage; `total_s` from the frame's arrival to its record."""

    decode_s: float
    wait_s: float
    detect_s: float
    classify_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Models:
    """The workshop, as the hall uses it."""

    detect: Detect
    crop: Crop
    classify: Classify


class Inference:
    """Turns batches into records. Owned by one thread; holds each stream's study.

    A batch that the runtime cannot infer costs its frames. After half a minute of nothing else the error is raised:
    the device does not come back by itself, and whoever watches the worker can start it again.
    """

    def __init__(self, models: Models, write: Write, report: Report, clock: Clock) -> None:
        self._models = models
        self._write = write
        self._report = report
        self._clock = clock
        self._studies: dict[str, Study] = {}
        self._failing_since: float | None = None
        self._failed_at = 0.0

    def add(self, stream: str, study: Study) -> None:
        """Make a stream known before its first frame."""
        self._studies[stream] = study

    def remove(self, stream: str) -> None:
        """Forget a stream that has ended."""
        self._studies.pop(stream, None)

    def process(self, batch: Batch) -> None:
        """Tell the batch's notices, then infer its frames and put a record of each into its stream's outbox.

        Raises:
            BackendError: nothing could be inferred for half a minute.
        """
        for lane, notice in batch.notices:
            told = self._studies[lane.stream].carry(notice) if isinstance(notice, StateChange) else notice
            lane.outbox.put(self._write(told))
        if not batch.frames:
            return
        self._report.batch(len(batch.frames))
        started = self._clock.monotonic()
        self._infer(batch.frames, started)

    def _infer(self, frames: Sequence[tuple[Lane, Frame]], started: float) -> None:
        """Detect and tell. Of a batch that fails, each frame is tried alone, in order: one may spoil it for all."""
        inputs = np.stack([frame.detector_input for _, frame in frames])
        try:
            detections = self._models.detect(inputs, [frame.letterbox for _, frame in frames])
        except BackendError as error:
            if len(frames) == 1:
                self._fail(frames, error, started)
                return
            for one in frames:
                self._infer([one], started)
            return
        detect_s = self._clock.monotonic() - started
        self._report.stage("detect", detect_s)
        for part in _rounds([_Found(*pair, faces) for pair, faces in zip(frames, detections, strict=True)]):
            self._tell(part, started, detect_s)

    def _tell(self, part: Sequence[_Found], started: float, detect_s: float) -> None:
        """One round: at most one frame a stream. All crops of the round are classified together."""
        tracking = self._clock.monotonic()
        looks = [self._look(found) for found in part]
        classifying = self._clock.monotonic()
        self._report.stage("track", classifying - tracking)
        results = self._classified(part, looks, started)
        now = self._clock.monotonic()
        if any(look.crops for look in looks):
            self._report.stage("classify", now - classifying)
        for found, look, result in zip(part, looks, results, strict=True):
            if result is None:
                continue
            self._failing_since = None
            frame = found.frame
            times = StageTimes(
                decode_s=frame.decode_s + frame.convert_s,
                wait_s=max(0.0, started - frame.arrived),
                detect_s=detect_s,
                classify_s=now - classifying,
                total_s=max(0.0, now - frame.arrived),
            )
            self._report.stage("wait", times.wait_s)
            found.lane.outbox.put(self._studies[frame.stream].finish(frame, look.qualities, result, times))

    def _classified(
        self, part: Sequence[_Found], looks: Sequence[_Look], started: float
    ) -> list[list[_Probabilities | None] | None]:
        """The result of each crop of each look, None for crops that are not worth it. None for a look that failed.

        As with detection, looks are tried one by one where they fail together.
        """
        crops = [crop for look in looks for crop in look.crops if crop is not None]
        try:
            probabilities = iter(self._models.classify(np.stack(crops)) if crops else ())
        except BackendError as error:
            if len(part) > 1:
                pairs = zip(part, looks, strict=True)
                return [result for found, look in pairs for result in self._classified([found], [look], started)]
            self._fail([(found.lane, found.frame) for found in part], error, started)
            return [None]
        return [[None if crop is None else next(probabilities) for crop in look.crops] for look in looks]

    def _look(self, found: _Found) -> _Look:
        """Update the stream's tracks and cut the faces that it wants to see; None for a crop not worth classifying."""
        study = self._studies[found.frame.stream]
        look = _Look([], [])
        for request in study.begin(found.frame, found.detections):
            crop, quality = self._models.crop(found.frame.luma, request.box)
            look.crops.append(None if study.refuses(quality) else crop)
            look.qualities.append(quality)
        return look

    def _fail(self, frames: Sequence[tuple[Lane, Frame]], error: BackendError, started: float) -> None:
        """No record for these frames: they are counted, and the next record of their run tells them."""
        self._report.inference_failed(error)
        for lane, frame in frames:
            self._studies[frame.stream].skip(frame, Skip.INFERENCE_ERROR)
            lane.outbox.cancel_reservation()
            self._report.skipped(frame.stream, Skip.INFERENCE_ERROR, 1)
        now = self._clock.monotonic()
        if self._failing_since is None or started - self._failed_at > _IDLE_S:
            self._failing_since = now
        self._failed_at = now
        if now - self._failing_since > _GIVE_UP_S:
            raise error


@dataclass(frozen=True, slots=True)
class _Found:
    lane: Lane
    frame: Frame
    detections: list[Detection]


@dataclass(frozen=True, slots=True)
class _Look:
    crops: list[Pixels | None]
    qualities: list[Quality]


def _rounds(rest: list[_Found]) -> Iterator[list[_Found]]:
    """Split a batch so that each part has at most one frame of a stream, in order: a track needs its past first."""
    while rest:
        part: dict[str, _Found] = {}
        later: list[_Found] = []
        for found in rest:
            if found.lane.stream in part:
                later.append(found)
            else:
                part[found.lane.stream] = found
        yield list(part.values())
        rest = later


class InferenceThread:
    """The thread `inference`: gathers batches until it is told to drain. One owner starts, drains and joins it."""

    def __init__(
        self,
        inference: Inference,
        batcher: Batcher,
        bell: Bell,
        clock: Clock,
        failed: Callable[[BaseException], None],
        max_wait_s: float = 0.0,
    ) -> None:
        """`failed` is called once, from this thread, with the error that ended it.

        `max_wait_s`: how long the first frame after an idle moment waits for company.
        """
        self._inference = inference
        self._batcher = batcher
        self._bell = bell
        self._clock = clock
        self._failed = failed
        self._max_wait_s = max_wait_s
        self._lock = threading.Lock()
        self._lanes: dict[str, Lane] = {}
        self._arriving: list[tuple[Lane, Study]] = []
        self._leaving: dict[str, Callable[[], None]] = {}
        self._draining = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self.beat = clock.monotonic()
        self.busy_s = 0.0

    def start(self) -> None:
        self._thread.start()

    def add(self, lane: Lane, study: Study) -> None:
        """Take a stream in; its mailbox is looked at from the next batch on."""
        with self._lock:
            self._arriving.append((lane, study))
        self._bell.ring()

    def remove(self, stream: str, gone: Callable[[], None]) -> None:
        """Let a stream go once its mailbox is empty; `gone` is called then. Only after that may its id come back."""
        with self._lock:
            self._leaving[stream] = gone
        self._bell.ring()

    def drain(self) -> None:
        """Go on until every mailbox is empty, then end. Close or abandon the mailboxes first."""
        self._draining.set()
        self._bell.ring()

    def join(self, seconds: float) -> bool:
        """Wait for the end; False: it still runs."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:  # noqa: BLE001 - the thread's outermost loop: the owner must know whatever it was
            self._failed(error)

    def _loop(self) -> None:
        heard = 0
        while True:
            self.beat = self._clock.monotonic()
            self._take_in_and_let_go()
            batch = self._batcher.gather(self._lanes.values())
            if batch:
                self._inference.process(batch)
                self.busy_s += self._clock.monotonic() - self.beat
                continue
            if self._draining.is_set() and all(lane.mailbox.empty for lane in self._lanes.values()):
                return
            heard = self._bell.wait(heard, IDLE_S)
            if self._max_wait_s:
                self._clock.wait(self._draining, self._max_wait_s)

    def _take_in_and_let_go(self) -> None:
        with self._lock:
            arriving, self._arriving = self._arriving, []
            for lane, study in arriving:
                self._lanes[lane.stream] = lane
                self._inference.add(lane.stream, study)
            gone = [name for name in self._leaving if name not in self._lanes or self._lanes[name].mailbox.empty]
            told = [self._leaving.pop(name) for name in gone]
        for name in gone:
            self._lanes.pop(name, None)
            self._inference.remove(name)
        for tell in told:
            tell()
