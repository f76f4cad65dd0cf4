"""A preview of a stream with a region shows the region, and hides a face where it is there."""

from __future__ import annotations

import json

import numpy as np
import pytest

from worker.assembly.live import LastFrame, LastFrames
from worker.assembly.preview import LEAST_S, Previews, render
from worker.clock import SystemClock
from worker.draft import Draft
from worker.frame import Frame, Letterbox
from worker.settings import WebSettings
from worker.web.answers import Refusal


def test_the_face_is_hidden_at_its_place_in_the_region() -> None:
    box = Letterbox.fit(1280, 720, ((320, 192),), (0.5, 0.0, 0.25, 0.25))  # 320x180 px from (640, 0), as large as it is
    seen = np.random.default_rng(1).integers(0, 256, (192, 320, 3), np.uint8)
    face = {"track": 1, "box": [840.0, 100.0, 40.0, 40.0], "stable": None, "emotion": None, "abstained": None}
    draft = Draft("cam", "emotion.frame.v1", json.dumps({"faces": [face]}).encode(), 1, "run", 0.0)

    shown = render(LastFrame(draft, 0.0, box, seen), blurred=True)

    assert shown.shape == (180, 320, 3)
    changed = np.argwhere((shown != seen[box.top : box.top + 180]).any(axis=2))
    assert changed[:, 1].min() > 150, "nothing to the left of the face"
    assert (shown[110:130, 210:230] != seen[box.top + 110 : box.top + 130, 210:230]).mean() > 0.9


class HandClock(SystemClock):
    """A clock that stands still until it is moved."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


def frame_of(value: int, stream: str = "cam") -> Frame:
    box = Letterbox.fit(320, 192, ((320, 192),))
    seen = np.full((192, 320, 3), value, np.uint8)
    return Frame(stream, "run", value, None, None, None, 0.0, box, seen, np.zeros((192, 320), np.uint8))


NOBODY = Draft("cam", "emotion.frame.v1", json.dumps({"faces": []}).encode(), 1, "run", 0.0)


def test_a_picture_is_drawn_when_somebody_asks_and_not_more_often_than_allowed() -> None:
    clock, last = HandClock(), LastFrames(keep_pictures=True)
    previews = Previews(WebSettings(preview="blurred"), last, clock)
    last.keep(frame_of(50), NOBODY)
    first = previews.picture("cam")
    last.keep(frame_of(200), NOBODY)
    assert previews.picture("cam") is first
    clock.now += LEAST_S
    assert previews.picture("cam") != first


def test_the_picture_of_a_removed_stream_is_not_kept() -> None:
    clock, last = HandClock(), LastFrames(keep_pictures=True)
    previews = Previews(WebSettings(preview="blurred"), last, clock)
    for name in ("cam", "gate"):
        last.keep(frame_of(50, name), NOBODY)
        previews.picture(name)
    last.forget("cam")
    clock.now += LEAST_S
    previews.picture("gate")
    assert list(previews._made) == ["gate"]


def test_where_previews_are_off_no_picture_is_held() -> None:
    last = LastFrames(keep_pictures=False)
    last.keep(frame_of(50), NOBODY)
    held = last.of("cam")
    assert held is not None
    assert held.picture is None
    with pytest.raises(Refusal, match=r"set web\.preview"):
        Previews(WebSettings(), last, HandClock()).picture("cam")
