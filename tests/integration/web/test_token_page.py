"""Pages on a public address: they ask for the token once, and the browser has a cookie since."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.chromium import browser, page_of
from worker.assembly.window import Vitals, open_window
from worker.clock import SystemClock
from worker.settings import WebSettings
from worker.web.tally import HISTORY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

TOKEN = "0123456789abcdef"
LIVE = {
    "at": "2026-11-25T12:00:00.000Z",
    "worker": {
        "name": "edge",
        "version": "0",
        "purpose": None,
        "up_s": 1.0,
        "ready": True,
        "reasons": [],
        "models": {},
        "backend": "openvino",
        "busy": 0.1,
        "changes": False,
    },
    "target": {"kind": "redis", "where": "redis://127.0.0.1", "up": False, "waiting": 7, "capacity": 10},
    "streams": [],
    "attention": [{"level": "bad", "stream": None, "what": "Redis <b>takes</b> no records", "todo": "Is it running?"}],
    "history_columns": list(HISTORY),
    "history_step_s": 5.0,
}
PHOTO = {"width": 512, "height": 600, "faces": [], "models": {"detector": "d@1", "classifier": "c@1"}}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def address() -> Iterator[str]:
    """A port that needs the token, and has two desks."""
    errors: list[BaseException] = []
    settings = WebSettings.model_validate({"host": "0.0.0.0", "port": 0, "token": TOKEN})
    window = open_window(settings, Vitals(SystemClock()), errors.append)
    window.desks.live, window.desks.photo = lambda: LIVE, lambda _: PHOTO
    assert window.server is not None
    yield f"http://127.0.0.1:{window.server.port}"
    assert window.stop(5)
    assert errors == []


def give(page: Page, token: str) -> None:
    page.get_by_label("web.token_file").fill(token)
    page.keyboard.press("Enter")


def test_the_token_is_asked_for_once(address: str, chromium: Browser) -> None:
    with page_of(chromium, address) as page:
        page.goto("/")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        give(page, "wrong")
        expect(dialog).to_contain_text("the token is wrong")
        give(page, TOKEN)
        expect(dialog).to_be_hidden()
        expect(page.locator("#tile-target [data-value]")).to_have_text("Redis down")
        expect(page.locator("#attention-list .what")).to_have_text("Redis <b>takes</b> no records")
        expect(page.locator("#none")).to_be_visible()
        assert page.evaluate("document.cookie") == "", "scripts cannot read it"
        page.reload()
        expect(page.locator("#tile-target [data-value]")).to_have_text("Redis down")
        expect(dialog).to_have_count(0)


def test_the_live_page_keeps_asking_since_it_is_nothing_without_the_token(address: str, chromium: Browser) -> None:
    with page_of(chromium, address) as page:
        page.goto("/")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        for _ in range(4):  # browsers let a page prevent the first alone
            page.keyboard.press("Escape")
            page.wait_for_timeout(100)
        expect(dialog).to_be_visible()
        give(page, TOKEN)
        expect(dialog).to_be_hidden()
        expect(page.locator("#tile-target [data-value]")).to_have_text("Redis down")


def test_examples_are_shown_without_the_token_and_read_with_it(address: str, chromium: Browser) -> None:
    with page_of(chromium, address) as page:
        page.goto("/photo")
        for example in page.locator(".example img").all():
            expect(example).to_have_js_property("naturalWidth", 512)
        page.locator(".example").first.click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        expect(page.locator("#status")).to_have_text("This worker needs its token first.")
        expect(page.locator("#status.busy")).to_have_count(0)
        give(page, TOKEN)
        expect(dialog).to_be_hidden()
        expect(page.locator("#status")).to_contain_text("No face was found")


def test_an_example_that_needs_the_token_after_all_asks_for_it(address: str, chromium: Browser) -> None:
    """A proxy may refuse what the worker does not."""
    with page_of(chromium, address) as page:
        page.goto("/photo")
        page.route("**/api/v1/examples/*", lambda route: route.fulfill(status=401, json={"error": "no"}), times=1)
        page.locator(".example").first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        give(page, TOKEN)
        expect(page.locator("#status")).to_contain_text("No face was found")


def test_escape_gives_a_picture_up_and_the_next_asks_again(address: str, chromium: Browser) -> None:
    with page_of(chromium, address) as page:
        page.goto("/photo")
        dialog = page.get_by_role("dialog")
        for _ in range(2):
            page.locator(".example").first.click()
            expect(dialog).to_be_visible()
            page.keyboard.press("Escape")
            expect(dialog).to_have_count(0)
            expect(page.locator("#status.error")).to_have_text("Nothing was read: this worker needs its token.")
            expect(page.locator("#empty")).to_be_visible()
        page.locator(".example").first.click()
        give(page, TOKEN)
        expect(page.locator("#status")).to_contain_text("No face was found")


def test_on_a_phone_the_dialogs_button_says_its_word_in_the_middle(address: str, chromium: Browser) -> None:
    with page_of(chromium, address, "phone") as page:
        page.goto("/")
        button = page.get_by_role("button", name="Continue")
        expect(button).to_be_visible()
        left, right = button.evaluate(MARGINS)
        assert left > 50, "it is as wide as the dialog"
        assert left == pytest.approx(right, abs=2)


MARGINS = """(button) => {
  const range = document.createRange();
  range.selectNodeContents(button);
  const [word, edge] = [range.getBoundingClientRect(), button.getBoundingClientRect()];
  return [word.left - edge.left, edge.right - word.right];
}"""
