"""The live page in a real browser on the answers of a fake board: trouble, crowds, keyboard and screen reader."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.chromium import browser, page_of
from tests.integration.web.fake_board import FakeBoard, away, fake_board, stream

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200), pytest.mark.alone]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def board() -> Iterator[FakeBoard]:
    with fake_board() as opened:
        yield opened


def card(page: Page, name: str):  # type: ignore[no-untyped-def]
    return page.locator(f'[data-stream="{name}"]')


def test_a_red_stream_says_why_and_is_one_click_away(board: FakeBoard, chromium: Browser) -> None:
    board.streams = [stream(f"camera-{n}") for n in range(12)] + [away("gate")]
    with page_of(chromium, board.address, "phone") as page:
        page.goto("/")
        row = page.locator("#attention-list li")
        expect(row).to_have_count(1)
        expect(row).to_contain_text("gate is away: connection refused; is the camera on?")
        expect(row).to_contain_text("It is tried again by itself")
        expect(card(page, "gate").locator(".reason")).to_contain_text("Connection refused")
        expect(card(page, "gate").locator(".faces")).to_contain_text("this says nothing about people")
        expect(card(page, "gate")).not_to_be_in_viewport()
        row.get_by_role("link").click()
        expect(card(page, "gate")).to_be_in_viewport()
        expect(card(page, "camera-0").locator(".reason")).to_be_hidden()


def test_a_crowded_machine_is_not_green(board: FakeBoard, chromium: Browser) -> None:
    crowd = {"fps": 0.4, "latency_p95_ms": 9000.0, "skipped_lately": {"superseded": 16}, "skipped": {"superseded": 90}}
    board.streams = [stream("hall", **crowd), stream("door", **crowd)]
    with page_of(chromium, board.address) as page:
        page.goto("/")
        expect(page.locator("#attention-list li")).to_have_text(
            "2 streams: of the frames that should be analysed, 80% are skipped"
            "The machine has too much to do: lower max_fps, remove a stream, or start another worker."
        )
        expect(page.locator("#tile-latency")).to_have_class("card tile wait")
        expect(page.locator("#tile-streams")).to_have_class("card tile wait")
        expect(card(page, "hall").locator(".pill")).to_have_class("pill wait")
        expect(card(page, "hall").locator('[data-row="skipped"]')).to_have_text("90 no time")


WATCH = """() => {
  window.said = [];
  for (const region of document.querySelectorAll("[role=status], [role=alert], [aria-live]")) {
    new MutationObserver(() => window.said.push(region.textContent.trim()))
      .observe(region, {childList: true, characterData: true, subtree: true});
  }
}"""


def test_only_news_are_read_out(board: FakeBoard, chromium: Browser) -> None:
    board.streams = [stream("hall"), away("gate")]
    with page_of(chromium, board.address) as page:
        page.goto("/")
        expect(page.locator("#news")).to_have_text("Needs attention: gate is away.")
        page.evaluate(WATCH)
        for n in range(1, 4):  # numbers move, once a poll
            board.streams = [stream("hall", published=120 + n, fps=2.0 + n / 10), away("gate", 1.0 + n)]
            expect(page.locator("#attention-list .detail")).to_contain_text(f"next try in {1.0 + n} s")
            expect(card(page, "hall").locator('[data-row="frames"]')).to_contain_text(f"{120 + n} published")
        assert page.evaluate("window.said") == []
        board.streams = [stream("hall"), stream("gate")]
        expect(page.locator("#attention")).to_be_hidden()
        assert page.evaluate("window.said") == ["Nothing needs attention any more."]


def test_the_chart_is_told_in_words_too(board: FakeBoard, chromium: Browser) -> None:
    board.streams = [stream("hall"), away("gate")]
    with page_of(chromium, board.address) as page:
        page.goto("/")
        told = page.get_by_role("img", name="Emotions of hall, last five minutes: happiness 80 %, abstained 20 %")
        expect(told).to_be_visible()
        expect(page.get_by_role("img", name="Emotions of gate, last five minutes: no faces")).to_be_attached()
        expect(card(page, "hall").locator("[data-mostly]")).to_have_text("mostly happiness, 80 %")


def test_the_keyboard_reaches_everything_in_order_and_shows_where_it_is(board: FakeBoard, chromium: Browser) -> None:
    board.streams = [stream("hall"), away("gate")]
    with page_of(chromium, board.address) as page:
        page.goto("/")
        expect(page.locator("#attention-list a")).to_be_visible()
        reached = []
        for _ in range(7):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.textContent"))
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", reached[-1]
        assert reached == ["Skip to the streams", "Live", "Photo", "gate is away", "Metrics", "Health", "API"]
        page.locator("#attention-list a").focus()
        page.keyboard.press("Enter")
        expect(card(page, "gate")).to_be_focused()
        page.locator(".skip").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#streams")).to_be_focused()


def test_the_page_says_nothing_of_what_does_not_exist(board: FakeBoard, chromium: Browser) -> None:
    """Records wait in memory; nothing is kept on disk while Redis is away."""
    board.streams = [stream("hall", gaps={"spool_full": 2, "source_down": 1})]
    with page_of(chromium, board.address) as page:
        page.goto("/")
        gaps = card(page, "hall").locator('[data-row="gaps"]')
        expect(gaps).to_have_text("2 no room to wait, 1 camera away")
        assert "spool" not in page.locator("body").inner_text().lower()
