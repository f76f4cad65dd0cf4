"""One stream's way into Redis: its claim, its numbers, and the batch in flight. No network in here.

A lane says which calls it wants now (`calls`) and is told what became of them (`answer`). It is owned by the
publisher's thread.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from worker.clock import Clock
from worker.draft import Draft
from worker.errors import RedisUnavailable
from worker.frame import Gap, GapCause
from worker.publish import scripts
from worker.publish.hold import Hold
from worker.publish.queue import GapDraft, PublishQueue
from worker.publish.reports import PublishReports, Unsent
from worker.publish.retry import retry_delay
from worker.publish.scripts import Call, Claimed, Failure, Fenced, Lost, Numbered, Refused, Trimming

STALE_AFTER = 15.0  # seconds of silence after which another worker may take a stream (design 12.3)
_BEAT_EVERY = 4.0  # seconds; at most 5 are promised
_ANNOUNCE_EVERY = 60.0  # seconds; the set of streams may be lost alone, in a cluster it lies on another node
_CLAIM_AGAIN = 0.5  # seconds added to the rest of the owner's time, and the least between two claims
_MAX_OWED = 100
_HISTORY_STEP = 1.0  # seconds
_HISTORY_LENGTH = 600


class _State(Enum):
    CLAIMING = auto()
    HELD = auto()
    GONE = auto()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who publishes: `writer` is a ULID of this process, `worker` the worker's name."""

    writer: str
    worker: str


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """What all lanes of a publisher share.

    Attributes:
        hold_for: consumer groups that must have read a record before files may push it out.
        batch: records in one script call.
    """

    identity: Identity
    trimming: Trimming
    gap_draft: GapDraft
    hold_for: tuple[str, ...] = ()
    batch: int = 100


class Lane:
    """See the module. `_high` is the last number that Redis ever acknowledged, `_acked` the last that it still has."""

    def __init__(self, queue: PublishQueue, settings: LaneSettings, reports: PublishReports, clock: Clock) -> None:
        self.queue = queue
        self.stream = queue.stream
        self._settings = settings
        self._reports = reports
        self._clock = clock
        self._state = _State.CLAIMING
        self._closing = False
        self._due = 0.0  # monotonic seconds of the next claim or sign of life
        self._announce_at = 0.0
        self._epoch = 0
        self._high = 0
        self._acked = 0
        self._run = ""
        self._ahead: Draft | None = None  # goes before the queue's first record
        self._lost: Draft | None = None  # the gap for what Redis has forgotten; takes the number `_high`
        self._batch: tuple[Draft, ...] = ()
        self._taken = 0  # of the batch, records that came from the queue
        self._left: Unsent | None = None
        self._releasing = False
        self._asked = False  # the last call is the hold's
        self._beside: list[Call] = []  # the calls after the first, without the hold's
        self._owed: deque[Call] = deque(maxlen=_MAX_OWED)  # copies and announcements that failed
        self._failures = 0
        self._not_before = 0.0  # monotonic seconds
        self._hold = Hold(queue, settings.trimming, settings.hold_for)
        self._history: deque[tuple[int, float]] = deque(maxlen=_HISTORY_LENGTH)  # (seq, wall time), about one a second

    @property
    def gone(self) -> bool:
        """Nothing more will come of this lane."""
        return self._state is _State.GONE

    @property
    def failing(self) -> bool:
        """The last call failed in a way that a retry may mend."""
        return self._failures > 0

    def close(self) -> None:
        """Send what waits, give the stream back, be gone."""
        self._closing = True

    def unsent(self) -> Unsent:
        """What has not arrived (and, once the lane is gone, never will)."""
        if self._left is not None:
            return self._left
        own = len(self._batch) - self._taken + (self._ahead is not None) + (self._lost is not None)
        return Unsent(self.queue.records + own, self.queue.frames)

    def due(self, now: float) -> float:
        """Monotonic seconds at which `calls` has something (`now` or earlier: at once)."""
        if self._state is _State.GONE:
            return float("inf")
        if self._closing or (self._state is _State.HELD and self._has_records()):
            return max(now, self._not_before)
        due = min(self._due, self._hold.due()) if self._state is _State.HELD else self._due
        return max(due, self._not_before)

    def calls(self, now: float) -> list[Call]:
        """What to ask of Redis now; the first call's answer decides, the others are copies and announcements.

        The same calls come again until `answer` was told of a success.
        """
        if now < self._not_before:
            return []
        who = self._settings.identity
        if self._state is _State.CLAIMING:
            if self._closing and not self._has_records():
                self._leave()
                return []
            if now < self._due and not self._closing:
                return []
            return [scripts.claim_call(self.stream, who.writer, who.worker, STALE_AFTER)]
        if self._state is _State.GONE:
            return []
        self._fill()
        self._releasing = self._closing and not self._batch and self._lost is None
        if self._releasing:
            return [scripts.release_call(self.stream, who.writer, self._epoch, clean=True)]
        return self._append_and_copies(now)

    def give_up(self) -> list[Call]:
        """The deadline is over: let another worker have the stream at once, but tell it that records are missing."""
        if self._state is not _State.HELD:
            return []
        return [scripts.release_call(self.stream, self._settings.identity.writer, self._epoch, clean=False)]

    def answer(self, replies: Sequence[Any], now: float) -> None:
        """What became of each of `calls`: a raw reply, or a Failure of that call alone. The first decides."""
        reply = replies[0]
        if isinstance(reply, Failure) and (isinstance(reply.error, RedisUnavailable) or reply.kind == "auth"):
            self._failures += 1
            self._not_before = now + retry_delay(self._failures, random.random())
            return
        self._failures = 0
        if isinstance(reply, Failure):
            self._leave()
            self._reports.stream_refused(self.stream, reply.error)
        elif self._state is _State.CLAIMING:
            self._on_claim(scripts.claim_answer(reply), now)
        elif self._releasing:
            self._leave()
        else:
            self._on_append(scripts.append_answer(reply), now)
            beside = zip(self._beside, replies[1:], strict=False)
            self._owed = deque((call for call, other in beside if isinstance(other, Failure)), maxlen=_MAX_OWED)
            if self._asked and not isinstance(replies[-1], Failure):
                self._hold.answer(replies[-1])

    def _has_records(self) -> bool:
        return bool(self._batch or self._lost or self._ahead or self.queue.records)

    def _fill(self) -> None:
        if self._batch:
            return
        ahead, self._ahead = self._ahead, None
        taken = self.queue.take(self._settings.batch)
        self._taken = len(taken)
        self._batch = (ahead, *taken) if ahead is not None else taken

    def _numbered(self) -> list[Numbered]:
        """The batch with its numbers: the same at every call until it has arrived (or the stream is claimed anew)."""
        pairs: list[tuple[int, Draft]] = list(enumerate(self._batch, self._high + 1))
        if self._lost is not None:
            pairs.insert(0, (self._high, self._lost))
        return [(seq, draft.type, draft.encode(self._epoch, seq)) for seq, draft in pairs]

    def _append_and_copies(self, now: float) -> list[Call]:
        """The batch or, when it is time, a sign of life; with it what goes to keys on other nodes of a cluster."""
        question = self._hold.calls(now)
        self._asked = bool(question)
        records = self._numbered()
        if not records and not question and now < self._due:
            return []
        self._beside = [*self._owed]
        if (not records or now >= self._announce_at) and not self._owed:
            self._announce_at = now + _ANNOUNCE_EVERY
            self._beside.append(scripts.announce_call(self.stream))
        self._beside += [scripts.status_call(record) for record in records if record[1].startswith("emotion.status.")]
        return [self._append(records), *self._beside, *question]

    def _append(self, records: Sequence[Numbered]) -> Call:
        run = self._batch[-1].run if self._batch else self._run
        settings = self._settings
        return scripts.append_call(
            self.stream, settings.identity.writer, self._epoch, self._acked, settings.trimming, run, records
        )

    def _on_claim(self, answer: Claimed | Refused, now: float) -> None:
        if isinstance(answer, Refused):
            retry = max(0.0, STALE_AFTER - answer.age_s) + _CLAIM_AGAIN
            self._due = now + retry
            if self._closing:
                self._leave()  # nobody waits for the other worker's end at our own
            self._reports.claim_refused(self.stream, answer.owner, answer.age_s, retry)
            return
        first = self._epoch == 0
        self._epoch = answer.epoch
        self._owed.append(scripts.announce_call(self.stream))
        self._announce_at = now + _ANNOUNCE_EVERY
        self._state = _State.HELD
        self._due = now  # announce it at once, quiet or not
        if first:
            self._high = self._acked = answer.seq
            if answer.open_run and answer.seq:
                self._ahead = self._restart_gap(answer)
        elif answer.seq < self._high:
            self._lose(answer.seq)
        else:
            self._lost = None
            other = answer.writer not in ("", self._settings.identity.writer)
            if answer.seq > self._high + (0 if other else len(self._batch)):
                self._high = answer.seq  # another writer came between: number on from there
            self._acked = self._high
        self._reports.stream_claimed(self.stream, answer.epoch, answer.seq)

    def _on_append(self, answer: scripts.Stored | Lost | Fenced, now: float) -> None:
        if isinstance(answer, Lost):
            if answer.absent:
                self._state, self._due = _State.CLAIMING, now
            else:
                self._lose(answer.seq)
        elif isinstance(answer, Fenced):
            if answer.epoch < self._epoch:  # a failover has forgotten our claim
                self._state, self._due = _State.CLAIMING, now
                return
            self._leave()
            self._reports.stream_taken(self.stream, answer.worker)
        else:
            self._on_stored(now)

    def _on_stored(self, now: float) -> None:
        self._due = now + _BEAT_EVERY
        drafts = self._batch if self._lost is None else (self._lost, *self._batch)
        self._high += len(self._batch)
        self._acked = self._high
        self._lost, self._batch, self._taken = None, (), 0
        self.queue.settle()
        if not drafts:
            return
        self._hold.published(len(drafts))
        self._run = drafts[-1].run
        at = drafts[-1].wall_s
        if not self._history or at - self._history[-1][1] >= _HISTORY_STEP:
            self._history.append((self._high, at))
        self._reports.published(self.stream, drafts, now)

    def _lose(self, stored: int) -> None:
        """Redis has forgotten what it acknowledged after `stored`: a gap takes the last lost number."""
        while len(self._history) > 1 and self._history[-1][0] > stored:
            self._history.pop()
        now = self._clock.wall()
        start = min(now, self._history[-1][1]) if self._history else now
        gap = Gap(self.stream, self._run, GapCause.REDIS_LOST, start, now)
        self._lost = self._settings.gap_draft(gap, (stored + 1, self._high))
        self._acked = stored

    def _restart_gap(self, claimed: Claimed) -> Draft:
        now = self._clock.wall()
        start = min(now, claimed.beat) if claimed.beat else now
        gap = Gap(self.stream, claimed.open_run, GapCause.WORKER_RESTART, start, now)
        return self._settings.gap_draft(gap, None)

    def _leave(self) -> None:
        self._left = self.unsent()
        self.queue.close()
        self._state = _State.GONE
