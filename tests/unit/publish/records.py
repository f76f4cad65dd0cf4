"""Drafts for tests, a stand-in for the study's gap records, and reports that remember."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.clock import iso
from worker.draft import Draft
from worker.errors import WorkerError
from worker.frame import Gap
from worker.publish.queue import MissingSeq

RUN = "01KA0000000000000000000000"


def frame_draft(stream: str, index: int, *, skipped: int = 0, run: str = RUN) -> Draft:
    """A frame record that accounts for 1 + `skipped` frames."""
    body = json.dumps({"run": run, "frame": {"index": index}, "skipped": {"max_fps": skipped} if skipped else {}})
    return Draft(stream, "emotion.frame.v1", body.encode(), 1 + skipped, run, 1000.0 + index, 0.0)


def status_draft(stream: str, state: str, *, skipped: int = 0, run: str = RUN) -> Draft:
    """A status record that accounts for `skipped` frames."""
    body = json.dumps({"run": run, "state": state, "skipped": {"stopping": skipped} if skipped else {}})
    return Draft(stream, "emotion.status.v1", body.encode(), skipped, run, 2000.0)


def gap_draft(gap: Gap, missing_seq: MissingSeq | None) -> Draft:
    """The study's gap record, as far as tests look at it."""
    body = json.dumps(
        {
            "run": gap.run,
            "cause": str(gap.cause),
            "from": iso(gap.start),
            "to": iso(gap.end),
            "frames": gap.frames,
            "missing_seq": missing_seq,
        }
    )
    return Draft(gap.stream, "emotion.gap.v1", body.encode(), 0, gap.run, gap.end)


@dataclass
class Remembered:
    """PublishReports that keeps all it is told."""

    drafts: list[Draft] = field(default_factory=list)
    ups: list[bool] = field(default_factory=list)
    errors: list[tuple[str, WorkerError]] = field(default_factory=list)
    claims: list[tuple[str, int, int]] = field(default_factory=list)
    refusals: list[tuple[str, str, float, float]] = field(default_factory=list)
    taken: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, WorkerError]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    news: threading.Event = field(default_factory=threading.Event)

    def published(self, stream: str, drafts: Sequence[Draft], at: float) -> None:
        self.drafts += drafts
        self.news.set()

    def redis_up(self, up: bool) -> None:
        self.ups.append(up)
        self.news.set()

    def publish_error(self, kind: str, error: WorkerError) -> None:
        self.errors.append((kind, error))
        self.news.set()

    def stream_claimed(self, stream: str, epoch: int, seq: int) -> None:
        self.claims.append((stream, epoch, seq))
        self.news.set()

    def claim_refused(self, stream: str, owner: str, age_s: float, retry_s: float) -> None:
        self.refusals.append((stream, owner, age_s, retry_s))
        self.news.set()

    def stream_taken(self, stream: str, owner: str) -> None:
        self.taken.append((stream, owner))
        self.news.set()

    def stream_refused(self, stream: str, error: WorkerError) -> None:
        self.refused.append((stream, error))
        self.news.set()

    def failed(self, error: BaseException) -> None:
        self.failures.append(error)
        self.news.set()
