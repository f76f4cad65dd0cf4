from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from worker.commands.bottleneck import Step, search, what_binds

QUIET = Step(
    streams=4, wanted_fps=10, fps=10, p50_ms=40, p95_ms=90, worst_p95_ms=95, cores=4, used=1.5,
    machine_cores=4, others=0.1, inference_busy=0.4, waiting=0, memory_mb=700, memory_limit_mb=16000,
    stages={"decode": 0.2, "convert": 0.05, "detect": 0.35, "classify": 0.05},
)  # fmt: skip


def machine(holds_up_to: int) -> Callable[[int], Step]:
    def measure(streams: int) -> Step:
        return replace(QUIET, streams=streams, worst_p95_ms=95 if streams <= holds_up_to else 900)

    return measure


@pytest.mark.parametrize("holds_up_to", range(12))
@pytest.mark.parametrize("most", [1, 5, 8, 11])
def test_the_search_finds_the_most_that_hold(holds_up_to: int, most: int) -> None:
    good, steps = search(machine(holds_up_to), 500, most)
    assert good == min(holds_up_to, most)
    tried = [step.streams for step in steps]
    assert len(tried) == len(set(tried)), "no number is tried twice"
    assert max(tried) <= most
    assert tried[0] == 1


def test_holding_needs_the_frames_as_well_as_the_time() -> None:
    assert QUIET.holds(100)
    assert not QUIET.holds(90), "the slowest stream counts"
    assert not replace(QUIET, fps=8.9).holds(100), "a worker that skips keeps its latency low"
    assert not replace(QUIET, fps=0, worst_p95_ms=math.inf).holds(100)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"inference_busy": 0.99, "stages": {"detect": 0.9, "classify": 0.05}}, "the detector"),
        ({"inference_busy": 0.99, "stages": {"detect": 0.3, "classify": 0.65}}, "the classifier"),
        ({"used": 3.9, "stages": {"decode": 2.6, "convert": 0.4, "detect": 0.5}}, "decoding"),
        ({"used": 3.9, "inference_busy": 0.95, "stages": {"decode": 2.6, "detect": 0.8}}, "decoding"),
        ({"used": 3.9, "inference_busy": 0.8, "stages": {"decode": 0.9, "detect": 0.7}}, "the detector"),
        ({"waiting": 900}, "publishing"),
        ({"memory_mb": 15000}, "memory"),
        ({"used": 0.3, "others": 2.4, "inference_busy": 0.99}, "other programs"),
        ({"used": 1.9, "others": 2.0}, "other programs"),
        ({"used": 1.9, "cores": 2, "machine_cores": 64, "others": 30.0, "inference_busy": 0.99}, "the detector"),
        ({"used": 0.3, "on_cpu": False, "inference_busy": 0.99}, "the detector"),
        ({}, "no single part"),
    ],
)
def test_what_binds(changes: dict[str, Any], what: str) -> None:
    found = what_binds(replace(QUIET, **changes))
    assert found.what == what
    assert found.seen
    assert found.advice
