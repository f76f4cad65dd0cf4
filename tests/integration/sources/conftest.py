"""Clips and sources for tests against cameras."""

from __future__ import annotations

import gc
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.unit.sources.counter import write_video
from tests.unit.sources.recording import Recording
from worker.clock import SystemClock
from worker.sources.options import SourceOptions
from worker.sources.report import SourceReport
from worker.sources.source_thread import SourceThread
from worker.sources.watchdog import Watchdog


@pytest.fixture(scope="session")
def counter_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 numbered frames, 4 s, H.264 with two B-frames."""
    path = tmp_path_factory.mktemp("clips") / "counter.mp4"
    return write_video(path, 100, options={"bf": "2", "g": "25", "preset": "ultrafast"})


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate (for 127.0.0.1, signed by itself) and key in one file."""
    return made_certificate(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")


def made_certificate(folder: Path, name: str) -> Path:
    """A certificate for `name` (such as `DNS:camera.example`), signed by itself, and its key in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName={name}"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    both.write_text(certificate.read_text() + key.read_text())
    return both


@dataclass
class Watching:
    """A source that is being read and watched, and what came of it."""

    source: SourceThread
    seen: Recording
    restarts: list[str]
    stuck: list[str]
    behind: list[float]


@pytest.fixture
def watch() -> Iterator[Callable[..., Watching]]:
    """Start a source with a watchdog; all are stopped at the end, and no thread may be left."""
    before = set(threading.enumerate())
    started: list[Watching] = []
    faults: list[BaseException] = []
    watchdog = Watchdog(lambda: [one.source for one in started], SystemClock(), lambda _: None, faults.append)
    watchdog.start()

    def start(url: str, **options: Any) -> Watching:
        seen = Recording()
        restarts: list[str] = []
        stuck: list[str] = []
        behind: list[float] = []
        report = SourceReport(
            restarted=lambda _, cause: restarts.append(cause),
            stuck=stuck.append,
            behind=lambda _, seconds: behind.append(seconds),
            fault=lambda _, error: faults.append(error),
        )
        chosen: dict[str, Any] = {"live": True, "open_timeout_s": 3.0, "read_timeout_s": 2.0} | options
        source = SourceThread(SourceOptions("cam", url, **chosen), seen, SystemClock(), report)
        started.append(Watching(source, seen, restarts, stuck, behind))
        source.start()
        return started[-1]

    yield start
    for one in started:
        one.source.stop(10)
    assert watchdog.stop(2)
    gc.collect()
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("source-"):
            thread.join(10)
            assert not thread.is_alive(), f"{thread.name} is left"
    assert faults == []
    for one in started:
        one.seen.check_ledger()
