"""Thinning to a rate: the right number of frames, evenly, whatever time does."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

import pytest

from worker.sources.rate import RateGrid


def taken(max_fps: float | None, times: Iterable[float]) -> list[float]:
    grid = RateGrid(max_fps)
    return [moment for moment in times if grid.wants(moment)]


@pytest.mark.parametrize(("fps", "max_fps"), [(25, 10), (30, 10), (25, 12.5), (29.97, 10), (60, 25), (10, 3)])
def test_takes_max_fps_on_average(fps: float, max_fps: float) -> None:
    times = [i / fps for i in range(int(fps * 60))]
    chosen = taken(max_fps, times)
    assert len(chosen) == pytest.approx(60 * max_fps, abs=2)
    steps = [b - a for a, b in itertools.pairwise(chosen)]
    assert max(steps) <= 1 / max_fps + 1 / fps + 1e-6


def test_takes_all_without_a_limit_or_below_it() -> None:
    times = [i / 5 for i in range(100)]
    assert taken(None, times) == times
    assert taken(10, times) == times


def test_jitter_around_the_very_rate_costs_hardly_a_frame() -> None:
    source = random.Random(7)
    times = sorted(i / 25 + source.uniform(-0.012, 0.012) for i in range(2500))
    assert len(taken(25, times)) >= 2490


def test_rounded_time_stamps_cost_nothing() -> None:
    times = [round(i / 30, 3) for i in range(300)]
    assert taken(30, times) == times


def test_never_takes_more_than_the_limit_in_any_stretch() -> None:
    source = random.Random(3)
    moment, times = 0.0, []
    for _ in range(5000):
        moment += source.choice([0.0, 0.001, 0.04, 0.5])
        times.append(moment)
    chosen = taken(10, times)
    for i in range(0, len(chosen) - 40, 7):
        assert 39 / (chosen[i + 39] - chosen[i]) <= 10 * 1.1


@pytest.mark.parametrize("jump", [1000.0, 95000.0, -20.0, -0.3])
def test_survives_jumps(jump: float) -> None:
    before = [i / 25 for i in range(250)]
    after = [10 + jump + i / 25 for i in range(250)]
    grid = RateGrid(10)
    assert sum(grid.wants(moment) for moment in before) == pytest.approx(100, abs=1)
    assert sum(grid.wants(moment) for moment in after) == pytest.approx(100, abs=3)
