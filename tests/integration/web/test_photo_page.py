"""The photo page in a real browser on a fake desk: many faces, reasons for silence, keyboard, turned WebP, haste."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.chromium import SIZES, browser, page_of
from tests.integration.web.fake_board import FakeBoard, fake_board
from worker.face import EMOTIONS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def board() -> Iterator[FakeBoard]:
    with fake_board() as opened:
        yield opened


def face(x: float, y: float, side: float = 60, abstained: str | None = None) -> dict[str, Any]:
    probabilities = dict.fromkeys(EMOTIONS, 0.02) | {"happiness": 0.88}
    return {
        "track": 1,
        "box": [x, y, side, side * 1.2],
        "score": 0.8,
        "emotion": None if abstained else {"label": "happiness", "confidence": 0.88, "probabilities": probabilities},
        "stable": None,
        "emotion_age_s": None,
        "abstained": abstained,
        "quality": {"size_px": side, "sharpness": 0.5, "brightness": 0.5},
    }


def answer(*faces: dict[str, Any]) -> dict[str, Any]:
    models = {"detector": "face-yolo11n@1", "classifier": "fer-resnet29@1"}
    return {"width": 800, "height": 600, "faces": list(faces), "models": models}


def picture(path: Path, kind: str = "JPEG", size: tuple[int, int] = (800, 600), turn: int = 1) -> Path:
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.new("RGB", size, "teal").save(path, kind, exif=exif)
    return path


@pytest.mark.parametrize("size", list(SIZES))
def test_labels_of_many_faces_cover_no_face_and_stay_in_the_picture(
    board: FakeBoard, chromium: Browser, tmp_path: Path, size: str
) -> None:
    rows = [face(60 + 190 * x, 4 + 150 * y) for y in range(4) for x in range(4)]
    board.photo = answer(*rows[::-1], face(735, 300, 60), face(690, 350, 40, "too_small"))
    with page_of(chromium, board.address, size) as page:
        page.goto("/photo")
        page.set_input_files("#choose", picture(tmp_path / "a.jpg"))
        expect(page.locator(".face")).to_have_count(18)
        expect(page.locator("#picture")).to_be_visible()
        expect(page.locator("#status")).to_have_text("18 faces: 17 happiness, 1 without an emotion.")
        expect(page.locator("#status")).to_be_in_viewport()
        inside, covered = page.evaluate(LABELS)
        assert inside == []
        assert covered == []
        first = page.locator(".box").first
        assert first.evaluate("box => [box.offsetLeft < 100, box.offsetTop < 20]") == [True, True], "as one reads"


LABELS = """() => {
  const frame = document.querySelector(".frame").getBoundingClientRect();
  const boxes = [...document.querySelectorAll(".box")];
  const place = (element) => element.getBoundingClientRect();
  const name = (box) => box.getAttribute("aria-label");
  const over = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  const labels = boxes.map((box) => place(box.querySelector("span")));
  const out = labels.filter((a) => a.left < frame.left - 4 || a.right > frame.right + 4 || a.top < frame.top - 4);
  const wide = boxes.filter((box, i) => !box.matches(".brief")
    && boxes.some((other, j) => j !== i && (over(labels[i], place(other)) || (j < i && over(labels[i], labels[j])))));
  return [out.length ? out.map((a) => [a.left, a.top]) : [], wide.map(name)];
}"""


def test_faces_that_are_not_read_say_why(board: FakeBoard, chromium: Browser, tmp_path: Path) -> None:
    reasons = ("too_small", "blurred", "dark", "partial", "low_confidence")
    board.photo = answer(*(face(20 + 150 * n, 200, 120, reason) for n, reason in enumerate(reasons)))
    with page_of(chromium, board.address) as page:
        page.goto("/photo")
        page.set_input_files("#choose", picture(tmp_path / "a.jpg"))
        expect(page.locator(".face .why")).to_contain_text(
            [
                "It is too small to be read",
                "It is too blurred to be read",
                "It is too dark to be read",
                "Too much of it is outside the picture",
                "No emotion stands out clearly enough",
            ]
        )
        expect(page.locator(".face .verdict")).to_have_text(["no emotion told"] * 5)
        expect(page.locator(".face .bars")).to_have_count(0)
        expect(page.locator(".face .quality")).to_contain_text(["120 px"] * 5)


def test_the_keyboard_goes_from_a_box_to_its_face(board: FakeBoard, chromium: Browser, tmp_path: Path) -> None:
    board.photo = answer(face(100, 200, 120), face(500, 200, 120, "dark"))
    with page_of(chromium, board.address) as page:
        page.goto("/photo")
        page.set_input_files("#choose", picture(tmp_path / "a.jpg"))
        expect(page.locator(".box")).to_have_count(2)
        second = page.get_by_role("button", name="Face 2: too dark to read")
        second.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".face").nth(1)).to_be_focused()
        expect(page.locator(".face.on")).to_have_count(1)


def test_a_webp_that_is_to_be_turned_is_sent_as_it_is_shown(
    board: FakeBoard, chromium: Browser, tmp_path: Path
) -> None:
    """Chromium does not turn it, the worker would: the boxes would stand elsewhere."""
    board.photo = answer()
    with page_of(chromium, board.address) as page:
        page.goto("/photo")
        page.set_input_files("#choose", picture(tmp_path / "a.webp", "WEBP", (80, 60), turn=6))
        expect(page.locator("#status")).to_contain_text("No face was found")
        shown = page.locator("#picture").evaluate("picture => [picture.naturalWidth, picture.naturalHeight]")
    with Image.open(BytesIO(board.sent[-1])) as sent:
        assert list(sent.size) == shown
        assert sent.getexif().get(0x0112) is None


class SlowDesk:
    """Reads when it may; then it finds as many faces as the picture is hundreds of pixels wide."""

    def __init__(self, board: FakeBoard) -> None:
        self.may = threading.Event()
        self.begun = threading.Semaphore(0)
        self.widths: list[int] = []
        board.desks.photo = self.read

    def read(self, data: bytes) -> dict[str, Any]:
        with Image.open(BytesIO(data)) as sent:
            width = sent.width
        self.widths.append(width)
        self.begun.release()
        assert self.may.wait(30)
        return answer(*(face(20 + 150 * n, 200) for n in range(width // 100)))


def test_the_newest_choice_is_read_when_the_worker_has_done_with_the_last(
    board: FakeBoard, chromium: Browser, tmp_path: Path
) -> None:
    desk = SlowDesk(board)
    with page_of(chromium, board.address) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.method) if "/api/v1/photo" in request.url else None)
        page.goto("/photo")
        for width in (100, 200, 300):
            page.set_input_files("#choose", picture(tmp_path / f"{width}.jpg", size=(width, 300)))
            expect(page.locator("#picture")).to_have_js_property("naturalWidth", width)
        assert desk.begun.acquire(timeout=30)
        expect(page.locator("#status.busy")).to_have_text("Reading the picture …")
        desk.may.set()
        expect(page.locator("#status")).to_have_text("3 faces: 3 happiness.")
        expect(page.locator(".face")).to_have_count(3)
        assert desk.widths == [100, 300], "who chooses thrice in haste wants the last"
        assert asked == ["POST"] * 2, "and no refusal was needed to find out"


def test_a_picture_waits_for_that_of_another_window(board: FakeBoard, chromium: Browser, tmp_path: Path) -> None:
    desk = SlowDesk(board)
    files = {"picture": ("x", picture(tmp_path / "other.jpg", size=(100, 300)).read_bytes())}
    other = threading.Thread(target=httpx.post, args=[f"{board.address}/api/v1/photo"], kwargs={"files": files})
    other.start()
    assert desk.begun.acquire(timeout=30)
    with page_of(chromium, board.address) as page:
        page.goto("/photo")
        with page.expect_response("**/api/v1/photo") as refused:
            page.set_input_files("#choose", picture(tmp_path / "a.jpg", size=(200, 300)))
        assert refused.value.status == 429
        expect(page.locator("#status.busy")).to_be_visible()
        desk.may.set()
        expect(page.locator("#status")).to_have_text("2 faces: 2 happiness.")
    other.join(30)


def test_after_an_error_the_drop_area_is_there_to_go_on(board: FakeBoard, chromium: Browser, tmp_path: Path) -> None:
    board.photo = answer(face(100, 200, 120))
    good, damaged, text = picture(tmp_path / "a.jpg"), tmp_path / "b.jpg", tmp_path / "c.txt"
    damaged.write_bytes(good.read_bytes()[:300])
    text.write_text("hello")
    with page_of(chromium, board.address) as page:
        page.goto("/photo")
        for bad in (text, damaged):
            page.set_input_files("#choose", good)
            expect(page.locator(".face")).to_have_count(1)
            expect(page.locator("#empty")).to_be_hidden()
            page.set_input_files("#choose", bad)
            expect(page.locator("#status.error")).to_be_visible()
            expect(page.get_by_text("Drop a picture here")).to_be_visible()
            expect(page.locator("#shown")).to_be_hidden()
            expect(page.locator(".face")).to_have_count(0)


def test_the_webcam_clears_the_last_answer_and_one_that_is_still_to_come(
    board: FakeBoard, chromium: Browser, tmp_path: Path
) -> None:
    desk = SlowDesk(board)
    desk.may.set()
    with page_of(chromium, board.address) as page:
        page.goto("/photo")
        welcome = page.locator("#status").inner_text()
        page.set_input_files("#choose", picture(tmp_path / "a.jpg", size=(100, 300)))
        expect(page.locator("#status")).to_contain_text("One face")
        page.click("#webcam")
        expect(page.locator("#video")).to_be_visible()
        expect(page.locator("#status")).to_contain_text("The webcam is on")
        expect(page.locator(".face")).to_have_count(0)
        page.click("#webcam-off")
        expect(page.locator("#status")).to_have_text(welcome)
        expect(page.locator("#empty")).to_be_visible()
        desk.may.clear()
        page.set_input_files("#choose", picture(tmp_path / "b.jpg", size=(200, 300)))
        expect(page.locator("#shown")).to_be_visible()
        page.click("#webcam")
        expect(page.locator("#video")).to_be_visible()
        with page.expect_response("**/api/v1/photo"):
            desk.may.set()
        page.wait_for_timeout(300)
        expect(page.locator("#status")).to_contain_text("The webcam is on")
        expect(page.locator(".face")).to_have_count(0)
        expect(page.locator("#shown")).to_be_hidden()


def test_the_picture_is_called_what_it_is(board: FakeBoard, chromium: Browser, tmp_path: Path) -> None:
    desk = SlowDesk(board)
    with page_of(chromium, board.address) as page:
        page.goto("/photo")
        for name in ("a.jpg", "b.jpg"):
            desk.may.clear()
            page.set_input_files("#choose", picture(tmp_path / name, size=(100, 300)))
            expect(page.get_by_alt_text("The picture that is being read")).to_be_visible()
            desk.may.set()
            expect(page.get_by_alt_text("The picture that was read")).to_be_visible()


def test_an_example_that_is_not_to_be_had_says_why(board: FakeBoard, chromium: Browser) -> None:
    read, board.desks.photo = board.desks.photo, None
    board.photo = answer(face(100, 200, 120))
    with page_of(chromium, board.address) as page:
        page.goto("/photo")
        example, status = page.locator(".example").first, page.locator("#status.error")
        example.click()
        expect(status).to_have_text("The worker is starting or stopping: try again in a few seconds.")
        page.route("**/api/v1/examples/*", lambda route: route.fulfill(status=429, json={"error": "too many requests"}))
        example.click()
        expect(status).to_have_text("Too many requests.")
        page.unroute("**/api/v1/examples/*")
        board.desks.photo = read
        example.click()
        expect(page.locator(".face")).to_have_count(1)
