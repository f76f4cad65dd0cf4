"""The photo page in a real browser on a fake desk: many faces, reasons for silence, keyboard, turned WebP."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

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
