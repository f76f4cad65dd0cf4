"""What the post tells the rest of the house. `assembly` connects it to metrics, logs and the streams' states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from worker.draft import Draft
from worker.errors import WorkerError


class PublishReports(Protocol):
    """Called on the publisher's thread; must be quick and must not raise."""

    def published(self, stream: str, drafts: Sequence[Draft], at: float) -> None:
        """`drafts` are stored; their places in the queue are free again. `at`: monotonic seconds of the answer."""

    def redis_up(self, up: bool) -> None:
        """Redis began or ceased to take records. Told on change only, and once at the first answer."""

    def publish_error(self, kind: str, error: WorkerError) -> None:
        """A call failed; `kind` is a closed word (`connection`, `timeout`, `auth`, `oom`, ...). It will be retried."""

    def stream_claimed(self, stream: str, epoch: int, seq: int) -> None:
        """The stream is ours; its last stored record is `seq` (0: none)."""

    def claim_refused(self, stream: str, owner: str, age_s: float, retry_s: float) -> None:
        """Worker `owner` publishes the stream and was alive `age_s` ago; the claim is repeated after `retry_s`."""

    def stream_taken(self, stream: str, owner: str) -> None:
        """Worker `owner` has taken the stream over: it is closed here, its records leave no more."""

    def stream_refused(self, stream: str, error: WorkerError) -> None:
        """Redis refuses this stream for good (a key of a wrong type): it is closed here."""

    def failed(self, error: BaseException) -> None:
        """The publisher's thread has ended by `error`; nothing leaves any more."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """What could not leave, before the deadline or before another worker took the stream over.

    Records, and the decoded frames that they accounted for.
    """

    records: int
    frames: int


def add_unsent(unsent: dict[str, Unsent], stream: str, more: Unsent) -> None:
    """Add `more` of a stream to what is counted already."""
    if more.records:
        before = unsent.get(stream, Unsent(0, 0))
        unsent[stream] = Unsent(before.records + more.records, before.frames + more.frames)
