"""Prometheus' rules: each alert is shown to fire and to stay silent, names known metrics, stands in the runbook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.deploy.tools import DEPLOY, ROOT, call, tool

FOLDER = DEPLOY / "prometheus"
TESTS = ("alerts.test.yml", "mix.test.yml")


def rules() -> list[dict[str, Any]]:
    files = [yaml.safe_load((FOLDER / name).read_text()) for name in ("recording.yml", "alerts.yml")]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


ALERTS = [rule for rule in rules() if "alert" in rule]


def test_prometheus_accepts_its_configuration() -> None:
    result = call(tool("promtool"), "check", "config", "prometheus.yml", cwd=FOLDER)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", TESTS)
def test_alerts_fire_and_stay_silent(name: str) -> None:
    result = call(tool("promtool"), "test", "rules", name, cwd=FOLDER)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_tests_of_alerts_can_fail(tmp_path: Path) -> None:
    """Alerts that never fire, and alerts that always do, are both found."""
    tested = yaml.safe_load((FOLDER / TESTS[0]).read_text())
    text = (FOLDER / "alerts.yml").read_text()
    (tmp_path / "recording.yml").write_text((FOLDER / "recording.yml").read_text())
    (tmp_path / TESTS[0]).write_text(yaml.safe_dump(tested))
    for expression in ("vector(1) > 2", "vector(1)"):
        broken = yaml.safe_load(text)
        for rule in (rule for group in broken["groups"] for rule in group["rules"]):
            rule["expr"] = expression
        (tmp_path / "alerts.yml").write_text(yaml.safe_dump(broken))
        assert call(tool("promtool"), "test", "rules", TESTS[0], cwd=tmp_path).returncode != 0


@pytest.mark.parametrize("alert", [rule["alert"] for rule in ALERTS])
def test_an_alert_is_tested_firing_and_silent_and_is_in_the_runbook(alert: str) -> None:
    checks = [
        check["exp_alerts"]
        for name in TESTS
        for test in yaml.safe_load((FOLDER / name).read_text())["tests"]
        for check in test["alert_rule_test"]
        if check["alertname"] == alert
    ]
    assert any(checks), "it is never seen firing"
    assert not all(checks), "it is never seen silent"
    entry = (DEPLOY / "README.md").read_text().partition(f"\n### {alert}\n")[2].partition("\n#")[0]
    assert "**Look**" in entry, "it has no entry in deploy/README.md"
    assert "**Do**" in entry


def test_alerts_say_how_grave_they_are_and_what_it_is_about() -> None:
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule["alert"]
        assert "$labels." in rule["annotations"]["summary"], rule["alert"]


def test_rules_read_metrics_that_the_worker_has() -> None:
    known = set(re.findall(r"`(emotion_worker_\w+)`", (ROOT / "docs" / "metrics.md").read_text()))
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for rule in rules():
        for name in re.findall(r"[a-z_]*:?emotion_worker_[a-z0-9_]+(?::\w+)?", rule["expr"]):
            assert name in recorded | known or name.removesuffix("_bucket") in known, name


def test_no_rule_hides_missing_data() -> None:
    assert [rule for rule in rules() if "vector(" in rule["expr"]] == []
