from __future__ import annotations

import pytest

from tests.unit.events.scenes import moments
from worker.events.gates import Gates
from worker.events.reading import Chooser, Reading, ReadingRule
from worker.events.tracker import TrackedFace
from worker.face import Abstention, Box, Quality


def face(track: int = 1, x: float = 0.0, confirmed: bool = True) -> TrackedFace:
    return TrackedFace(track, Box(x, 0, x + 100, 100), 0.9, confirmed)


def looked_at(fps: float, jitter: float = 0.0) -> list[float]:
    chooser = Chooser(Reading.BY_RULE, ReadingRule())
    times = [t + jitter * (-1) ** i for i, t in enumerate(moments(fps, 2))]
    return [round(t, 3) for t in times if chooser.choose([face()], t)]


@pytest.mark.parametrize("fps", [5, 10, 25, 30])
def test_a_face_is_looked_at_at_once_and_every_fifth_of_a_second(fps: float) -> None:
    assert looked_at(fps) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8]


def test_a_cameras_jitter_costs_no_look() -> None:
    assert len(looked_at(10, jitter=0.005)) == 10


def test_a_slow_camera_has_every_frame_looked_at() -> None:
    assert len(looked_at(2)) == 4


def test_a_box_that_moved_much_is_looked_at_before_its_time() -> None:
    chooser = Chooser(Reading.BY_RULE, ReadingRule())
    assert chooser.choose([face()], 0.0)
    assert not chooser.choose([face(x=20)], 0.05)
    assert chooser.choose([face(x=60)], 0.1)
    assert not chooser.choose([face(x=60)], 0.15)


def test_unconfirmed_faces_wait() -> None:
    chooser = Chooser(Reading.BY_RULE, ReadingRule())
    assert chooser.choose([face(confirmed=False)], 0.0) == []
    assert chooser.choose([face()], 0.2) == [face()]


@pytest.mark.parametrize("reading", [Reading.EVERY, Reading.PHOTOS])
def test_photos_and_analysis_look_at_every_face_of_every_frame(reading: Reading) -> None:
    chooser = Chooser(reading, ReadingRule())
    for t in moments(30, 1):
        assert len(chooser.choose([face(1, confirmed=False), face(2)], t)) == 2


def test_the_choice_does_not_depend_on_who_else_is_there() -> None:
    """By rule, never by load."""
    crowd, alone = Chooser(Reading.BY_RULE, ReadingRule()), Chooser(Reading.BY_RULE, ReadingRule())
    for t in moments(30, 1):
        in_crowd = crowd.choose([face(track) for track in range(1, 100)], t)
        assert [f.track for f in in_crowd if f.track == 7] == [f.track for f in alone.choose([face(7)], t)]


def test_tracks_that_ended_are_forgotten() -> None:
    chooser = Chooser(Reading.BY_RULE, ReadingRule())
    chooser.choose([face(1), face(2)], 0.0)
    chooser.keep({2})
    assert [f.track for f in chooser.choose([face(1), face(2)], 0.1)] == [1]


GOOD = {"size_px": 100.0, "sharpness": 0.6, "brightness": 0.5, "inside": 1.0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"size_px": 23.9}, Abstention.TOO_SMALL),
        ({"size_px": 24.0}, None),
        ({"inside": 0.79}, Abstention.PARTIAL),
        ({"inside": 0.8}, None),
        ({"brightness": 0.07}, Abstention.DARK),
        ({"sharpness": 0.04}, Abstention.BLURRED),
        ({"sharpness": 0.04, "brightness": 0.07}, Abstention.DARK),
        ({"size_px": 5.0, "sharpness": 0.0, "brightness": 0.0, "inside": 0.0}, Abstention.TOO_SMALL),
    ],
)
def test_gates(change: dict[str, float], reason: Abstention | None) -> None:
    assert Gates().refuse(Quality(**(GOOD | change))) == reason


def test_thresholds_are_the_manifests() -> None:
    strict = Gates(size_px=200, sharpness=0.9, brightness=0.9, inside=1.0)
    assert strict.refuse(Quality(**GOOD)) is Abstention.TOO_SMALL
    assert strict.refuse(Quality(**(GOOD | {"size_px": 300.0}))) is Abstention.DARK


def test_a_crop_that_just_passes_counts_half() -> None:
    gates = Gates(size_px=24, sharpness=0.1)
    assert gates.weight(Quality(**GOOD)) == 1.0
    assert gates.weight(Quality(**(GOOD | {"size_px": 24.0}))) == 0.5
    assert gates.weight(Quality(**(GOOD | {"size_px": 36.0}))) == 0.75
    assert gates.weight(Quality(**(GOOD | {"sharpness": 0.15}))) == pytest.approx(0.75)
    assert Gates(size_px=0, sharpness=0).weight(Quality(0, 0, 0.5, 1)) == 1.0
