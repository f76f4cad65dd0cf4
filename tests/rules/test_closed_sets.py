"""Closed sets that two rooms must share without importing one another."""

from __future__ import annotations

import worker.sources.options
import worker.sources.report
import worker.web.series
from worker.settings.stream import LIVE_SCHEMES, WEBCAMS


def test_restart_causes_of_the_door_are_those_of_the_metrics() -> None:
    assert worker.web.series.RESTART_CAUSES == worker.sources.report.RESTART_CAUSES


def test_settings_call_live_what_the_door_calls_live() -> None:
    assert worker.sources.options.WEBCAMS == WEBCAMS
    assert set(worker.sources.options.SCHEMES) - {"file"} == LIVE_SCHEMES
    assert all(worker.sources.options.is_live(f"{scheme}://host/path") for scheme in LIVE_SCHEMES)
