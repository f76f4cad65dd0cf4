from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tests.unit.events.scenes import moments
from worker.events.smoothing import Smoother, SmoothingRule
from worker.face import EMOTIONS

Floats = npt.NDArray[np.float64]


def reading(label: str, confidence: float = 0.8) -> Floats:
    """`confidence` for `label`, the rest shared by the others."""
    probabilities = np.full(7, (1 - confidence) / 6)
    probabilities[EMOTIONS.index(label)] = confidence
    return probabilities


def label(smoother: Smoother, now: float) -> str | None:
    stable = smoother.stable(now)
    return None if stable is None else EMOTIONS[stable.label]


def timeline(scene: list[tuple[float, str]], every_s: float, weight: float = 1.0) -> list[tuple[float, str]]:
    """Changes of the stable label when `scene` (from second, emotion) is read every so many seconds, for 8 s."""
    smoother = Smoother(SmoothingRule())
    changes: list[tuple[float, str]] = []
    for t in moments(1 / every_s, 8):
        shown = [emotion for start, emotion in scene if start <= t][-1]
        smoother.update(reading(shown), weight, t)
        now = label(smoother, t)
        if now is not None and (not changes or changes[-1][1] != now):
            changes.append((t, now))
    return changes


SCENE = [(0.0, "neutral"), (2.0, "happiness"), (4.0, "neutral"), (4.2, "happiness"), (6.0, "sadness")]


def test_the_first_reading_stands_at_once() -> None:
    smoother = Smoother(SmoothingRule())
    assert (smoother.stable(0.0), smoother.age(0.0)) == (None, None)
    assert not smoother.update(reading("fear", 0.6), 1.0, 5.0)
    stable = smoother.stable(5.5)
    assert stable is not None
    assert (EMOTIONS[stable.label], stable.since_s) == ("fear", 0.5)
    assert stable.confidence == pytest.approx(0.6)
    assert smoother.age(5.5) == 0.5


@pytest.mark.parametrize("every_s", [1 / 30, 0.1, 0.2])
def test_a_new_emotion_takes_over_and_a_blink_does_not(every_s: float) -> None:
    changes = timeline(SCENE, every_s)
    assert [emotion for _, emotion in changes] == ["neutral", "happiness", "sadness"]
    for (at, _), begun in zip(changes[1:], (2.0, 6.0), strict=True):
        assert 0.25 <= at - begun <= 0.95, at


def test_the_timeline_is_the_same_at_any_rate() -> None:
    """Within one reading's time: 0.2 s is the slowest rate here."""
    fine, coarse = timeline(SCENE, 1 / 30), timeline(SCENE, 0.2)
    for (at, emotion), (other_at, other) in zip(fine, coarse, strict=True):
        assert emotion == other
        assert abs(at - other_at) <= 0.2 + 1e-6


def test_the_smoothed_score_is_the_same_at_any_rate() -> None:
    scores = []
    for fps in (5, 10, 30):
        smoother = Smoother(SmoothingRule())
        smoother.update(reading("neutral"), 1.0, 0.0)
        for t in moments(fps, 0.4, 1 / fps):
            smoother.update(reading("happiness"), 1.0, t)
        stable = smoother.stable(0.4)
        assert stable is not None
        scores.append((EMOTIONS[stable.label], stable.confidence))
    assert {emotion for emotion, _ in scores} == {"neutral"}
    assert [score for _, score in scores] == pytest.approx([scores[0][1]] * 3)


def test_after_a_half_life_old_and_new_weigh_the_same() -> None:
    smoother = Smoother(SmoothingRule(half_life_s=0.4, lead=1.0))
    smoother.update(reading("anger"), 1.0, 0.0)
    smoother.update(reading("disgust"), 1.0, 0.4)
    mean = np.exp((np.log(reading("anger")) + np.log(reading("disgust"))) / 2)
    stable = smoother.stable(0.4)
    assert stable is not None
    assert stable.confidence == pytest.approx(float((mean / mean.sum())[0]))


def test_a_poor_crop_counts_less() -> None:
    sharp, poor = timeline(SCENE, 0.1, 1.0), timeline(SCENE, 0.1, 0.5)
    assert poor[1][0] > sharp[1][0]


def test_a_change_needs_a_lead_of_a_quarter_second_without_a_break() -> None:
    rule = SmoothingRule(half_life_s=1e-6, dwell_s=0.0)  # no smoothing: the hysteresis alone
    smoother = Smoother(rule)
    smoother.update(reading("neutral"), 1.0, 0.0)
    told = []
    for t, emotion in [(1.0, "fear"), (1.2, "fear"), (1.22, "neutral"), (1.3, "fear"), (1.5, "fear"), (1.6, "fear")]:
        told.append(smoother.update(reading(emotion), 1.0, t))
    assert told == [False, False, False, False, False, True]


def test_a_small_lead_changes_nothing() -> None:
    smoother = Smoother(SmoothingRule())
    close = reading("anger", 0.4)
    close[EMOTIONS.index("fear")] = 0.5
    close /= close.sum()
    smoother.update(reading("anger", 0.5), 1.0, 0.0)
    assert not any(smoother.update(close, 1.0, t) for t in moments(5, 4, 0.2))
    assert label(smoother, 4.0) == "anger"


@pytest.mark.parametrize(
    ("first", "then", "at"), [("sadness", "anger", 0.4), ("sadness", "surprise", 0.3), ("surprise", "anger", 0.3)]
)
def test_a_label_stands_a_while_but_surprise_may_come_and_go(first: str, then: str, at: float) -> None:
    smoother = Smoother(SmoothingRule(half_life_s=1e-6))
    smoother.update(reading(first), 1.0, 0.0)
    changes = [t for t in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5) if smoother.update(reading(then), 1.0, t)]
    assert changes == [at]


def test_after_a_pause_old_readings_count_nothing_but_the_label_must_be_beaten() -> None:
    smoother = Smoother(SmoothingRule())
    smoother.update(reading("anger"), 1.0, 0.0)
    assert not smoother.update(reading("fear"), 1.0, 1.5)
    stable = smoother.stable(1.5)
    assert stable is not None
    assert EMOTIONS[stable.label] == "anger"
    assert stable.confidence == pytest.approx(0.2 / 6)
    assert smoother.update(reading("fear"), 1.0, 1.8)


def test_refused_faces_keep_their_label_until_it_is_two_seconds_old() -> None:
    smoother = Smoother(SmoothingRule())
    smoother.refuse(0.0)
    assert smoother.stable(0.0) is None
    smoother.update(reading("anger"), 1.0, 1.0)
    for t in (1.2, 2.0, 2.9):
        smoother.refuse(t)
        assert label(smoother, t) == "anger"
    smoother.refuse(3.0)
    assert label(smoother, 3.0) is None
    assert smoother.age(3.0) == 2.0
    assert not smoother.update(reading("fear"), 1.0, 3.2)  # a new beginning, no flip
    assert label(smoother, 3.2) == "fear"


def test_a_probability_of_nought_outweighs_nothing() -> None:
    smoother = Smoother(SmoothingRule())
    certain = np.zeros(7)
    certain[0] = 1.0
    smoother.update(certain, 1.0, 0.0)
    for t in moments(10, 2, 0.1):
        smoother.update(reading("fear"), 1.0, t)
    assert label(smoother, 2.1) == "fear"
