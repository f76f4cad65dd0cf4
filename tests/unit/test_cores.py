from __future__ import annotations

import os
from pathlib import Path

import pytest

from worker.cores import usable_cores


@pytest.mark.parametrize(
    ("told", "cores"), [("50000 100000\n", 0.5), ("max 100000\n", None), ("99900000 100000\n", None), ("", None)]
)
def test_a_containers_quota_counts(told: str, cores: float | None, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(told)
    assert usable_cores(tmp_path / "cpu.max") == (cores or len(os.sched_getaffinity(0)))


def test_cores_that_it_is_not_pinned_to_do_not(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert usable_cores(tmp_path / "no cgroup") == 1
    finally:
        os.sched_setaffinity(0, before)
