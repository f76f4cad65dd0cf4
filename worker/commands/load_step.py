"""Runs the real worker with a number of streams of one clip, and measures it from outside: for `capacity`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import redis
from prometheus_client.parser import text_string_to_metric_families

from worker.commands.bottleneck import Step
from worker.commands.leash import leash
from worker.commands.own_redis import own_redis
from worker.cores import usable_cores
from worker.embedded_redis import free_port
from worker.errors import SourceError, StageDied
from worker.events import schema

_START_S = 120.0
_SETTLE_S = 2.0
_ASK_S = 0.25
_STOP_S = 20.0
_STAGES = ("decode", "convert", "wait", "detect", "track", "classify", "publish")
Samples = Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Load:
    """What every stream is.

    `fps`: what the clip has; `max_fps`: what is asked for; `seconds`: how long each step is measured.
    """

    clip: Path
    fps: float
    max_fps: float
    seconds: float
    backend: str
    folder: Path


def run_step(load: Load, streams: int) -> Step:
    """Start a worker and a Redis, wait until every stream has published, and measure.

    Raises:
        StageDied: the worker ended by itself.
        SourceError: not every stream published within two minutes.
        RedisError: there is no server to start.
    """
    with own_redis() as server, _worker(load, server, streams) as (process, port):
        client = redis.Redis.from_url(server)
        _wait_for_all(process, port, streams)
        time.sleep(_SETTLE_S)
        before, machine_before, began = _scrape(port), _machine_s(), time.time()
        time.sleep(load.seconds)
        after, machine_after, ended = _scrape(port), _machine_s(), time.time()
        if process.poll() is not None:
            raise StageDied(f"the worker ended by itself (code {process.returncode})")
        latencies = [_latencies_ms(client, _name(number), began, ended) for number in range(streams)]
        memory_mb, on_cpu = _memory_mb(process.pid), 'precision="fp16"' not in _metrics(port)
        client.close()
    span = ended - began
    used = _grown(before, after, "process_cpu_seconds_total") / span
    everything = [value for part in latencies for value in part]
    return Step(
        streams=streams,
        wanted_fps=min(load.fps, load.max_fps),
        fps=min(len(part) for part in latencies) / span,
        p50_ms=_quantile(everything, 0.5),
        p95_ms=_quantile(everything, 0.95),
        worst_p95_ms=max(_quantile(part, 0.95) for part in latencies),
        cores=usable_cores(),
        used=used,
        machine_cores=os.cpu_count() or 1,
        others=max(0.0, (machine_after - machine_before) / span - used),
        inference_busy=after.get(("emotion_worker_inference_busy_ratio", ""), 0.0),
        waiting=int(after.get(("emotion_worker_publish_queue_records", ""), 0.0)),
        memory_mb=memory_mb,
        memory_limit_mb=_memory_limit_mb(),
        on_cpu=on_cpu,
        stages={stage: _grown(before, after, "emotion_worker_stage_seconds_sum", stage) / span for stage in _STAGES},
    )


def _name(number: int) -> str:
    return f"capacity-{number + 1}"


@contextmanager
def _worker(load: Load, server: str, streams: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    entry = {
        "url": str(load.clip), "loop": True, "realtime": True, "policy": "keep_latest", "max_fps": load.max_fps,
    }  # fmt: skip
    settings: dict[str, Any] = {
        "worker": {"name": "capacity", "purpose": "demonstration"},
        "streams": [{"id": _name(number), **entry} for number in range(streams)],
        "redis": {"url": server},
        "web": {"port": port},
        "models": {"backend": load.backend},
        "pipeline": {"stop_deadline": "3s"},
    }
    config = load.folder / f"capacity-{streams}.yaml"
    config.write_text(json.dumps(settings))  # JSON is YAML
    log = load.folder / f"capacity-{streams}.log"
    with log.open("wb") as lines:
        process = subprocess.Popen([sys.executable, "-m", "worker", "run", str(config)], stdout=lines, stderr=lines)
        with leash(process.pid):
            try:
                yield process, port
            except StageDied as error:
                last = log.read_text(errors="replace").strip().splitlines()
                raise StageDied(f"{error}: {last[-1] if last else 'it said nothing'}") from error
            finally:
                process.terminate()
                try:
                    process.wait(_STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _wait_for_all(process: subprocess.Popen[bytes], port: int, streams: int) -> None:
    deadline = time.monotonic() + _START_S
    published = 0
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StageDied(f"the worker ended by itself (code {process.returncode})")
        try:
            samples = _scrape(port)
        except OSError:
            samples = {}
        wanted = "emotion_worker_frames_published_total"
        published = sum(samples.get((wanted, _name(number)), 0.0) > 0 for number in range(streams))
        if published == streams:
            return
        time.sleep(_ASK_S)
    raise SourceError(f"only {published} of {streams} streams published anything within {_START_S:.0f} s")


def _metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def _scrape(port: int) -> dict[tuple[str, str], float]:
    """Samples by name and the value of their label `stream` or `stage`."""
    return {
        (sample.name, sample.labels.get("stream") or sample.labels.get("stage") or ""): sample.value
        for family in text_string_to_metric_families(_metrics(port))
        for sample in family.samples
    }


def _grown(before: Samples, after: Samples, name: str, label: str = "") -> float:
    return after.get((name, label), 0.0) - before.get((name, label), 0.0)


def _latencies_ms(client: redis.Redis, stream: str, began: float, ended: float) -> list[float]:
    """Of the frames that reached Redis in that time: from arrival (the worker's clock) to the entry (Redis' clock)."""
    key = schema.events_key(stream)
    entries: Any = client.xrange(key, min=str(int(began * 1000)), max=str(int(ended * 1000)))
    latencies = []
    for entry, fields in entries:
        if fields[b"type"].decode() != schema.FRAME_TYPE:
            continue
        record = schema.parse(fields[b"data"], schema.FRAME_TYPE)
        assert isinstance(record, schema.FrameEvent)
        if record.frame.captured_at is not None:
            latencies.append(int(entry.split(b"-")[0]) - record.frame.captured_at.timestamp() * 1000)
    return latencies


def _quantile(values: Sequence[float], share: float) -> float:
    """Infinite where nothing came: no data is not fast."""
    return float(np.quantile(np.asarray(values), share)) if values else float("inf")


def _machine_s() -> float:
    """CPU seconds that all programs of this machine used so far (proc(5): all columns but idle and iowait)."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    busy = [int(word) for place, word in enumerate(words[1:8], 1) if place not in (4, 5)]
    return sum(busy) / float(os.sysconf("SC_CLK_TCK"))


def _memory_mb(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _memory_limit_mb() -> float:
    """What the machine, or the container, has."""
    limits = [float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")]
    group = Path("/sys/fs/cgroup/memory.max")
    if group.exists() and (told := group.read_text().strip()).isdecimal():
        limits.append(float(told))
    return min(limits) / 2**20
