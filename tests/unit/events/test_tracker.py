from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.events.scenes import Actor, hidden, moments, seen, still, walking
from worker.events.tracker import TrackedFace, Tracker, TrackerRule
from worker.face import Box, Detection

RATES = [5, 10, 30]


def track(actors: list[Actor], fps: float, seconds: float) -> list[tuple[float, list[TrackedFace]]]:
    tracker = Tracker(TrackerRule())
    return [(t, tracker.update(seen(actors, t), t)) for t in moments(fps, seconds)]


def ids(found: list[tuple[float, list[TrackedFace]]]) -> set[int]:
    return {face.track for _, faces in found for face in faces}


@pytest.mark.parametrize("fps", [1, 2, *RATES])
def test_faces_at_rest_keep_their_numbers(fps: float) -> None:
    found = track([Actor(still(200 + 150 * i, 300)) for i in range(6)], fps, 6)
    assert all([face.track for face in faces] == [1, 2, 3, 4, 5, 6] for _, faces in found)


@pytest.mark.parametrize("fps", RATES)
def test_a_passer_by_keeps_the_number(fps: float) -> None:
    """1.5 m/s are seven and a half head widths a second: too far between frames for plain overlap."""
    found = track([Actor(walking(0, 300, 600)), Actor(still(1000, 700))], fps, 3)
    assert ids(found) == {1, 2}


@pytest.mark.parametrize("fps", [1, *RATES])
def test_a_number_outlives_a_second_unseen(fps: float) -> None:
    found = track([Actor(hidden(walking(300, 300, 40), 2.0, 3.0))], fps, 5)
    assert ids(found) == {1}
    assert all(not faces for t, faces in found if 2.0 <= t < 3.0)


@pytest.mark.parametrize("fps", RATES)
def test_after_longer_it_is_somebody_new(fps: float) -> None:
    found = track([Actor(hidden(still(300, 300), 1.0, 3.0))], fps, 5)
    assert ids(found) == {1, 2}


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("gap", [0.0, 0.3])
def test_two_who_cross_keep_their_numbers(fps: float, gap: float) -> None:
    """The one behind is hidden for `gap` seconds around the meeting at t = 2."""
    front, behind = walking(0, 300, 200), walking(800, 320, -200)
    found = track([Actor(front), Actor(hidden(behind, 2 - gap / 2, 2 + gap / 2))], fps, 4)
    for t, faces in found:
        for face in faces:
            centre = (face.box.x_min + face.box.x_max) / 2
            owner = 1 if abs(centre - 200 * t) <= abs(centre - (800 - 200 * t)) else 2
            if abs(t - 2) > 0.35:
                assert face.track == owner, t
    assert ids(found) == {1, 2}


@pytest.mark.parametrize("fps", RATES)
def test_a_noisy_detector_changes_nothing(fps: float) -> None:
    noise = random.Random(3)
    tracker = Tracker(TrackerRule())
    actors = [Actor(walking(100 + 300 * i, 300, 60), 60) for i in range(4)]
    numbers: set[int] = set()
    for t in moments(fps, 6):
        detections = [
            Detection(Box(*(edge + noise.gauss(0, 4) for edge in detection.box)), detection.score)
            for detection in seen(actors, t)
            if noise.random() > 0.1
        ]
        numbers |= {face.track for face in tracker.update(detections, t)}
    assert numbers == {1, 2, 3, 4}


@pytest.mark.parametrize("fps", RATES)
def test_confirmed_after_a_fifth_of_a_second_and_two_hits(fps: float) -> None:
    found = track([Actor(still(300, 300))], fps, 1)
    for t, (face,) in found:
        assert face.confirmed == (t >= 0.2 - 1e-6), t


def test_a_face_seen_once_is_never_confirmed() -> None:
    tracker = Tracker(TrackerRule())
    (face,) = tracker.update([Detection(Box(0, 0, 10, 10), 0.9)], 0.0)
    assert not face.confirmed
    for t in (0.1, 0.3, 0.6):
        tracker.update([], t)
    box = Box(0, 0, 10, 10)
    told = [tracker.update([Detection(box, 0.9)], t) for t in (0.7, 0.8)]
    assert told == [[TrackedFace(1, box, 0.9, False)], [TrackedFace(1, box, 0.9, True)]], "2 of 5 frames, then 3 of 6"


@pytest.mark.parametrize("fps", RATES)
def test_what_flickers_is_never_confirmed(fps: float) -> None:
    """Seen on every fourth frame, for as long as it likes."""
    tracker = Tracker(TrackerRule())
    box = Box(100, 100, 180, 200)
    for frame in range(60):
        faces = tracker.update([Detection(box, 0.9)] if frame % 4 == 0 else [], frame / fps)
        assert not any(face.confirmed for face in faces), frame


def test_who_flickered_for_long_is_confirmed_soon_after_being_seen_well() -> None:
    """The share is of the last second or so: a minute in bad light is not held against a face."""
    tracker = Tracker(TrackerRule())
    box = Box(100, 100, 180, 200)
    for frame in range(1800):
        tracker.update([Detection(box, 0.9)] if frame % 4 == 0 else [], frame / 30)
    for frame in range(1800, 1830):
        (face,) = tracker.update([Detection(box, 0.9)], frame / 30)
    assert face == TrackedFace(1, box, 0.9, True)


def test_faint_detections_continue_confirmed_tracks_and_start_none() -> None:
    tracker = Tracker(TrackerRule())
    box, other = Box(100, 100, 180, 200), Box(400, 100, 480, 200)
    faint = [Detection(box, 0.2), Detection(other, 0.2)]
    assert tracker.update(faint, 0.0) == []
    for t in (0.1, 0.2, 0.3):
        tracker.update([Detection(box, 0.8)], t)
    assert tracker.update(faint, 0.4) == [TrackedFace(1, box, 0.2, True)]
    assert tracker.update([Detection(box, 0.05)], 0.5) == []


def test_a_faint_detection_does_not_continue_a_track_that_was_seen_once() -> None:
    tracker = Tracker(TrackerRule())
    box, other = Box(100, 100, 180, 200), Detection(Box(400, 100, 480, 200), 0.9)
    tracker.update([Detection(box, 0.8), other], 0.0)
    for t in (0.1, 0.2, 0.3):
        assert len(tracker.update([other], t)) == 1
    assert len(tracker.update([Detection(box, 0.3), other], 0.4)) == 1


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("stops", [True, False])
def test_who_moves_on_or_stops_while_unseen_keeps_the_number(fps: float, stops: bool) -> None:
    def path(t: float) -> tuple[float, float]:
        return (200 * (min(t, 2.0) if stops else t), 300)

    assert ids(track([Actor(hidden(path, 2.0, 2.9))], fps, 4)) == {1}


def test_a_sure_detection_goes_before_a_faint_one() -> None:
    tracker = Tracker(TrackerRule())
    box = Box(100, 100, 180, 200)
    for t in (0.0, 0.1, 0.2):
        tracker.update([Detection(box, 0.9)], t)
    shifted = Box(110, 100, 190, 200)
    faces = tracker.update([Detection(box, 0.3), Detection(shifted, 0.8)], 0.3)
    assert [(face.track, face.box) for face in faces] == [(1, shifted)]


def test_numbers_are_never_used_again() -> None:
    tracker = Tracker(TrackerRule())
    numbers = []
    for visit in range(5):
        (face,) = tracker.update([Detection(Box(0, 0, 50, 50), 0.9)], visit * 10.0)
        tracker.reset()
        numbers.append(face.track)
    assert numbers == [1, 2, 3, 4, 5]


def test_one_long_pause_does_not_make_a_slow_stream() -> None:
    """A camera at 25 frames a second that stands still for two: who is there afterwards may be somebody else."""
    tracker = Tracker(TrackerRule())
    times = [start + i / 25 for start in (0.0, 3.0, 1000.0, 1003.0) for i in range(25)]
    numbers = {face.track for t in times for face in tracker.update([Detection(Box(0, 0, 50, 50), 0.9)], t)}
    assert numbers == {1, 2, 3, 4}


def test_a_slow_stream_keeps_faces_from_frame_to_frame() -> None:
    tracker = Tracker(TrackerRule())
    faces = [tracker.update([Detection(Box(0, 0, 50, 50), 0.9)], t)[0] for t in (0.0, 4.0, 8.2, 12.0)]
    assert [(face.track, face.confirmed) for face in faces] == [(1, False), (1, True), (1, True), (1, True)]


def test_a_change_of_resolution_keeps_the_numbers() -> None:
    tracker = Tracker(TrackerRule())
    for t in (0.0, 0.1, 0.2):
        tracker.update([Detection(Box(600, 300, 700, 420), 0.9), Detection(Box(300, 150, 350, 210), 0.9)], t)
    tracker.rescale(0.5, 0.5)
    faces = tracker.update([Detection(Box(150, 75, 175, 105), 0.9), Detection(Box(300, 150, 350, 210), 0.9)], 0.3)
    assert [face.track for face in faces] == [2, 1]


def test_trackers_share_nothing() -> None:
    one, other = Tracker(TrackerRule()), Tracker(TrackerRule())
    detection = [Detection(Box(0, 0, 50, 50), 0.9)]
    assert one.update(detection, 0.0)[0].track == other.update(detection, 0.0)[0].track == 1
    assert one.alive() == {1}


edges = st.floats(-50, 2000)
sizes = st.one_of(st.just(0.0), st.floats(0.1, 1500))
detections = st.builds(
    lambda x, y, width, height, score: Detection(Box(x, y, x + width, y + height), score),
    edges,
    edges,
    sizes,
    sizes,
    st.floats(0, 1),
)


@given(st.lists(st.tuples(st.floats(0, 5), st.lists(detections, max_size=8)), max_size=12))
def test_whatever_the_detector_says_each_face_has_its_own_number(scene: list[tuple[float, list[Detection]]]) -> None:
    tracker, now, highest = Tracker(TrackerRule()), 0.0, 0
    for step, found in scene:
        now += step
        faces = tracker.update(found, now)
        numbers = [face.track for face in faces]
        assert len(set(numbers)) == len(numbers)
        assert [d for d in found if d.score >= 0.5] == [Detection(f.box, f.score) for f in faces if f.score >= 0.5]
        assert all(face.score >= 0.1 for face in faces)
        assert set(numbers) <= tracker.alive()
        fresh = [number for number in numbers if number > highest]
        assert sorted(fresh) == list(range(highest + 1, highest + 1 + len(fresh)))
        highest += len(fresh)
