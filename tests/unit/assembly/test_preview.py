"""A preview of a stream with a region shows the region, and hides a face where it is there."""

from __future__ import annotations

import json

import numpy as np

from worker.assembly.live import LastFrame
from worker.assembly.preview import render
from worker.draft import Draft
from worker.frame import Letterbox


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
