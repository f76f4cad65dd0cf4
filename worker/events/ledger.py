"""The ledger's checker: do the records of a stream account for every decoded frame, once and in order?

Two identities are checked (design: the ledger). Of records: `seq` rises by one, and what is missing is told by a gap
with `missing_seq`. Of frames: between two events of a run, the difference of `frame.index` is 1 + what was skipped +
what gaps tell. A stream that was trimmed is checked from its first entry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from worker.events import schema

_KEPT = 1000  # findings kept with their text; all are counted
_HIDING = {"spool_full", "redis_lost", "worker_restart", "taken_over"}
"""Gaps that may hide decoded frames. What a camera never sent, or a decoder never made, has no frame number."""


class Fault(StrEnum):
    """What can be wrong with a stream of records."""

    HOLE = "hole"
    REPEAT = "repeat"
    ORDER = "order"
    UNEXPLAINED = "unexplained"
    UNCLOSED = "unclosed"
    INVALID = "invalid"


class Finding(NamedTuple):
    """One thing that is wrong; `where` is a Redis entry id or a line of a file."""

    stream: str
    fault: Fault
    where: str
    text: str


@dataclass(slots=True)
class Account:
    """What the records of one stream tell.

    `decoded` = `events` + `skipped` + `in_gaps` + `untold` where nothing is wrong; `untold` are decoded frames that a
    gap with `frames: null` or a loss of records hides. `lost_records` were numbered and are gone.
    """

    records: int = 0
    events: int = 0
    statuses: int = 0
    faces: int = 0
    decoded: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    in_gaps: int = 0
    untold: int = 0
    lost_records: int = 0
    runs: int = 0
    epochs: int = 0
    first_seq: int | None = None
    last_seq: int | None = None


@dataclass(slots=True)
class _Run:
    """`index` of the last event (-1 before the first), frames told since, and whether frames may be missing untold."""

    index: int = -1
    told: int = 0
    loose: bool = False


class Ledger:
    """Takes the records of any number of streams, each in its own order, and remembers what does not add up.

    `faults` counts findings by kind, `faulty` by stream; `findings` keeps the first thousand.
    """

    def __init__(self) -> None:
        self.faults: Counter[Fault] = Counter()
        self.faulty: Counter[str] = Counter()
        self.findings: list[Finding] = []
        self._streams: dict[str, _StreamLedger] = {}

    @property
    def accounts(self) -> dict[str, Account]:
        """By stream id."""
        return {stream: ledger.account for stream, ledger in self._streams.items()}

    def take(self, data: Mapping[str, Any], where: str) -> None:
        """The next record of its stream, as parsed JSON."""
        stream = str(data.get("stream", "?"))
        try:
            record = schema.check(data)
        except ValueError as error:
            self.complain(stream, where, schema.why(error))
            self._of(stream).take_unreadable(data.get("seq"))
            return
        self._of(record.stream).take(record, where)

    def complain(self, stream: str, where: str, text: str, fault: Fault = Fault.INVALID) -> None:
        """Note a finding."""
        self.faults[fault] += 1
        self.faulty[stream] += 1
        if len(self.findings) < _KEPT:
            self.findings.append(Finding(stream, fault, where, text))

    def _of(self, stream: str) -> _StreamLedger:
        if stream not in self._streams:
            self._streams[stream] = _StreamLedger(stream, self)
        return self._streams[stream]


class _StreamLedger:
    """The state of one stream's check."""

    def __init__(self, stream: str, ledger: Ledger) -> None:
        self.account = Account()
        self._stream = stream
        self._ledger = ledger
        self._where = ""
        self._epoch = -1
        self._seq: int | None = None
        self._holes: list[tuple[int, int]] = []
        self._run: str | None = None
        self._runs: dict[str, _Run] = {}
        self._closed = True
        self._loose = False

    def take(self, record: schema.Record, where: str) -> None:
        self._where = where
        if not self._in_sequence(record):
            return
        self.account.records += 1
        if isinstance(record, schema.FrameEvent):
            self._event(record)
        elif isinstance(record, schema.GapRecord):
            self._gap(record)
        else:
            self._status(record)

    def take_unreadable(self, seq: object) -> None:
        """A record that cannot be read: its number counts, what it told does not."""
        if isinstance(seq, int) and self._seq is not None and seq == self._seq + 1:
            self._seq = self.account.last_seq = seq
        self._loosen()

    def _in_sequence(self, record: schema.Record) -> bool:
        """Check epoch and seq; False for a repeat, which counts nothing more."""
        last, seq = self._seq, record.seq
        if record.epoch < self._epoch:
            self._complain(Fault.ORDER, f"{record.id} of an older epoch follows epoch {self._epoch}")
        elif record.epoch > self._epoch:
            self.account.epochs += 1
        started_anew = record.epoch > self._epoch and seq == 1 and last is not None
        self._epoch = max(self._epoch, record.epoch)
        if last is None or started_anew:  # trimmed before its first entry, or a Redis that began empty
            self.account.first_seq = seq if self.account.first_seq is None else self.account.first_seq
            self._holes.clear()
            self._loosen(seq > 1 or started_anew)
        elif isinstance(record, schema.GapRecord) and record.missing_seq is not None:
            self._missing(record.missing_seq, last)
        elif seq > last + 1:
            self._hole(last + 1, seq - 1)
        elif seq <= last and not any(first <= seq <= end for first, end in self._holes):
            self._complain(Fault.REPEAT, f"{record.id} was there before")
            return False
        elif seq <= last:
            self._complain(Fault.ORDER, f"{record.id} comes after seq {last}")
            self._loosen()
        self._number_gap(record)
        self._seq = self.account.last_seq = seq
        return True

    def _number_gap(self, record: schema.Record) -> None:
        """A gap that tells of missing records takes the number of the last of them."""
        if not isinstance(record, schema.GapRecord) or record.missing_seq is None:
            return
        first, end = record.missing_seq
        if first > end or record.seq != end:
            self._complain(Fault.INVALID, f"{record.id}: missing_seq {first}..{end} must end with the gap's own seq")
        self.account.lost_records += max(0, end - first + 1)
        self._loosen()

    def _missing(self, missing: tuple[int, int], last: int) -> None:
        first, end = missing
        if first > last + 1:
            self._hole(last + 1, first - 1)
        elif end < last:
            self._complain(Fault.ORDER, f"a gap tells that {first}..{end} are missing, after seq {last}")

    def _hole(self, first: int, end: int) -> None:
        which = f"record {first} is" if first == end else f"records {first}..{end} are"
        self._complain(Fault.HOLE, f"{which} missing and no gap tells it")
        self._holes.append((first, end))
        self._loosen()

    def _event(self, event: schema.FrameEvent) -> None:
        if event.run != self._run:
            self._begin_run(event.run)
        run = self._state(event.run)
        told = run.told + sum(event.skipped.values())
        step = event.frame.index - run.index
        unknown_start = run.loose and run.index < 0
        if step <= 0:
            self._complain(Fault.ORDER, f"{event.id}: frame {event.frame.index} comes after frame {run.index}")
        elif not run.loose and step != 1 + told:
            between = f"frames {run.index + 1} to {event.frame.index - 1}" if step > 1 else "no frame"
            self._complain(Fault.UNEXPLAINED, f"{event.id}: {between} lie between, {told} are told")
        account = self.account
        account.decoded += (1 + told if unknown_start else max(0, step)) - run.told
        account.untold += 0 if unknown_start or not run.loose else max(0, step - 1 - told)
        account.skipped.update(event.skipped)
        account.events += 1
        account.faces += len(event.faces)
        self._runs[event.run] = _Run(event.frame.index)
        self._closed = self._loose = False

    def _begin_run(self, run: str) -> None:
        if not self._closed and not self._loose:
            self._complain(Fault.UNCLOSED, f"run {self._run} has no closing record before run {run}")
        if run in self._runs and self._runs[run].index >= 0:
            self._complain(Fault.ORDER, f"run {run} goes on after another began")
        self._run = run
        self.account.runs += 1

    def _gap(self, gap: schema.GapRecord) -> None:
        self.account.gaps[gap.cause] += 1
        self._closed = True
        run = self._state(gap.run)
        if gap.frames is None:
            run.loose |= gap.cause in _HIDING
            return
        run.told += gap.frames
        self.account.decoded += gap.frames
        self.account.in_gaps += gap.frames

    def _status(self, status: schema.StatusRecord) -> None:
        self.account.statuses += 1
        self._closed = True
        told = sum(status.skipped.values())
        self._state(status.run).told += told
        self.account.decoded += told
        self.account.skipped.update(status.skipped)

    def _state(self, run: str) -> _Run:
        return self._runs.setdefault(run, _Run(loose=self._loose))

    def _loosen(self, really: bool = True) -> None:
        """Records are missing: what they told is unknown, so checking of frames resumes at the next event."""
        if really:
            self._loose = True
            for run in self._runs.values():
                run.loose = True

    def _complain(self, fault: Fault, text: str) -> None:
        self._ledger.complain(self._stream, self._where, text, fault)
