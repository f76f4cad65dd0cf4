from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.unit.events.records import make_frame
from tests.unit.events.scenes import Actor, hidden, moments, seen, still, walking
from tests.unit.events.test_smoothing import reading
from worker.events import schema
from worker.events.gates import Gates
from worker.events.reading import Reading
from worker.events.stream_events import Probabilities, Seen, StreamEvents
from worker.face import Abstention, Box, Detection, Quality
from worker.frame import Frame, Letterbox, Skip, State, StateChange

GOOD = Quality(100.0, 0.6, 0.5, 1.0)
SMALL = Quality(10.0, 0.6, 0.5, 1.0)
FACE = [Detection(Box(100, 100, 200, 220), 0.91234)]


def at(t: float, **changes: object) -> Frame:
    return make_frame(round(t * 30), pts_s=t, arrived=100 + t, **changes)


def tell(events: StreamEvents, frame: Frame, quality: Quality = GOOD, result: Probabilities | None = None) -> Seen:
    """One frame with one face that looks happy."""
    result = reading("happiness") if result is None else result
    requests = events.begin(frame, FACE)
    return events.finish(frame, [quality] * len(requests), [result] * len(requests))


def confirmed() -> StreamEvents:
    """A stream whose face was just classified, at 0.2 s."""
    events = StreamEvents(Gates(), Reading.BY_RULE)
    for t in (0.0, 0.1, 0.2):
        tell(events, at(t))
    return events


def test_a_face_is_told_from_its_first_frame_and_read_once_confirmed() -> None:
    events = StreamEvents(Gates(), Reading.BY_RULE)
    (first,) = tell(events, at(0.0)).faces
    assert first == schema.Face(
        track=1,
        box=(100.0, 100.0, 100.0, 120.0),
        score=0.9123,
        emotion=None,
        stable=None,
        emotion_age_s=None,
        abstained=None,
        quality=None,
    )
    tell(events, at(0.1))
    told = tell(events, at(0.2))
    (face,) = told.faces
    assert face.emotion is not None
    assert (face.emotion.label, face.emotion.confidence) == ("happiness", 0.8)
    assert face.stable == schema.Stable(label="happiness", confidence=0.8, since_s=0.0)
    assert (face.emotion_age_s, face.abstained) == (0.0, None)
    assert face.quality == schema.Quality(size_px=100.0, sharpness=0.6, brightness=0.5)
    assert (told.stats.faces, told.stats.emotions, told.stats.abstentions, told.stats.flips) == (
        1,
        {"happiness": 1},
        {},
        0,
    )


def test_not_chosen_stable_as_it_stands() -> None:
    (face,) = tell(confirmed(), at(0.3)).faces
    assert (face.emotion, face.emotion_age_s, face.abstained, face.quality) == (None, 0.1, None, None)
    assert face.stable == schema.Stable(label="happiness", confidence=0.8, since_s=0.1)


@pytest.mark.parametrize(
    ("quality", "result", "reason"),
    [
        (SMALL, None, "too_small"),
        (SMALL, reading("fear"), "too_small"),
        (Quality(100, 0.01, 0.5, 1), None, "blurred"),
        (Quality(100, 0.6, 0.01, 1), None, "dark"),
        (Quality(100, 0.6, 0.5, 0.5), None, "partial"),
        (GOOD, reading("fear", 0.3), "low_confidence"),
    ],
)
def test_refused_or_too_unsure(quality: Quality, result: Probabilities | None, reason: str) -> None:
    """The reason at once; the stable label stands until its reading is 2 s old."""
    events = confirmed()
    for t in moments(10, 2.5, 0.3):
        requests = events.begin(at(t), FACE)
        told = events.finish(at(t), [quality] * len(requests), [result] * len(requests))
        (face,) = told.faces
        assert face.emotion is None
        assert face.emotion_age_s == pytest.approx(t - 0.2, abs=0.001)
        if requests:
            assert face.abstained == reason
            assert told.stats.abstentions == {reason: 1}
            assert face.quality is not None
        else:
            assert (face.abstained, told.stats.abstentions) == (None, {})
        assert (face.stable is None) == (t >= 2.2 - 1e-6), t


def test_refused_from_the_beginning() -> None:
    events = StreamEvents(Gates(), Reading.EVERY)
    (face,) = tell(events, at(0.0), SMALL).faces
    assert (face.emotion, face.emotion_age_s, face.stable, face.abstained) == (None, None, None, "too_small")


def test_a_photo_is_read_at_once() -> None:
    (face,) = tell(StreamEvents(Gates(), Reading.EVERY), make_frame(0, pts_s=None, captured_at=None, clock=None)).faces
    assert face.emotion is not None
    assert face.stable is not None


def test_photos_have_nothing_to_do_with_one_another() -> None:
    events = StreamEvents(Gates(), Reading.PHOTOS)
    for number, emotion in enumerate(["happiness", "fear"], 1):
        (face,) = tell(events, make_frame(number - 1, clock="file"), result=reading(emotion)).faces
        assert face.stable is not None
        assert (face.track, face.stable.label, face.stable.since_s) == (number, emotion, 0.0)


def test_flips_are_counted() -> None:
    events = confirmed()
    flips = [tell(events, at(t), result=reading("sadness")).stats.flips for t in moments(10, 2, 0.3)]
    assert sum(flips) == 1


def test_probabilities_are_rounded_and_still_a_distribution() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        events = StreamEvents(Gates(confidence=0.0), Reading.EVERY)
        result = rng.dirichlet(np.full(7, 0.4)).astype(np.float32)
        (face,) = tell(events, at(0.0), result=result).faces
        assert face.emotion is not None
        values = list(face.emotion.probabilities.model_dump().values())
        assert sum(values) == pytest.approx(1, abs=1e-3)
        assert all(value == round(value, 4) for value in values)
        assert face.emotion.confidence == max(values)


def test_results_must_answer_the_requests() -> None:
    events = StreamEvents(Gates(), Reading.EVERY)
    events.begin(at(0.0), FACE)
    with pytest.raises(ValueError, match="shorter"):
        events.finish(at(0.0), [], [])
    with pytest.raises(ValueError, match="track 1"):
        events.finish(at(0.0), [GOOD], [None])


def test_what_got_no_event_is_told_by_the_runs_next_record() -> None:
    events = StreamEvents(Gates(), Reading.BY_RULE)
    tell(events, make_frame(0))
    events.skip(make_frame(2, skipped={"max_fps": 1}), Skip.INFERENCE_ERROR)
    events.begin(make_frame(3), FACE)
    events.skip(make_frame(3), Skip.INFERENCE_ERROR)
    told = tell(events, make_frame(6, skipped={"max_fps": 1, "superseded": 1}))
    assert told.skipped == {"max_fps": 2, "superseded": 1, "inference_error": 2}
    assert tell(events, make_frame(7)).skipped == {}


def test_the_closing_status_takes_along_what_was_skipped_last() -> None:
    events = StreamEvents(Gates(), Reading.BY_RULE)
    tell(events, make_frame(0))
    events.skip(make_frame(1), Skip.STOPPING)
    change = StateChange("lobby", "r1", State.STOPPED, State.LIVE, "stopped", 1.0, True, {"max_fps": 3})
    assert events.carry(change).skipped == {"stopping": 1, "max_fps": 3}
    assert events.carry(change) is change


def test_another_run_begins_with_nobody() -> None:
    events = confirmed()
    (face,) = tell(events, make_frame(0, run="r2", pts_s=0.25, arrived=100.25)).faces
    assert (face.track, face.stable) == (2, None)


def test_a_change_of_resolution_keeps_track_and_label() -> None:
    events = confirmed()
    small = make_frame(3, pts_s=0.3, arrived=100.3, letterbox=Letterbox.fit(960, 540, ((640, 384),)))
    requests = events.begin(small, [Detection(Box(50, 50, 100, 110), 0.9)])
    (face,) = events.finish(small, [GOOD] * len(requests), [reading("fear")] * len(requests)).faces
    assert face.track == 1
    assert face.stable is not None
    assert face.stable.label == "happiness"


def test_memory_does_not_grow_with_visitors() -> None:
    events = StreamEvents(Gates(), Reading.EVERY)
    for visitor in range(200):
        t = visitor * 5.0
        tell(events, at(t, clock="file"))
    assert len(events._smoothers) <= 2
    assert len(events._chooser._looks) <= 2


Look = Callable[[float], str]


def stable_timeline(fps: float, choice: Reading, look: Look, actors: list[Actor]) -> dict[int, list[tuple[float, str]]]:
    """By track: when its stable label became what."""
    events = StreamEvents(Gates(), choice)
    found: dict[int, list[tuple[float, str]]] = {}
    for t in moments(fps, 9):
        frame = at(t)
        requests = events.begin(frame, seen(actors, t))
        result = reading(look(t), 0.7)
        for face in events.finish(frame, [GOOD] * len(requests), [result] * len(requests)).faces:
            changes = found.setdefault(face.track, [])
            if face.stable is not None and (not changes or changes[-1][1] != face.stable.label):
                changes.append((t, face.stable.label))
    return found


def mood(t: float) -> str:
    """Calm, a long smile with a blink of fear in it, then sad."""
    if 4.0 <= t < 4.2:
        return "fear"
    return "neutral" if t < 2 else "happiness" if t < 6 else "sadness"


@pytest.mark.parametrize("choice", [Reading.BY_RULE, Reading.EVERY])
def test_the_same_scene_gives_the_same_timeline_at_any_rate(choice: Reading) -> None:
    """Within 0.3 s: one step of the slowest stream and one look."""
    actors = [
        Actor(walking(200, 400, 60)),
        Actor(hidden(still(1500, 500), 3.0, 3.8)),  # turns away for a moment
    ]
    timelines = [stable_timeline(fps, choice, mood, actors) for fps in (5, 10, 30)]
    for timeline in timelines:
        assert set(timeline) == {1, 2}
        for track, changes in timeline.items():
            assert [label for _, label in changes] == ["neutral", "happiness", "sadness"]
            for (t, label), (other_t, _) in zip(changes, timelines[0][track], strict=True):
                assert abs(t - other_t) <= 0.3, label


def test_live_and_offline_tell_the_same() -> None:
    actors = [Actor(still(500, 500))]
    live = stable_timeline(10, Reading.BY_RULE, mood, actors)[1]
    offline = stable_timeline(30, Reading.EVERY, mood, actors)[1]
    assert [label for _, label in live] == [label for _, label in offline]
    assert max(abs(a - b) for (a, _), (b, _) in zip(live, offline, strict=True)) <= 0.3


def test_gates_tell_which_crops_need_no_classifier() -> None:
    events = StreamEvents(Gates(), Reading.EVERY)
    (request,) = events.begin(at(0.0), FACE)
    assert (request.track, request.box) == (1, FACE[0].box)
    assert events.gates.refuse(SMALL) is Abstention.TOO_SMALL
    assert events.finish(at(0.0), [SMALL], [None]).stats.abstentions == {"too_small": 1}
