"""Where streams stand, as the live page and health are told."""

from __future__ import annotations

from worker.assembly.reports import StreamStates
from worker.frame import State


def test_a_camera_that_is_away_says_since_when_and_why_now() -> None:
    states = StreamStates()
    states.tell("gate", State.LIVE, "first frame after 0.4 s", 10.0)
    states.tell("gate", State.BACKOFF, "it closed the stream; next try in 0.9 s", 20.0)
    states.still("gate", "connection refused; next try in 28 s")
    standing = states.standing("gate")
    assert standing is not None
    assert (standing.state, standing.since) == (State.BACKOFF, 20.0)
    assert standing.reason == "connection refused; next try in 28 s"
    states.tell("gate", State.LIVE, "frames again after 60 s", 80.0)
    standing = states.standing("gate")
    assert standing is not None
    assert (standing.since, standing.trouble) == (80.0, None)


def test_what_is_told_late_of_a_removed_stream_brings_it_not_back() -> None:
    states = StreamStates()
    states.tell("gate", State.BACKOFF, "away", 20.0)
    states.forget("gate")
    states.still("gate", "connection refused")
    assert states.standing("gate") is None
