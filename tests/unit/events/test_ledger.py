from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.events.records import Book, Parsed
from worker.events.ledger import Fault, Ledger
from worker.frame import GapCause, State


def check(records: Iterable[Parsed]) -> Ledger:
    ledger = Ledger()
    for line, record in enumerate(records, 1):
        ledger.take(record, str(line))
    return ledger


def faults(records: Iterable[Parsed]) -> list[Fault]:
    return [finding.fault for finding in check(records).findings]


def a_day() -> Book:
    """Two runs with skips, a reconnect, and one record of every kind."""
    book = Book()
    book.status(State.CONNECTING)
    book.status(State.LIVE)
    for skipped in ({}, {"max_fps": 2}, {"max_fps": 1, "superseded": 3}, {"inference_error": 1}):
        book.event(skipped)
    book.gap(GapCause.SPOOL_FULL, 7)
    book.event()
    book.status(State.BACKOFF, {"max_fps": 1})
    book.gap(GapCause.SOURCE_DOWN, 0)
    book.begin_run()
    book.status(State.LIVE)
    book.event({"max_fps": 4})
    book.event()
    book.status(State.ENDED, {"stopping": 2})
    return book


def test_a_whole_day_adds_up() -> None:
    ledger = check(a_day().records)
    assert ledger.findings == []
    account = ledger.accounts["lobby"]
    assert (account.records, account.events, account.statuses, account.runs) == (14, 7, 5, 2)
    assert account.skipped == {"max_fps": 8, "superseded": 3, "inference_error": 1, "stopping": 2}
    assert account.gaps == {"spool_full": 1, "source_down": 1}
    assert account.decoded == account.events + account.skipped.total() + account.in_gaps == 28


Step = Callable[[Book], None]
skips = st.dictionaries(st.sampled_from(["max_fps", "superseded", "inference_error"]), st.integers(1, 5), max_size=2)


def reconnect(book: Book, skipped: dict[str, int]) -> None:
    book.status(State.BACKOFF, skipped)
    book.begin_run()


steps: st.SearchStrategy[Step] = st.one_of(
    skips.map(lambda s: lambda book: book.event(s)),
    skips.map(lambda s: lambda book: book.event(s)),
    skips.map(lambda s: lambda book: book.status(State.STALLED, s)),
    skips.map(lambda s: lambda book: reconnect(book, s)),
    st.integers(0, 9).map(lambda n: lambda book: book.gap(GapCause.SPOOL_FULL, n)),
    st.integers(0, 9).map(lambda n: lambda book: book.gap(GapCause.TAKEN_OVER, None, n)),
    st.integers(0, 9).map(lambda n: lambda book: book.crash(n)),
    st.sampled_from([GapCause.CORRUPT, GapCause.STALL]).map(lambda cause: lambda book: book.gap(cause, None)),
    st.integers(1, 4).map(lambda n: lambda book: book.redis_forgets(n) if n < len(book.records) else None),
)


@st.composite
def histories(draw: st.DrawFn, least: int = 0) -> list[Parsed]:
    book = Book()
    for step in draw(st.lists(steps, min_size=least, max_size=25)):
        step(book)
    if draw(st.booleans()):  # trimmed
        return book.records[draw(st.integers(0, len(book.records))) :]
    return book.records


@given(histories())
def test_what_a_worker_writes_adds_up(records: list[Parsed]) -> None:
    ledger = check(records)
    assert ledger.findings == []
    for account in ledger.accounts.values():
        told = account.events + account.skipped.total() + account.in_gaps + account.untold
        assert account.decoded == told


@given(histories(least=3), st.data())
def test_a_removed_record_is_noticed(records: list[Parsed], data: st.DataObject) -> None:
    if len(records) < 3:
        return
    at = data.draw(st.integers(1, len(records) - 2))  # the first may have been trimmed, the last not yet written
    broken = records[:at] + records[at + 1 :]
    assert check(broken).faults == {Fault.HOLE: 1}


@given(histories(least=1), st.data())
def test_a_repeated_record_is_noticed(records: list[Parsed], data: st.DataObject) -> None:
    if not records:
        return
    at = data.draw(st.integers(0, len(records) - 1))
    if records[at].get("missing_seq"):
        return  # who saw the missing records may well see this gap twice
    to = data.draw(st.integers(at + 1, len(records)))
    broken = [*records[:to], records[at], *records[to:]]
    assert check(broken).faults.total() >= 1


@given(histories(least=2), st.data())
def test_a_renumbered_record_is_noticed(records: list[Parsed], data: st.DataObject) -> None:
    if len(records) < 2:
        return
    at = data.draw(st.integers(1, len(records) - 1))
    seq = data.draw(st.integers(1, 60).filter(lambda seq: seq != records[at]["seq"]))
    broken = copy.deepcopy(records)
    broken[at] |= {"seq": seq, "id": f"lobby/{broken[at]['epoch']}/{seq}"}
    if broken[at]["epoch"] > broken[at - 1]["epoch"] and seq == 1:
        return  # looks like a Redis that began empty
    assert check(broken).faults.total() >= 1


@given(histories(least=2), st.data())
def test_a_wrong_frame_number_is_noticed(records: list[Parsed], data: st.DataObject) -> None:
    """Between two events with nothing untold, an index cannot change unseen."""
    whole = [
        i
        for i, (before, record) in enumerate(pairwise(records), 1)
        if before["type"] == record["type"] == "emotion.frame.v1" and before["run"] == record["run"]
    ]
    if not whole:
        return
    broken = copy.deepcopy(records)
    broken[data.draw(st.sampled_from(whole))]["frame"]["index"] += data.draw(st.sampled_from([-100, -1, 1, 7]))
    assert check(broken).faults.total() >= 1


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda r: r.pop(4), Fault.HOLE),
        (lambda r: r.insert(5, r[4]), Fault.REPEAT),
        (lambda r: r.insert(4, r.pop(5)), Fault.ORDER),
        (lambda r: r[3]["skipped"].clear(), Fault.UNEXPLAINED),
        (lambda r: r[6].update(frames=6), Fault.UNEXPLAINED),
        (lambda r: r[11].update(skipped={"max_fps": 1}), Fault.UNEXPLAINED),
        (lambda r: r[7].update(faces=3), Fault.INVALID),
        (lambda r: r[7].update(id="lobby/1/1"), Fault.INVALID),
        (lambda r: r[7].update(type="emotion.frame.v2"), Fault.INVALID),
        (lambda r: r[12].update(run="r1"), Fault.ORDER),
        (lambda r: r[13].update(epoch=0, id="lobby/0/14"), Fault.ORDER),
    ],
)
def test_each_fault_has_its_name(change: Callable[[list[Parsed]], None], fault: Fault) -> None:
    records = a_day().records
    change(records)
    assert fault in faults(records)


def test_a_run_that_nothing_closes() -> None:
    book = Book()
    book.event()
    book.begin_run()
    book.event()
    assert faults(book.records) == [Fault.UNCLOSED]


@pytest.mark.parametrize("cause", list(GapCause))
def test_only_gaps_of_the_post_and_of_lost_workers_hide_decoded_frames(cause: GapCause) -> None:
    """What a camera never sent, or a decoder never made, has no frame number: the count goes on across such gaps."""
    book = Book()
    book.event()
    book.gap(cause, None, really=3)
    book.event()
    told_by_the_source = cause in (GapCause.SOURCE_DOWN, GapCause.STALL, GapCause.CORRUPT)
    assert faults(book.records) == [Fault.UNEXPLAINED] * told_by_the_source


def test_unknown_reasons_are_refused() -> None:
    records = a_day().records
    records[3]["skipped"] = {"lazy": 2}
    (finding,) = check(records).findings
    assert finding.fault is Fault.INVALID
    assert "skipped" in finding.text


def test_a_reader_who_saw_what_redis_lost_sees_no_fault() -> None:
    book = Book()
    for _ in range(6):
        book.event()
    seen = list(book.records)
    book.redis_forgets(3)
    book.event()
    assert faults(seen + book.records[3:]) == []  # events 1..6, then the gap with number 6, then 7
    assert faults(seen[:5] + book.records[3:]) == []
    assert faults(seen[:2] + book.records[3:]) == [Fault.HOLE]


def test_a_redis_that_starts_empty_begins_at_one_again() -> None:
    book = Book()
    book.event()
    book.event()
    book.epoch, book.seq = 2, 0
    book.event({"max_fps": 2})
    assert faults(book.records) == []


def test_streams_do_not_disturb_one_another() -> None:
    here, there = Book("lobby"), Book("door")
    for _ in range(5):
        here.event()
        there.event({"max_fps": 1})
    mixed = [record for pair in zip(here.records, there.records, strict=True) for record in pair]
    ledger = check(mixed)
    assert ledger.findings == []
    assert ledger.accounts["door"].decoded == 10


def test_findings_are_bounded_and_all_counted() -> None:
    ledger = Ledger()
    for line in range(5000):
        ledger.take({"type": "x"}, str(line))
    assert ledger.faults[Fault.INVALID] == 5000
    assert len(ledger.findings) == 1000
