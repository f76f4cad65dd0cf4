"""What open pages cost the pipeline: python -m benchmarks.ten_tabs --minutes 10

Ten tabs of a real Chromium (Debian's) show the live page of a worker on two cameras for `--minutes`; before and after
nobody looks, for at most three minutes each. The browser runs on the same machine: what it takes of the cores is part
of what is measured.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import redis
from playwright.sync_api import BrowserContext, Request, sync_playwright

from benchmarks.live_worker import Phase, measure, show, wait_for_records, worker
from worker.embedded_redis import EmbeddedRedis

_QUIET_MINUTES = 3.0


def watched(client: redis.Redis, pid: int, address: str, tabs: int, minutes: float) -> tuple[Phase, Counter[str]]:
    """The same while `tabs` pages are open; and what they asked for."""
    found = shutil.which("chromium")
    if found is None:
        raise SystemExit("needs a browser: apt-get install chromium")
    asked: Counter[str] = Counter()

    def count(request: Request) -> None:
        asked["previews" if "/preview.jpg" in request.url else request.url.rpartition("/")[2]] += 1

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        context: BrowserContext = browser.new_context(viewport={"width": 1280, "height": 860})
        pages = [context.new_page() for _ in range(tabs)]
        for page in pages:
            page.goto(address)
            page.wait_for_selector(".preview")
        context.on("requestfinished", count)
        phase = measure(client, pid, minutes, lambda seconds: pages[0].wait_for_timeout(seconds * 1000))
        browser.close()
    return phase, asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long the tabs are open")
    parser.add_argument("--tabs", type=int, default=10, help="how many tabs are open")
    parser.add_argument("--fps", type=float, default=2, help="max_fps of each of the two cameras")
    arguments = parser.parse_args()
    quiet = min(arguments.minutes, _QUIET_MINUTES)
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedRedis() as server,
        worker(Path(folder), arguments.fps, server) as (pid, port),
        redis.Redis.from_url(server.url) as client,
    ):
        wait_for_records(client)
        before = measure(client, pid, quiet)
        address = f"http://127.0.0.1:{port}/"
        during, asked = watched(client, pid, address, arguments.tabs, arguments.minutes)
        after = measure(client, pid, quiet)
    show({"before": before, "during": during, "after": after})
    rates = {name: f"{count / during.seconds / arguments.tabs:.2f}" for name, count in asked.items()}
    print(f"\neach of the {arguments.tabs} tabs asked a second: {rates.get('live', 0)} times for numbers, ", end="")
    print(f"{rates.get('previews', 0)} times for a preview")


if __name__ == "__main__":
    main()
