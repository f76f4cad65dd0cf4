"""Photos through the hall: a picture that somebody sends is a frame like any other, on a lane of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from worker.assembly.study import Author, StreamStudy
from worker.assembly.workshop import Workshop
from worker.clock import Clock, ulid
from worker.draft import Draft
from worker.events.stream_events import CropRequest, Stats, StreamEvents
from worker.face import Detection, Quality
from worker.frame import Frame, Pixels, Skip, StateChange
from worker.pipeline.batcher import Lane
from worker.pipeline.inference import InferenceThread
from worker.pipeline.mailbox import Mailbox
from worker.pipeline.ports import Latency
from worker.sources.pictures import picture_pictures
from worker.web.answers import Refusal
from worker.web.picture_file import NotAPicture, TooManyPixels, check_picture

ANSWER_S = 20.0


class PhotoDesk:
    """Answers one photo after another. `analyse` may be called from any thread."""

    def __init__(
        self, fresh: Callable[[], StreamEvents], workshop: Workshop, ring: Callable[[], None], clock: Clock
    ) -> None:
        """`fresh` makes the memory of one photo, `ring` wakes the hall."""
        self._shapes = workshop.detector.shapes
        self._clock = clock
        self._stream = f"photo-{ulid(clock.wall())}"  # no other stream has this id
        self._answers: SimpleQueue[Draft | str] = SimpleQueue()
        author = Author("photo", workshop.names(), timed=False)
        self._study = _PhotoStudy(fresh, author, self._answers)
        self._mailbox = Mailbox("keep_latest", 1, ring, lambda *_: None)  # a picture that was given up gives way
        self._one = threading.Lock()

    def open(self, hall: InferenceThread) -> None:
        """Join the hall."""
        hall.add(Lane(self._stream, self._mailbox, _Tray(self._answers)), self._study)

    def close(self) -> None:
        """Take no more photos."""
        self._mailbox.close()

    def analyse(self, data: bytes) -> dict[str, Any]:
        """The faces of the picture file `data`, as in the record of a frame.

        Raises:
            Refusal: 415 no picture, 413 too many pixels, 503 the worker stops or is too slow.
        """
        picture = read_picture(data)
        if not self._one.acquire(timeout=ANSWER_S):
            raise Refusal(503, "other pictures are being looked at: try again in a few seconds", {"Retry-After": "5"})
        try:
            return _told(self._ask(picture))
        finally:
            self._one.release()

    def _ask(self, picture: Pixels) -> Draft:
        run = ulid(self._clock.wall())
        pictures = picture_pictures(picture, self._shapes, keep_picture=False)
        frame = Frame(
            stream=self._stream,
            run=run,
            index=0,
            pts_s=None,
            captured_at=None,
            clock=None,
            arrived=self._clock.monotonic(),
            letterbox=pictures.letterbox,
            detector_input=pictures.detector_input,
            luma=pictures.luma,
        )
        if not self._mailbox.frame(frame):
            raise Refusal(503, "the worker stops: no more pictures are taken")
        end = self._clock.monotonic() + ANSWER_S
        while True:
            try:
                draft = self._answers.get(timeout=max(0.0, end - self._clock.monotonic()))
            except Empty:
                raise Refusal(503, f"no answer within {ANSWER_S:.0f} s: the worker has too much to do") from None
            if draft == run:
                raise Refusal(503, "the models failed on this picture: see the worker's log")
            if isinstance(draft, Draft) and draft.run == run:  # else the late answer to a picture that was given up
                return draft


class _PhotoStudy:
    """Each photo is a stream of its own: nothing is remembered from one to the next."""

    def __init__(self, fresh: Callable[[], StreamEvents], author: Author, answers: SimpleQueue[Draft | str]) -> None:
        self._fresh = fresh
        self._author = author
        self._answers = answers
        self._photo = StreamStudy(fresh(), author, _uncounted)

    def begin(self, frame: Frame, detections: Sequence[Detection]) -> list[CropRequest]:
        self._photo = StreamStudy(self._fresh(), self._author, _uncounted)
        return self._photo.begin(frame, detections)

    def refuses(self, quality: Quality) -> bool:
        return self._photo.refuses(quality)

    def finish(
        self,
        frame: Frame,
        qualities: Sequence[Quality],
        results: Sequence[npt.NDArray[np.float32] | None],
        latency_s: Latency,
    ) -> Draft:
        return self._photo.finish(frame, qualities, results, latency_s)

    def skip(self, frame: Frame, _reason: Skip) -> None:
        """The models failed on the picture: its run is the answer."""
        self._answers.put(frame.run)

    def carry(self, change: StateChange) -> StateChange:
        return change


class _Tray:
    """An outbox from which the one who waits takes the answer."""

    def __init__(self, answers: SimpleQueue[Draft | str]) -> None:
        self._answers = answers

    def reserve(self) -> bool:
        return True

    def put(self, draft: Draft) -> None:
        self._answers.put(draft)

    def cancel_reservation(self) -> None:
        """Nothing was taken."""


def read_picture(data: bytes) -> Pixels:
    """The upright picture (EXIF) as (height, width, 3) uint8 BGR, read as `worker.sources.photos` reads files.

    Raises:
        Refusal: 415 no picture or a damaged one, 413 too many pixels.
    """
    try:
        check_picture(data)
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except NotAPicture as error:
        raise Refusal(415, str(error)) from None
    except TooManyPixels as error:
        raise Refusal(413, str(error)) from None
    except cv2.error:
        picture = None
    if picture is None:
        raise Refusal(415, "the picture is damaged: save it again as JPEG or PNG")
    return np.asarray(picture, np.uint8)


def _told(draft: Draft) -> dict[str, Any]:
    record = json.loads(draft.body)
    frame = record["frame"]
    return {
        "width": frame["width"],
        "height": frame["height"],
        "faces": record["faces"],
        "models": record["models"],
    }


def _uncounted(_stream: str, _stats: Stats) -> None:
    """Photos are no part of the streams' numbers."""
