"""`emotion-worker photo`: one command, no cameras, no Redis."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.command import emotion_worker, environment, errors_of
from worker.embedded_redis import free_port

PORTRAIT = Path(__file__).resolve().parents[2] / "worker" / "demo" / "grace_hopper.jpg"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


@pytest.fixture
def command(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command and the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "worker", "photo", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
        cwd=tmp_path,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("open http://127.0.0.1:"), line
        yield process, line.split()[1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_it_prints_an_address_that_reads_photos(command: tuple[subprocess.Popen[str], str], tmp_path: Path) -> None:
    process, address = command
    with urllib.request.urlopen(address, timeout=10) as page:
        assert b"What emotions does a photo show?" in page.read()
    base = address.removesuffix("/photo")
    with httpx.Client(base_url=base, trust_env=False, timeout=60) as client:
        assert client.get("/").headers["location"] == "/photo"
        assert client.get("/readyz").status_code == 200
        answer = client.post("/api/v1/photo", files={"picture": PORTRAIT.read_bytes()})
        assert len(answer.json()["faces"]) == 1
        assert client.get("/api/v1/live").status_code == 404

    process.send_signal(signal.SIGINT)

    assert process.wait(20) == 0
    assert list(tmp_path.iterdir()) == [], "nothing is kept"


def test_a_port_in_use_is_one_clear_line() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        result = emotion_worker("photo", "--port", port)
    assert result.returncode == 71
    (line,) = errors_of(result)
    assert str(port) in line
