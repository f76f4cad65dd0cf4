"""The real command as a process, and what the acceptance tests ask of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worker.embedded_redis import free_port

ROOT = Path(__file__).resolve().parents[2]


def emotion_worker(
    *arguments: object, cwd: Path | None = None, timeout: float = 290
) -> subprocess.CompletedProcess[str]:
    """Run `emotion-worker ARGUMENTS` to its end.

    Raises:
        AssertionError: it did not end in time; with what it said until then.
    """
    command = [sys.executable, "-m", "worker", *map(str, arguments)]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, cwd=cwd, env=environment(), check=False
        )
    except subprocess.TimeoutExpired as late:
        said = f"{late.stdout!r}\n{late.stderr!r}"
        raise AssertionError(f"emotion-worker {command[3:]} did not end within {timeout} s; it said {said}") from None


def environment() -> dict[str, str]:
    """The tests' environment, with the checkout importable from any folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "160"}


@dataclass
class Service:
    """A running `emotion-worker run`."""

    process: subprocess.Popen[str]
    port: int
    log: Path
    begun: float = field(default_factory=time.monotonic)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page of its port."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name: str, **labels: str) -> float | None:
        """One sample of /metrics; None where there is none."""
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith("#"):
                continue
            series, value = line.rsplit(" ", 1)
            base, _, rest = series.partition("{")
            if base == f"emotion_worker_{name}" and wanted <= set(rest.rstrip("}").split(",")):
                return float(value)
        return None

    def stop(self, seconds: float = 20) -> int:
        """SIGTERM, and its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def text(self) -> str:
        return self.log.read_text()


@contextmanager
def service(folder: Path, settings: Mapping[str, Any], name: str = "worker") -> Iterator[Service]:
    """Run a worker with `settings` in `folder`; it is ended at the latest at the end of the block."""
    port = free_port()
    full = {
        "worker": {"name": name, "purpose": "research"},
        "web": {"port": port},
        "logs": {"format": "json"},
        "models": {"threads": 1},
        **settings,
    }
    config = folder / f"{name}.yaml"
    config.write_text(json.dumps(full))
    log = folder / f"{name}.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "worker", "run", str(config)], stdout=out, stderr=out, text=True, env=environment()
        )
        try:
            yield Service(process, port, log)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Ask until it is so.

    Raises:
        AssertionError: it was not so in time.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen within {seconds} s")


def running(pid: int) -> bool:
    """Whether that process is there and at work: one that has ended and is not yet reaped is not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def children_of(pid: int) -> dict[int, str]:
    """The command lines of its children, by process id."""
    table = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,command="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in table.splitlines()]
    return {int(row[0]): row[2] for row in rows if len(row) == 3 and int(row[1]) == pid}


def records_of(path: Path) -> list[dict[str, Any]]:
    """All records of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def errors_of(result: subprocess.CompletedProcess[str]) -> Sequence[str]:
    """What the command complained of; a traceback is never part of it."""
    assert "Traceback" not in result.stderr, result.stderr
    return [line for line in result.stderr.splitlines() if line.startswith("error: ")]
