"""One file, photo or folder of photos through the models: no threads, no clock, the same records every time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from worker.assembly.study import Author, StreamStudy, stream_events
from worker.assembly.workshop import Workshop
from worker.clock import SystemClock
from worker.draft import Draft
from worker.errors import SourceError
from worker.events.reading import Reading
from worker.events.stream_events import Stats
from worker.frame import Frame, Gap, Skip, State, StateChange
from worker.pipeline.batcher import Batch, Lane
from worker.pipeline.inference import Inference
from worker.pipeline.mailbox import Mailbox
from worker.settings import EventsSettings
from worker.sources.file_frames import frames_and_gaps_of, run_id
from worker.sources.options import SourceOptions, is_pictures

_CUDA_BATCH = 16


class _Tray:
    """An outbox that keeps what it is given, in order."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []

    def reserve(self) -> bool:
        return True

    def put(self, draft: Draft) -> None:
        self.drafts.append(draft)

    def cancel_reservation(self) -> None:
        """Nothing was taken."""


class _Quiet:
    """A report that nobody reads; an error of the models ends the analysis instead of being counted."""

    def batch(self, frames: int) -> None: ...

    def stage(self, name: str, seconds: float) -> None: ...

    def skipped(self, stream: str, reason: Skip, frames: int) -> None: ...

    def inference_failed(self, error: Exception) -> None:
        raise error


class Analysis:
    """Analyses one source after another with the same models. Every face of every frame is classified."""

    def __init__(self, workshop: Workshop, author: Author) -> None:
        self._workshop = workshop
        self._author = author
        self._batch = _CUDA_BATCH if workshop.choice.device == "cuda" else 1

    def records(
        self, options: SourceOptions, failed: Callable[[SourceError], None]
    ) -> Iterator[tuple[Frame | None, bytes]]:
        """Each decoded frame with its record; without a frame, gaps in their place and the record that closes the run.

        Records are whole JSON objects (UTF-8), numbered from 1 in epoch 1. If the source cannot be read to its end,
        `failed` is told why, and the closing record says so.

        Raises:
            BackendError: the models failed.
        """
        number = 0
        reason, state = "the end of the source", State.ENDED
        tray, inference, lane = self._furnish(options)
        try:
            for batch in _batched(frames_and_gaps_of(options), self._batch):
                inference.process(Batch(frames=[(lane, item) for item in batch if isinstance(item, Frame)]))
                drafts = iter(tray.drafts)
                for item in batch:
                    number += 1
                    if isinstance(item, Gap):
                        yield None, self._author.notice(item).encode(1, number)
                    else:
                        yield item, next(drafts).encode(1, number)
                tray.drafts.clear()
        except SourceError as error:
            reason, state = str(error), State.FAILED
            failed(error)
        last = StateChange(options.stream, run_id(options, 0.0), state, None, reason, 0.0, closes_run=True)
        yield None, self._author.notice(last).encode(1, number + 1)

    def _furnish(self, options: SourceOptions) -> tuple[_Tray, Inference, Lane]:
        tray = _Tray()
        inference = Inference(self._workshop.for_hall(), self._author.notice, _Quiet(), SystemClock())
        reading = Reading.PHOTOS if is_pictures(options.url) else Reading.EVERY
        events = stream_events(self._workshop, EventsSettings(), reading)
        inference.add(options.stream, StreamStudy(events, self._author, _unread))
        mailbox = Mailbox("wait", 1, lambda: None, lambda *_: None)
        return tray, inference, Lane(options.stream, mailbox, tray)


def _batched(items: Iterator[Frame | Gap], size: int) -> Iterator[list[Frame | Gap]]:
    """Lists of at most `size` frames of one input shape, and the gaps between them.

    If the source fails, what came before is given first.
    """
    batch: list[Frame | Gap] = []
    shapes: list[tuple[int, int]] = []
    try:
        for item in items:
            if isinstance(item, Frame):
                if len(shapes) == size or any(shape != item.shape for shape in shapes):
                    yield batch
                    batch, shapes = [], []
                shapes.append(item.shape)
            batch.append(item)
    except SourceError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _unread(_stream: str, _stats: Stats) -> None:
    """Offline, the records themselves are all that is counted."""
