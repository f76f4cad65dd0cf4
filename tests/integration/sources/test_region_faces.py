"""Faces of a real clip, with the shipped detector: told where the region holds them, in pixels of the whole picture."""

from __future__ import annotations

import json

import pytest

from tests.shared_data import shared
from worker.assembly.door import source_options
from worker.assembly.offline import Analysis
from worker.assembly.study import Author
from worker.assembly.workshop import Workshop, open_workshop
from worker.frame import Region
from worker.settings import ModelsSettings, StreamSettings

Box = tuple[float, float, float, float]


@pytest.fixture(scope="module")
def workshop() -> Workshop:
    return open_workshop(ModelsSettings())


def two_faces(workshop: Workshop, region: Region | None) -> list[list[Box]]:
    """The boxes of each half second between 4 s and 6 s of a clip, where it shows two faces."""
    clip = str(shared("clips/timeline_0123_faces_720p.mp4"))
    stream = StreamSettings.model_validate({"id": "clip", "url": clip, "max_fps": 2, "region": region})
    analysis = Analysis(workshop, Author("test", workshop.names(), timed=False))
    found = []
    for frame, record in analysis.records(source_options(stream, workshop.detector.shapes), lambda error: None):
        if frame is None or frame.pts_s is None or not 4.2 < frame.pts_s < 5.8:
            continue
        told = json.loads(record)
        assert (told["frame"]["width"], told["frame"]["height"]) == (1280, 720)
        found.append(sorted(tuple(face["box"]) for face in told["faces"]))
    return found


def test_only_the_face_inside_is_told_and_at_the_same_place(workshop: Workshop) -> None:
    whole = two_faces(workshop, None)
    assert whole
    assert all(len(boxes) == 2 for boxes in whole)
    left, right = whole[0]
    between = (left[0] + left[2] + right[0]) / 2 / 1280

    half = two_faces(workshop, (between, 0.0, 1.0 - between, 1.0))

    assert len(half) == len(whole)
    for boxes, (_, expected) in zip(half, whole, strict=True):
        assert len(boxes) == 1
        assert boxes[0] == pytest.approx(expected, abs=0.12 * expected[3])
