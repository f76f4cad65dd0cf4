"""What `capacity` shows of its steps."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from tests.unit.commands.test_bottleneck import QUIET
from worker.commands.capacity import show

FULL = replace(
    QUIET, streams=64, fps=3.4, p50_ms=12345, p95_ms=23456, worst_p95_ms=23456, used=3.9, inference_busy=1.0,
    stages={"decode": 61.25, "detect": 10.85, "classify": 10.15}, memory_mb=12105,
)  # fmt: skip


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_cut_off(width: int) -> None:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    with console.capture() as capture:
        show(console, 4, [QUIET, FULL], 500)
    told = capture.get()
    assert "…" not in told
    for word in (
        "classify",
        "12345 / 23456",
        "models",
        "12105",
        "4 streams hold 10 frames a second",
        "decoding alone 61",
    ):
        assert word in " ".join(told.split()), told
    assert max(len(line) for line in told.splitlines()) <= width


@pytest.mark.parametrize(("others", "said"), [(0.1, False), (1.0, True)])
def test_others_that_took_a_part_are_told(others: float, said: bool) -> None:
    console = Console(width=100, file=io.StringIO(), color_system=None)
    with console.capture() as capture:
        show(console, 4, [replace(FULL, used=2.9, others=others)], 500)
    assert ("Other programs used 1.0 of 4 cores" in capture.get()) is said
