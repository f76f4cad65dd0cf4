"""A page on a public address: it asks for the token once, and the browser has a cookie since."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.chromium import browser, page_of
from worker.assembly.window import Vitals, open_window
from worker.clock import SystemClock
from worker.settings import WebSettings
from worker.web.tally import HISTORY

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


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_the_token_is_asked_for_once() -> None:
    errors: list[BaseException] = []
    settings = WebSettings.model_validate({"host": "0.0.0.0", "port": 0, "token": TOKEN})
    window = open_window(settings, Vitals(SystemClock()), errors.append)
    window.desks.live = lambda: LIVE
    assert window.server is not None
    address = f"http://127.0.0.1:{window.server.port}"
    with browser() as chromium, page_of(chromium, address) as page:
        page.goto("/")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        page.get_by_label("web.token_file").fill("wrong")
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text("the token is wrong")
        page.get_by_label("web.token_file").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(dialog).to_be_hidden()
        expect(page.locator("#tile-target [data-value]")).to_have_text("Redis down")
        expect(page.locator("#attention-list .what")).to_have_text("Redis <b>takes</b> no records")
        expect(page.locator("#none")).to_be_visible()
        assert page.evaluate("document.cookie") == "", "scripts cannot read it"
        page.reload()
        expect(page.locator("#tile-target [data-value]")).to_have_text("Redis down")
        expect(dialog).to_have_count(0)
    assert window.stop(5)
    assert errors == []
