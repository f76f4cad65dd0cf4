"""What `analyze` writes beside the records."""

from __future__ import annotations

import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.unit.events.records import make_frame
from worker.commands.extras import Extras, check_differ
from worker.commands.story import Story
from worker.commands.timeline import draw_timeline
from worker.drawing import COLOURS
from worker.errors import OutputError
from worker.events import schema
from worker.events.fake import FakeCamera, face

MODELS = schema.Models(detector="face@1", classifier="fer@1")
NAME = "=<b>a & b</b>.mp4"


def tell(extras: Extras, story: str = NAME) -> None:
    """Two seconds happy, one second too small, and a second track that is sad for the last second; 10 fps."""
    camera = FakeCamera(None, "clip", fps=10)
    extras.begin(story, Path(story).stem, photo=False)
    luma = np.full((1080, 1920), 90, np.uint8)
    for number in range(30):
        first = face("happiness") if number < 20 else face(abstained="too_small")
        second = [face("sadness", track=2)] if number >= 20 else []
        extras.add(make_frame(number, luma=luma), camera.frame(first, *second))
    extras.end()


def test_rows_are_the_faces(tmp_path: Path) -> None:
    extras = Extras(tmp_path / "faces.csv", None, None, several=False)
    tell(extras)
    assert not (tmp_path / "faces.csv").exists(), "whole or not at all"
    extras.finish([], MODELS)
    with (tmp_path / "faces.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    assert rows[0]["file"] == f"'{NAME}", "no spreadsheet takes it for a formula"
    assert (rows[0]["emotion"], rows[0]["happiness"], rows[0]["stable"], rows[0]["abstained"]) == (
        "happiness", "0.8", "happiness", "",
    )  # fmt: skip
    assert (rows[-2]["emotion"], rows[-2]["happiness"], rows[-2]["abstained"]) == ("", "", "too_small")
    assert float(rows[-1]["time_s"]) == pytest.approx(2.9)


def test_the_timeline_has_the_colours_where_they_belong() -> None:
    story = Story("clip.mp4", photo=False)
    camera = FakeCamera(None, "clip", fps=10)
    for number in range(30):
        seen = face("happiness") if number < 20 else face(abstained="dark")
        story.add(make_frame(number, luma=np.zeros((1080, 1920), np.uint8)), camera.frame(seen))
    story.close()
    picture = draw_timeline(story)
    band = picture[96 + 76 + 6]  # a row of the first lane's band
    happy = np.flatnonzero((band == COLOURS["happiness"]).all(axis=1))
    assert happy.min() == 150
    assert happy.max() == pytest.approx(150 + 1220 * 2 / 3, abs=2)
    told = {tuple(pixel) for pixel in band[1000:1300].tolist()}
    assert len(told) == 2, "hatched"
    assert not told & set(COLOURS.values())


def test_no_face_is_said() -> None:
    assert draw_timeline(Story("empty.mp4", photo=False)).shape[1] == 1400


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_is_one_file_that_says_it_in_words(tmp_path: Path) -> None:
    extras = Extras(None, None, tmp_path / "report.html", several=False)
    tell(extras)
    extras.finish(["other.mp4: cut short"], MODELS)
    html = (tmp_path / "report.html").read_text()
    page = _Page()
    page.feed(html)
    assert NAME in page.text
    assert "b" not in page.tags, "names are escaped"
    assert page.links
    assert all(link.startswith("data:image/") for link in page.links)
    assert "http://" not in html
    assert "https://" not in html
    assert "script" not in page.tags
    words = " ".join(page.text.split())
    assert "30 pictures in 3.0 seconds were looked at; 2 faces came into view" in words
    assert "Told most often: happiness (2.0 s) and sadness (1.0 s)" in words
    assert "1.0 s nothing: the face was too small" in words
    assert "other.mp4: cut short" in words
    assert "do not say what anybody feels or thinks" in words
    widths = re.findall(r"width:([\d.]+)%", html)
    assert max(map(float, widths)) <= 100


def test_several_clips_are_told_apart(tmp_path: Path) -> None:
    extras = Extras(None, tmp_path / "time.png", None, several=True)
    tell(extras, "one.mp4")
    tell(extras, "two.mp4")
    extras.finish([], MODELS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["time-one.png", "time-two.png"]
    picture = cv2.imread(str(tmp_path / "time-one.png"))
    assert picture is not None


def test_half_a_file_does_not_stay(tmp_path: Path) -> None:
    extras = Extras(tmp_path / "faces.csv", None, None, several=False)
    tell(extras)
    extras.discard()
    assert list(tmp_path.iterdir()) == []


def test_mistakes_are_found_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.png"):
        Extras(None, tmp_path / "time.jpg", None, several=False)
    for options in (
        (tmp_path / "no" / "faces.csv", None, None),
        (None, tmp_path / "no" / "t.png", None),
        (None, None, tmp_path / "no" / "r.html"),
    ):
        with pytest.raises(OutputError, match="folder"):
            Extras(*options, several=False)
    with pytest.raises(OutputError, match="same file"):
        check_differ({"--out": tmp_path / "a", "--csv": tmp_path / "b" / ".." / "a", "--video": None}, [])
    with pytest.raises(OutputError, match=r"--csv names .*clip\.mp4, which is read"):
        check_differ({"--csv": tmp_path / "b" / ".." / "clip.mp4"}, [tmp_path / "clip.mp4"])
