"""Waiting before the next try: short at first, spread, bounded, forgotten after health; slow after a refusal."""

from __future__ import annotations

import random

import pytest

from worker.sources.backoff import Backoff, delay_s, denied_delay_s


def longest(_: float, high: float) -> float:
    return high


def shortest(low: float, _: float) -> float:
    return low


def test_grows_from_one_second_to_thirty() -> None:
    assert [delay_s(n, longest) for n in (1, 2, 3, 4, 5, 6, 7, 1000)] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert {delay_s(n, shortest) for n in range(1, 100)} == {0.5}


def test_many_cameras_spread_over_the_whole_wait() -> None:
    source = random.Random(1)
    waits = [delay_s(6, source.uniform) for _ in range(1000)]
    assert min(waits) < 2
    assert max(waits) > 28
    assert sum(waits) / 1000 == pytest.approx(15.25, abs=1)


def test_a_refused_password_is_tried_a_few_times_an_hour() -> None:
    waits = [denied_delay_s(n, shortest) for n in range(1, 8)]
    assert waits == [60, 120, 240, 480, 900, 900, 900]
    assert denied_delay_s(1, longest) == 75


def test_a_minute_of_health_wipes_out_the_past() -> None:
    backoff = Backoff(longest)
    assert [backoff.failed(0.0) for _ in range(4)] == [1, 2, 4, 8]
    assert backoff.failed(59.0) == 16
    assert backoff.failed(60.0) == 1


def test_refusals_and_failures_are_counted_apart() -> None:
    backoff = Backoff(shortest)
    assert [backoff.failed(0.0, denied=True) for _ in range(2)] == [60, 120]
    assert backoff.failed(0.0) == 0.5
    assert backoff.failed(0.0, denied=True) == 60
