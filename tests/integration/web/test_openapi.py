"""schemathesis asks every operation of the OpenAPI document for what it promises, with right and wrong input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.integration.web.conftest import TOKEN
from worker.assembly.house import House
from worker.web.openapi import OPENAPI_PATH

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
SETTINGS = Path(__file__).with_name("schemathesis.toml")
DOOR = {"id": "door", "url": "hall.mp4", "loop": True}
# Last comes what takes the stream away that the others ask for.
ORDER = (("--exclude-method", "DELETE"), ("--include-method", "DELETE"))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("operations", ORDER, ids=["all but DELETE", "DELETE"])
def test_every_operation_keeps_its_promises(
    house: House, owner: httpx.Client, operations: tuple[str, str], tmp_path: Path
) -> None:
    """In a process of its own: its plugin for pytest does not know pytest 9. Half of the questions name a stream."""
    assert owner.post("/api/v1/streams", json=DOOR).status_code == 201
    try:
        found = subprocess.run(
            [
                *(SCHEMATHESIS, "--config-file", SETTINGS, "--no-color", "run"),
                f"http://127.0.0.1:{house.port}{OPENAPI_PATH}",
                *("--header", f"Authorization: Bearer {TOKEN}"),
                *operations,
                *("--max-examples", "20"),
                *("--rate-limit", "9/s"),  # as the port itself asks of its clients
                *("--seed", "14"),
            ],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=580,
            check=False,
        )
    finally:
        owner.delete(f"/api/v1/streams/{DOOR['id']}")
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]


def test_the_document_names_every_operation(client: httpx.Client) -> None:
    paths = client.get(OPENAPI_PATH).json()["paths"]
    operations = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert operations == {
        "GET /api/v1/live",
        "GET /api/v1/health",
        "GET /api/v1/settings",
        "GET /api/v1/streams",
        "POST /api/v1/streams",
        "GET /api/v1/streams/{name}",
        "PATCH /api/v1/streams/{name}",
        "DELETE /api/v1/streams/{name}",
        "GET /api/v1/streams/{name}/preview.jpg",
        "POST /api/v1/photo",
        "POST /api/v1/session",
        "DELETE /api/v1/session",
    }
