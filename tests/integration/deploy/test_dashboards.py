"""The dashboards: laid out with care, and every query has data from a real worker."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.deploy.conftest import Prometheus
from tests.integration.deploy.tools import DEPLOY
from worker.face import EMOTIONS
from worker.frame import State

pytestmark = pytest.mark.timeout(300)  # whichever test is first waits for a worker to start
GRAFANA = DEPLOY / "grafana"
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))}
CHOSEN = {"$job": "emotion-worker", "$instance": ".*", "$stream": "hall", "$__rate_interval": "10s"}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]
Panel = dict[str, Any]


def chosen(text: str) -> str:
    for name, value in CHOSEN.items():
        text = text.replace(name, value)
    return text


def test_there_are_two() -> None:
    assert {board["uid"] for board in BOARDS.values()} == {"emotion-overview", "emotion-stream"}
    assert len(PANELS) > 30


def test_the_committed_files_are_what_the_script_writes(tmp_path: Path) -> None:
    for script in GRAFANA.glob("*.py"):
        shutil.copy(script, tmp_path)
    (tmp_path / "dashboards").mkdir()
    subprocess.run([sys.executable, tmp_path / "make_dashboards.py"], check=True)
    for path in (GRAFANA / "dashboards").iterdir():
        assert (tmp_path / "dashboards" / path.name).read_text() == path.read_text()


@pytest.mark.parametrize("name", BOARDS)
def test_panels_fill_lines_and_do_not_overlap(name: str) -> None:
    places = [panel["gridPos"] for panel in BOARDS[name]["panels"]]
    for place in places:
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)
    for y in {place["y"] for place in places}:
        line = [place for place in places if place["y"] == y]
        assert sum(place["w"] for place in line) == 24, f"line {y} has a hole"
        assert len({place["h"] for place in line}) == 1
    identities = [panel["id"] for panel in BOARDS[name]["panels"]]
    assert len(set(identities)) == len(identities)


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows(panel: Panel) -> None:
    assert panel["title"]
    assert panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    for target in panel["targets"]:
        assert target["legendFormat"] or panel["type"] == "table"
        assert "vector(" not in target["expr"], "it would hide missing data"
    if any("_seconds" in target["expr"] and "cpu" not in target["expr"] for target in panel["targets"]):
        assert panel["fieldConfig"]["defaults"]["unit"] == "s"


@pytest.mark.parametrize("panel", PANELS)
def test_every_query_has_data(panel: Panel, scraped: Prometheus) -> None:
    for target in panel["targets"]:
        values = scraped.values(chosen(target["expr"]))
        assert values, target["expr"]
        assert any(math.isfinite(value) for value in values), target["expr"]


@pytest.mark.parametrize("name", BOARDS)
def test_every_variable_finds_something(name: str, scraped: Prometheus) -> None:
    variables = [each for each in BOARDS[name]["templating"]["list"] if each["type"] == "query"]
    assert variables
    for each in variables:
        selector, _, label = (
            chosen(each["query"]["query"]).removeprefix("label_values(").removesuffix(")").rpartition(",")
        )
        found = scraped.ask("series", **{"match[]": selector})
        assert any(label.strip() in series for series in found), each["name"]


def test_every_emotion_and_state_has_its_colour() -> None:
    overrides = [
        override
        for board in BOARDS.values()
        for panel in board["panels"]
        for override in panel.get("fieldConfig", {}).get("overrides", [])
    ]
    named = {override["matcher"]["options"] for override in overrides}
    assert set(EMOTIONS) <= named
    states = [p["value"][0]["options"] for o in overrides for p in o["properties"] if p["id"] == "mappings"]
    assert set(states[0]) == {state.value for state in State}


def test_recorded_series_come_from_the_rules(scraped: Prometheus) -> None:
    recorded = yaml.safe_load((DEPLOY / "prometheus" / "recording.yml").read_text())["groups"]
    for rule in (rule for group in recorded if group["name"] != "emotion-worker-mix" for rule in group["rules"]):
        assert scraped.values(rule["record"]), rule["record"]


def test_no_alert_fires_on_a_healthy_worker(scraped: Prometheus) -> None:
    alerts = scraped.ask("alerts")["alerts"]
    assert [each["labels"]["alertname"] for each in alerts if each["state"] == "firing"] == []


def test_grafana_finds_source_and_dashboards() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    assert source["type"] == "prometheus"
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "emotion-worker.yml").read_text())["providers"]
    mounts = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["grafana"]["volumes"]
    assert any(mount.split(":")[1] == provider[0]["options"]["path"] for mount in mounts)
