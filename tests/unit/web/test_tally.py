"""What a stream did lately."""

from __future__ import annotations

import pytest

from worker.web.tally import BUCKETS, HISTORY, Tally


def test_rates_look_back_ten_seconds() -> None:
    tally = Tally(100.0)
    for i in range(40):
        tally.add_decoded(100 + i / 2)
        if i % 2:
            tally.add_published(100 + i / 2, 0.1)
    reading = tally.read(120.0)
    assert reading.decoded_fps == pytest.approx(2, abs=0.11)
    assert reading.fps == pytest.approx(1, abs=0.11)
    assert tally.read(140.0).fps == 0


def test_a_new_stream_has_its_rate_before_ten_seconds_are_over() -> None:
    tally = Tally(100.0)
    for i in range(20):
        tally.add_decoded(100 + i / 10)
    assert tally.read(102.0).decoded_fps == pytest.approx(10, abs=0.5)


def test_a_file_that_is_read_faster_than_can_be_remembered() -> None:
    tally = Tally(0.0)
    for i in range(10_000):
        tally.add_decoded(i / 1000)
    assert tally.read(10.0).decoded_fps == pytest.approx(1000, rel=0.01)


def test_the_latency_is_that_of_the_last_minute() -> None:
    tally = Tally(0.0)
    tally.add_published(1, 9.0)
    assert tally.read(2).latency_p95_s == 9.0
    for i in range(100):
        tally.add_published(70 + i / 10, 0.01 * (i + 1))
    tally.add_published(80, None)
    assert tally.read(80).latency_p95_s == pytest.approx(0.95)
    assert tally.read(200).latency_p95_s is None


def test_skips_are_told_by_reason_so_far_and_lately() -> None:
    tally = Tally(0.0)
    tally.add_skipped(1, "max_fps", 3)
    tally.add_skipped(50, "superseded", 2)
    reading = tally.read(55)
    assert reading.skipped == {"max_fps": 3, "superseded": 2}
    assert reading.skipped_lately == {"superseded": 2}


def test_no_age_before_the_first_frame_and_after_the_end() -> None:
    tally = Tally(10.0)
    assert tally.read(12).frame_age_s is None
    tally.newest, tally.seen = 12.0, True
    assert tally.read(13).frame_age_s == 1.0
    tally.ended = True
    assert tally.read(13).frame_age_s is None


def test_the_history_has_a_row_for_each_five_seconds_and_empty_ones_stay_empty() -> None:
    tally = Tally(0.0)
    tally.add_face(1, "happiness")
    tally.add_face(1, "abstained")
    tally.add_published(16, None)
    rows = tally.read(17).history
    assert len(rows) == BUCKETS
    by_name = [dict(zip(HISTORY, row, strict=True)) for row in rows[-4:]]
    assert by_name[0]["happiness"] == by_name[0]["abstained"] == 1
    assert sum(rows[-3]) == sum(rows[-2]) == 0
    assert by_name[3] == {**dict.fromkeys(HISTORY, 0), "frames": 1}
    assert sum(map(sum, tally.read(10_000).history)) == 0
