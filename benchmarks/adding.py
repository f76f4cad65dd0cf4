"""What the other cameras notice while streams come and go: python -m benchmarks.adding --minutes 2

A worker on two cameras; through its API a third is added and removed again after `--stay` seconds, and beside it one
whose address leads nowhere. Before and after nothing changes. The table is of the two cameras that stay; under it
stands the memory whenever five more pairs of guests are gone: what is not freed would go on growing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import count
from pathlib import Path

import httpx
import redis

from benchmarks.live_worker import Phase, measure, show, wait_for_records, worker
from worker.demo.cameras import HALL
from worker.embedded_redis import EmbeddedRedis

_NOWHERE = "rtsp://192.0.2.1/x"
"""RFC 5737: an address of documentation, where nobody is."""


class Comings:
    """Adds and removes the guests whenever the one who measures pauses. `done`: how many came and went."""

    def __init__(self, api: httpx.Client, fps: float, stay_s: float) -> None:
        self.done = 0
        self._api = api
        self._stay_s = stay_s
        clip = {"url": f"{HALL.name}.mp4", "loop": True, "realtime": True, "policy": "keep_latest", "max_fps": fps}
        self._guests = {"guest": clip, "nobody": {"url": _NOWHERE, "open_timeout": 5}}
        self._numbers = count(1)

    def come_and_go(self, _seconds: float) -> None:
        number = next(self._numbers)
        for name, settings in self._guests.items():
            self._api.post("streams", json={"id": f"{name}-{number}", **settings}).raise_for_status()
        time.sleep(self._stay_s)
        for name in self._guests:
            self._api.delete(f"streams/{name}-{number}").raise_for_status()
            self.done += 1
        time.sleep(self._stay_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2, help="of each of the three phases")
    parser.add_argument("--stay", type=float, default=5, help="seconds that a guest stays, and that nobody comes then")
    parser.add_argument("--fps", type=float, default=2, help="max_fps of each camera")
    arguments = parser.parse_args()
    minutes: float = arguments.minutes
    phases: dict[str, Phase] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedRedis() as server,
        worker(Path(folder), arguments.fps, server) as (pid, port),
        redis.Redis.from_url(server.url) as client,
        httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1/", timeout=30) as api,
    ):
        wait_for_records(client)
        comings = Comings(api, arguments.fps, arguments.stay)
        phases["before"] = measure(client, pid, minutes)
        phases["during"] = measure(client, pid, minutes, comings.come_and_go)
        phases["after"] = measure(client, pid, minutes)
    show(phases)
    print(f"\n{comings.done} streams came and went; MiB:", *(f"{mib:.0f}" for mib in phases["during"].memory[4::5]))


if __name__ == "__main__":
    main()
