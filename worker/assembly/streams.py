"""The streams that run: what belongs to each, from its source to its queue."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from worker.assembly.door import running_options
from worker.assembly.live import LastFrames
from worker.assembly.post import Post
from worker.assembly.reports import StreamStates, source_report
from worker.assembly.study import StreamStudy
from worker.clock import Clock
from worker.frame import State
from worker.pipeline.batcher import Lane
from worker.pipeline.inference import InferenceThread
from worker.pipeline.mailbox import Bell, Mailbox
from worker.publish.queue import PublishQueue
from worker.settings import Settings, StreamSettings
from worker.sources.source_thread import SourceThread
from worker.web.metrics import Metrics

_FINAL = frozenset({State.ENDED, State.FAILED, State.STOPPED})


@dataclass(slots=True)
class _Stream:
    """One stream's furniture. `dropped`: frame records that its queue had given up when last looked at."""

    settings: StreamSettings
    mailbox: Mailbox
    queue: PublishQueue
    source: SourceThread
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Rooms:
    """What a stream is plugged into. `study` makes a stream's memory; `shapes` are the detector's."""

    metrics: Metrics
    states: StreamStates
    last: LastFrames
    bell: Bell
    hall: InferenceThread
    post: Post
    study: Callable[[StreamSettings], StreamStudy]
    shapes: tuple[tuple[int, int], ...]


class Streams:
    """Takes streams in and lets them go; the others do not notice. Changed on the main thread, read on any."""

    def __init__(self, rooms: Rooms, settings: Settings, clock: Clock) -> None:
        self._rooms = rooms
        self._settings = settings
        self._wait_frames = settings.pipeline.wait_frames
        self._queue_records = settings.publish.queue_records
        self._clock = clock
        self._streams: dict[str, _Stream] = {}

    def add(self, stream: StreamSettings) -> None:
        """Take a stream in."""
        rooms = self._rooms
        rooms.metrics.stream_added(stream.id)
        policy = stream.mailbox_policy
        mailbox = Mailbox(
            policy,
            self._wait_frames,
            rooms.bell.ring,
            lambda reason, count: rooms.metrics.skipped(stream.id, reason, count),
        )
        queue = PublishQueue(stream.id, policy, self._queue_records, rooms.post.gap_draft)
        report = source_report(rooms.metrics, rooms.states, self._clock, stream.live)
        source = SourceThread(running_options(stream, rooms.shapes, self._settings), mailbox, self._clock, report)
        self._streams = self._streams | {stream.id: _Stream(stream, mailbox, queue, source)}
        rooms.post.publisher.add(queue)
        rooms.hall.add(Lane(stream.id, mailbox, queue), rooms.study(stream))
        source.start()

    def remove(self, stream: str, seconds: float) -> None:
        """Stop a stream and let it go: its thread, its memory and its series. Each step takes at most `seconds`.

        Its last records, the closing status among them, still leave.
        """
        rooms = self._rooms
        leaving = self._streams[stream]
        self._streams = {name: other for name, other in self._streams.items() if name != stream}
        leaving.source.stop(seconds)
        gone = threading.Event()
        rooms.hall.remove(stream, gone.set)
        if not self._clock.wait(gone, seconds):  # no credit: the target is away
            leaving.mailbox.abandon()
            self._clock.wait(gone, seconds)
        rooms.post.publisher.remove(leaving.queue)
        rooms.states.forget(stream)
        rooms.last.forget(stream)
        rooms.metrics.stream_removed(stream)

    def stop_lost(self) -> None:
        """Stop reading streams whose records cannot leave any more (another worker has them, or Redis refuses)."""
        states = self._rooms.states.all()
        for name, stream in self._streams.items():
            if stream.queue.closed and states.get(name) not in _FINAL:
                stream.source.request_stop()

    def settings(self) -> list[StreamSettings]:
        """Settings of the streams that run."""
        return [stream.settings for stream in self._streams.values()]

    def ids(self) -> list[str]:
        return list(self._streams)

    def sources(self) -> list[SourceThread]:
        return [stream.source for stream in self._streams.values()]

    @property
    def all_over(self) -> bool:
        """Whether there are streams, and none of them has anything left to do."""
        states = self._rooms.states.all()
        return bool(self._streams) and all(states.get(stream) in _FINAL for stream in self._streams)

    def waiting(self) -> int:
        """Records in memory on their way to the target."""
        return sum(stream.queue.records for stream in self._streams.values())

    def has_room(self) -> bool:
        """Whether some queue can take a record without dropping another."""
        streams = self._streams.values()
        return not streams or any(stream.queue.records < self._queue_records for stream in streams)

    def count_dropped(self) -> None:
        """Tell the metrics of frames whose records queues gave up."""
        for name, stream in self._streams.items():
            dropped = stream.queue.dropped
            if dropped > stream.dropped:
                self._rooms.metrics.dropped(name, dropped - stream.dropped)
                stream.dropped = dropped

    def close_mailboxes(self) -> None:
        """Nothing new comes; what waits is still analysed."""
        for stream in self._streams.values():
            stream.mailbox.close()

    def abandon_mailboxes(self) -> None:
        """What waits is not analysed any more: it is told as `stopping`."""
        for stream in self._streams.values():
            stream.mailbox.abandon()
