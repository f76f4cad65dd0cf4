"""The real worker on the demo's two cameras, watched from outside: what its records and the kernel say of it.

`emotion-worker run` with an embedded Redis, the clips looped at their own pace, previews on. Latency is told by the
records themselves (`latency_ms.total`), memory and CPU time by the kernel.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

import redis

from worker.demo.cameras import SCENES, make_video
from worker.embedded_redis import EmbeddedRedis, free_port
from worker.events.schema import events_key

_START_S = 120.0
_SAMPLE_S = 2.0


class Phase(NamedTuple):
    """One stretch of the run: seconds, records, their latencies in ms, memory in MiB, CPU cores used."""

    seconds: float
    latencies: Sequence[float]
    memory: Sequence[float]
    cores: float

    @property
    def p95(self) -> float:
        return sorted(self.latencies)[math.ceil(0.95 * len(self.latencies)) - 1]


class Usage(NamedTuple):
    """What a process used: CPU seconds so far, MiB of memory now."""

    cpu_s: float
    memory: float


def usage(pid: int) -> Usage:
    """As the kernel tells it (proc(5): fields 14, 15 and 24 of `stat`)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20)


@contextmanager
def worker(folder: Path, fps: float, server: EmbeddedRedis) -> Iterator[tuple[int, int]]:
    """A worker on the demo's cameras, whose clips (and nothing else) may be added; its process id and its port."""
    entries = []
    for scene in SCENES:
        clip = folder / f"{scene.name}.mp4"
        make_video(scene, clip)
        entry = {"id": scene.name, "url": str(clip), "loop": True, "realtime": True, "policy": "keep_latest"}
        entries.append({**entry, "max_fps": fps})
    port = free_port()
    settings = {
        "worker": {"purpose": "research"},
        "streams": entries,
        "redis": {"url": server.url},
        "web": {"port": port, "preview": "blurred", "changes": True, "files": str(folder)},
        "models": {"threads": 1},
    }
    config = folder / "worker.yaml"
    config.write_text(json.dumps(settings))
    process = subprocess.Popen([sys.executable, "-m", "worker", "run", str(config)], stderr=subprocess.DEVNULL)
    try:
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(30)


def latencies(client: redis.Redis, since: float, until: float) -> list[float]:
    """`latency_ms.total` of all frames that were stored between two wall times."""
    found: list[float] = []
    for scene in SCENES:
        entries: Any = client.xrange(events_key(scene.name), int(since * 1000), int(until * 1000))
        records = (json.loads(fields[b"data"]) for _, fields in entries)
        found += [record["latency_ms"]["total"] for record in records if record["type"] == "emotion.frame.v1"]
    return found


def measure(client: redis.Redis, pid: int, minutes: float, pause: Callable[[float], None] = time.sleep) -> Phase:
    """Watch the worker for `minutes`; `pause` waits for a number of seconds."""
    began, first = time.time(), usage(pid)
    memory = []
    while time.time() - began < minutes * 60:
        pause(_SAMPLE_S)
        memory.append(usage(pid).memory)
    until = time.time()
    cores = (usage(pid).cpu_s - first.cpu_s) / (until - began)
    return Phase(until - began, latencies(client, began, until), memory, cores)


def wait_for_records(client: redis.Redis) -> None:
    """Until every camera has told of ten frames: models are warm then, and memory is what it will be."""
    end = time.monotonic() + _START_S
    while any(client.xlen(events_key(scene.name)) < 10 for scene in SCENES):
        if time.monotonic() > end:
            raise SystemExit(f"no records within {_START_S:.0f} s")
        time.sleep(0.5)


def show(phases: Mapping[str, Phase]) -> None:
    """Print the table; ratios are to the phase `before`."""
    print("phase    minutes  records/s   p50 ms   p95 ms  ratio  mean MiB   max MiB  ratio  CPU cores")
    for name, phase in phases.items():
        print(_line(name, phase, phases["before"]))


def _line(name: str, phase: Phase, before: Phase) -> str:
    rate = len(phase.latencies) / phase.seconds
    return (
        f"{name:<7} {phase.seconds / 60:8.1f} {rate:10.2f} {median(phase.latencies):8.0f} {phase.p95:8.0f}"
        f" {phase.p95 / before.p95:6.2f} {mean(phase.memory):9.0f} {max(phase.memory):9.0f}"
        f" {mean(phase.memory) / mean(before.memory):6.2f} {phase.cores:10.2f}"
    )
