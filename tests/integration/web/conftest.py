"""A worker with its port and real models, in this process: it has no streams until a test adds some."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from worker.assembly.house import House
from worker.clock import SystemClock
from worker.demo.cameras import HALL, make_video
from worker.settings import Settings

TOKEN = "0123456789abcdef"


class Patient(httpx.HTTPTransport):
    """Asks again when it is told that it asks too often, as the answer says."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        while (answer := super().handle_request(request)).status_code == 429:
            answer.close()
            time.sleep(float(answer.headers["Retry-After"]))
        return answer


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one short clip of real faces, `hall.mp4`."""
    folder = tmp_path_factory.mktemp("clips")
    make_video(HALL._replace(seconds=3), folder / "hall.mp4")
    return folder


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Iterator[House]:
    """The running worker: records go to a file, changes need the token, files may be added from `clips`."""
    folder = tmp_path_factory.mktemp("house")
    settings = Settings.model_validate(
        {
            "worker": {"name": "edge", "purpose": "research"},
            "publish": {"target": "file", "path": folder / "records.jsonl"},
            "web": {
                "port": 0,
                "changes": True,
                "token": TOKEN,
                "files": clips,
                "state_file": folder / "state.json",
                "preview": "blurred",
            },
        }
    )
    built = House(settings, SystemClock())
    built.start()
    owner = threading.Thread(target=built.wait, name="house-owner")
    owner.start()
    yield built
    built.ask_to_stop()
    owner.join(30)
    assert built.stop()


@pytest.fixture
def client(house: House) -> Iterator[httpx.Client]:
    """Somebody without the token."""
    transport = Patient()
    with httpx.Client(base_url=f"http://127.0.0.1:{house.port}", transport=transport, timeout=60) as client:
        yield client


@pytest.fixture
def owner(client: httpx.Client) -> httpx.Client:
    """Somebody with the token."""
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    return client
