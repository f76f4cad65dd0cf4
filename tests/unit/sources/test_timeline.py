"""Media time: honest about jumps, rising over loops; lost frames need both damage and a jump."""

from __future__ import annotations

import itertools

import pytest

from worker.sources.timeline import Timeline


def fed(times: list[float | None], damaged: set[int] | None = None) -> list[tuple[float | None, bool]]:
    line = Timeline()
    return [line.place(moment, i in (damaged or set())) for i, moment in enumerate(times)]


REGULAR: list[float | None] = [i * 0.04 for i in range(20)]


def test_media_time_is_what_the_container_says_even_where_it_jumps() -> None:
    times = [*REGULAR, 1000.0, 1000.04, 3.0, None, 3.08]
    assert [moment for moment, _ in fed(times)] == times


def test_a_jump_after_damage_is_a_loss() -> None:
    assert [lost for _, lost in fed([*REGULAR, 1.0], damaged={18})][-1]
    assert [lost for _, lost in fed([*REGULAR, 1.0], damaged={20})][-1]


def test_a_jump_alone_is_a_variable_frame_rate() -> None:
    assert not any(lost for _, lost in fed([*REGULAR, 1.0, 2.5]))


def test_damage_alone_is_no_loss() -> None:
    assert not any(lost for _, lost in fed([*REGULAR, 0.80, 0.90], damaged={18}))


def test_old_damage_is_forgotten() -> None:
    times: list[float | None] = [i * 0.04 for i in range(60)]
    assert not any(lost for _, lost in fed([*times, 5.0], damaged={10}))


def test_one_damage_explains_one_loss() -> None:
    assert [lost for _, lost in fed([*REGULAR, 2.0, 4.0], damaged={19})][-2:] == [True, False]


def test_time_goes_on_through_loops() -> None:
    line = Timeline()
    told: list[float] = []
    for lap in range(3):
        if lap:
            line.again()
        for i in range(10):
            moment, _ = line.place(1.4 + i * 0.04, False)
            assert moment is not None
            told.append(moment)
    steps = [b - a for a, b in itertools.pairwise(told)]
    assert steps == pytest.approx([0.04] * 29)
    assert told[0] == 1.4


def test_guesses_where_no_time_is_told() -> None:
    line = Timeline()
    assert line.guess() == 0.0
    for i in range(6):
        line.place(i * 0.1, False)
    assert line.guess() == pytest.approx(0.6)
