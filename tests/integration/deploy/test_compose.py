"""compose.yaml: the real Docker Compose reads it, and what it mounts and names exists."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.deploy import engine
from tests.integration.deploy.tools import DEPLOY, ROOT, call, tool
from worker.demo.cameras import SCENES
from worker.settings import load_settings

COMPOSE = DEPLOY / "compose.yaml"
Service = dict[str, Any]


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    """What Docker Compose makes of the file."""
    result = call(tool("docker-compose"), "-f", COMPOSE, "config", "--format", "json")
    assert result.returncode == 0, result.stderr
    found: dict[str, Service] = json.loads(result.stdout)["services"]
    return found


@pytest.mark.parametrize("files", [["compose.yaml"], ["compose.yaml", "compose.gpu.yaml"]])
def test_docker_compose_accepts_it(files: list[str]) -> None:
    chosen = [part for name in files for part in ("-f", name)]
    result = call(tool("docker-compose"), *chosen, "config", "--quiet")
    assert result.returncode == 0, result.stderr


def test_docker_compose_would_refuse_a_mistake(tmp_path: Path) -> None:
    broken = yaml.safe_load(COMPOSE.read_text())
    broken["services"]["worker"]["depends_on"] = {"reddis": {"condition": "service_healthy"}}
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(broken))
    assert call(tool("docker-compose"), "-f", tmp_path / "compose.yaml", "config", "--quiet").returncode != 0


def test_everything_is_there(services: dict[str, Service]) -> None:
    assert set(services) == {"clip", "cameras", "redis", "worker", "prometheus", "grafana"}
    for name, service in services.items():
        assert re.fullmatch(r"[\w./-]+:[\w.-]+", service["image"]), f"{name} has no fixed version"
        assert not service["image"].endswith(":latest")
        for mount in service.get("volumes", []):
            if mount["type"] == "bind":
                assert Path(mount["source"]).exists(), mount["source"]
                assert mount["read_only"], mount["source"]


def test_services_are_locked_down_and_reached_from_this_machine_only(services: dict[str, Service]) -> None:
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", name
        if name == "clip":
            assert service["network_mode"] == "none"
            continue
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    assert services["grafana"]["environment"]["GF_ANALYTICS_REPORTING_ENABLED"] == "false"


def test_the_gpu_file_changes_the_worker_alone() -> None:
    chosen = ("-f", "compose.yaml", "-f", "compose.gpu.yaml")
    result = call(tool("docker-compose"), *chosen, "config", "--format", "json")
    worker = json.loads(result.stdout)["services"]["worker"]
    assert worker["image"] == "emotion-worker:cuda"
    assert worker["build"]["target"] == "cuda"
    assert worker["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


def test_the_worker_understands_its_settings(services: dict[str, Service]) -> None:
    stage = engine.read(DEPLOY / "Dockerfile")["cpu"]
    environ = engine.environment(stage) | services["worker"].get("environment", {})
    settings = load_settings(DEPLOY / "compose" / "emotion-worker.yaml", environ)
    assert settings.web.host == "0.0.0.0"
    assert settings.web.port == services["worker"]["ports"][0]["target"]
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    target = prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0]
    assert target == f"{services['worker']['hostname']}:{settings.web.port}"
    assert target.partition(":")[0] in settings.web.allowed_hosts
    assert "redis://redis:" in settings.redis.url.get_secret_value()


def test_cameras_clips_and_streams_have_the_same_names() -> None:
    server = yaml.safe_load((DEPLOY / "compose" / "mediamtx.yml").read_text())
    (pattern,) = server["paths"]
    settings = load_settings(DEPLOY / "compose" / "emotion-worker.yaml", {})
    for stream in settings.streams:
        assert stream.live
        host, _, path = stream.address.removeprefix("rtsp://").partition("/")
        assert host == f"cameras{server['rtspAddress']}"
        assert re.fullmatch(pattern.removeprefix("~"), path)
        assert path in {scene.name for scene in SCENES}


def test_the_clip_service_makes_the_clips(services: dict[str, Service], tmp_path: Path) -> None:
    assert services["clip"]["entrypoint"] == ["python", "-c"]
    (script,) = services["clip"]["command"]
    shorter = "import worker.demo.cameras as c; c.SCENES = [scene._replace(seconds=1) for scene in c.SCENES]\n"
    subprocess.run([sys.executable, "-c", shorter + script.replace("/clips", str(tmp_path))], check=True, cwd=ROOT)
    assert {path.name for path in tmp_path.iterdir()} == {f"{scene.name}.mp4" for scene in SCENES}
    assert all(path.stat().st_size > 10_000 for path in tmp_path.iterdir())
