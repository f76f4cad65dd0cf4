"""A real browser for tests: Debian's Chromium, driven by Playwright. Missing, it skips, and fails where CI=true."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

Scheme = Literal["light", "dark"]
SIZES = {"wide": (1280, 860), "phone": (390, 844)}


def chromium_or_skip() -> str:
    """Path of the browser."""
    found = shutil.which("chromium")
    if found is not None:
        return found
    reason = "needs a browser: apt-get install chromium"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser without a window, with a webcam that is none."""
    path = chromium_or_skip()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
        )
        yield started
        started.close()


@contextmanager
def page_of(started: Browser, address: str, size: str = "wide", scheme: Scheme = "light") -> Iterator[Page]:
    """A page of its own. Fails at the end if anything was asked of another host or the console complained."""
    width, height = SIZES[size]
    context = started.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, base_url=address)
    page = context.new_page()
    page.set_default_timeout(60_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: None if _local(request.url, address) else complaints.append(request.url))
    yield page
    context.close()
    # refusals are part of some tests, and Chromium puts them on the console
    assert [text for text in complaints if "the server responded with a status of" not in text] == []


def serious(page: Page, folder: Path) -> list[str]:
    """What axe-core finds on the page that is serious or critical."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    (folder / "axe.txt").write_text("\n".join(f"{item['impact']} {item['id']}" for item in found))
    return [
        f"{item['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for item in found
        if item["impact"] in ("serious", "critical")
        for node in item["nodes"]
    ]


def _local(url: str, address: str) -> bool:
    return url.startswith((f"{address}/", "blob:", "data:"))
