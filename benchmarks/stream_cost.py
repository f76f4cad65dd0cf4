"""What a stream costs of a machine, in CPU time and memory: python -m benchmarks.stream_cost

Runs the real worker (`emotion-worker run`, embedded Redis) on the demo's cameras, looped at their own pace, and reads
`/metrics` twice. CPU time of the process, not time on the clock, so that other work on the machine matters little.
Two rates of events over the same decoded frames tell apart what decoding costs and what an event costs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from worker.demo.cameras import HALL, make_video
from worker.embedded_redis import EmbeddedRedis, free_port

_START_S = 120.0


class Reading(NamedTuple):
    """What the worker had used and done: CPU seconds, frames, faces, and bytes of memory now."""

    cpu_s: float
    decoded: float
    published: float
    faces: float
    classified: float
    memory: float


def read(port: int) -> Reading:
    """A scrape, summed over the streams."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = [line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#")]

    def total(name: str) -> float:
        return sum(float(value) for series, value in lines if series.partition("{")[0] == name)

    return Reading(
        cpu_s=total("process_cpu_seconds_total"),
        decoded=total("emotion_worker_frames_decoded_total"),
        published=total("emotion_worker_frames_published_total"),
        faces=total("emotion_worker_faces_total"),
        classified=total("emotion_worker_emotions_total"),
        memory=total("process_resident_memory_bytes"),
    )


@contextmanager
def worker(clip: Path, streams: int, fps: float, server: EmbeddedRedis) -> Iterator[int]:
    """A worker on `streams` cameras that all play `clip`; gives its port."""
    port = free_port()
    entries = [
        {"id": f"camera-{n}", "url": str(clip), "loop": True, "realtime": True, "policy": "keep_latest", "max_fps": fps}
        for n in range(streams)
    ]
    settings = {
        "worker": {"purpose": "research"},
        "streams": entries,
        "redis": {"url": server.url},
        "web": {"port": port},
        "models": {"threads": 1},
    }
    config = clip.with_suffix(".yaml")
    config.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "worker", "run", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(30)


def measure(clip: Path, streams: int, fps: float, seconds: float) -> tuple[Reading, Reading]:
    """Readings at the beginning and the end of `seconds`, once every stream plays."""
    with EmbeddedRedis() as server, worker(clip, streams, fps, server) as port:
        end = time.monotonic() + _START_S
        while True:
            try:
                if read(port).published >= streams:
                    break
            except OSError:
                pass  # the port is not open yet
            if time.monotonic() > end:
                raise SystemExit(f"no events within {_START_S:.0f} s")
            time.sleep(0.5)
        first = read(port)
        time.sleep(seconds)
        return first, read(port)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=20, help="length of each of the four measurements")
    seconds = arguments.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "hall.mp4"
        make_video(HALL, clip)
        rows = [
            (streams, fps, *measure(clip, streams, fps, seconds)) for streams, fps in ((2, 1), (2, 5), (1, 1), (8, 1))
        ]
    print("streams  max_fps  decoded/s  events/s  faces/event  read/event  CPU cores  memory MiB")
    for streams, fps, a, b in rows:
        events = b.published - a.published
        print(
            f"{streams:7d}  {fps:7g}  {(b.decoded - a.decoded) / seconds:9.1f}  {events / seconds:8.2f}"
            f"  {(b.faces - a.faces) / events:11.1f}  {(b.classified - a.classified) / events:10.1f}"
            f"  {(b.cpu_s - a.cpu_s) / seconds:9.3f}  {b.memory / 2**20:10.0f}"
        )
    (_, _, a, b), (_, _, c, d) = rows[:2]
    event = ((d.cpu_s - c.cpu_s) / (d.decoded - c.decoded) - (b.cpu_s - a.cpu_s) / (b.decoded - a.decoded)) / (
        (d.published - c.published) / (d.decoded - c.decoded) - (b.published - a.published) / (b.decoded - a.decoded)
    )
    frame = (b.cpu_s - a.cpu_s - event * (b.published - a.published)) / (b.decoded - a.decoded)
    print(f"\nCPU of a decoded frame (1280x720): {frame * 1e3:.1f} ms; of an event: {event * 1e3:.1f} ms more")
    print(f"memory of a stream: {(rows[3][3].memory - rows[2][3].memory) / 7 / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
