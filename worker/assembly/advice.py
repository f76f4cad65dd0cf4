"""What is not well, and what somebody can do about it: in the words of the live page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from worker.frame import State
from worker.web.tally import RATE_S

Level = Literal["good", "wait", "bad"]
View = Mapping[str, Any]

_LEVELS: Mapping[State, Level] = {
    State.LIVE: "good",
    State.CONNECTING: "wait",
    State.ENDED: "wait",
    State.STOPPED: "wait",
    State.STALLED: "bad",
    State.BACKOFF: "bad",
    State.AUTH_FAILED: "bad",
    State.FAILED: "bad",
}
_TODO: Mapping[State, str] = {
    State.STALLED: "Look at the camera and at the network on the way to it; it is opened again by itself.",
    State.BACKOFF: "It is tried again by itself; the command emotion-worker probe looks closer.",
    State.AUTH_FAILED: "Correct user name and password in the stream's address; too many tries can lock an account.",
    State.FAILED: "It is not tried again: mend what the reason says, then change the stream or restart the worker.",
}
_TOO_MUCH = "The machine has too much to do: lower max_fps, remove a stream, or start another worker."
_SKIPPED_TOO_MUCH = 0.5
_FEWEST = 5
"""Of fewer frames in 10 s no share is told."""
_OLD_S = 5.0


def level_of(view: View) -> Level:
    """How a stream does."""
    level = _LEVELS[_state(view)]
    return "wait" if level == "good" and (_crowded(view) or _complaint(view)) else level


def attention(streams: Sequence[View], target: View) -> list[dict[str, str | None]]:
    """What needs somebody, the worst first."""
    found: list[dict[str, str | None]] = []
    if not target["up"]:
        found.append(_item("bad", None, *_target_trouble(target)))
    if crowded := [view for view in streams if _crowded(view)]:
        found.append(_crowd(crowded))
    for view in streams:
        state = _state(view)
        if state in _TODO:
            found.append(_item("bad", view["id"], f"{view['id']} is {_words(state)}: {view['reason']}", _TODO[state]))
        elif complaint := _complaint(view):
            found.append(_item("wait", view["id"], *complaint))
    return sorted(found, key=lambda item: item["level"] != "bad")


def _state(view: View) -> State:
    """Its state; while it is opened again, the trouble that it comes from, so that nothing flickers."""
    return State(view["trouble"] or view["state"])


def _crowded(view: View) -> bool:
    """Whether frames find no time: more than half are skipped, or (few frames make shares jump) records come late.

    Only streams that want the newest frame skip any; those that wait for all of theirs are late by their own choice.
    """
    if view["state"] != State.LIVE:
        return False
    lost, kept = _fates(view)
    skips = lost > 0 or view["skipped"].get("superseded", 0) > view["published"]
    late = skips and (view["latency_p95_ms"] or 0.0) > _OLD_S * 1000
    return late or (lost + kept >= _FEWEST and lost > _SKIPPED_TOO_MUCH * (lost + kept))


def _crowd(views: Sequence[View]) -> dict[str, str | None]:
    """One sentence for all: they share the machine."""
    lost, kept = (sum(counts) for counts in zip(*map(_fates, views), strict=True))
    late_s = max(view["latency_p95_ms"] or 0.0 for view in views) / 1000
    who, name = (f"{len(views)} streams", None) if len(views) > 1 else (views[0]["id"], views[0]["id"])
    if lost > _SKIPPED_TOO_MUCH * (lost + kept):
        what = f"{who}: of the frames that should be analysed, {lost / (lost + kept):.0%} are skipped"
    else:
        what = f"{who}: records come up to {late_s:.0f} s after their frames"
    return _item("wait", name, what, _TOO_MUCH)


def _fates(view: View) -> tuple[int, int]:
    """Frames of the last 10 s that should have been analysed and were not, and that were."""
    return view["skipped_lately"].get("superseded", 0), round(view["fps"] * RATE_S)


def _complaint(view: View) -> tuple[str, str] | None:
    """What a stream that is live could do better by itself."""
    if view["state"] != State.LIVE:
        return None
    if view["skipped_lately"].get("inference_error"):
        return f"{view['id']}: the models failed on some frames", "Look into the worker's log."
    if view["live"] and view["frame_age_s"] is not None and view["frame_age_s"] > _OLD_S:
        return f"{view['id']}: the newest frame is {view['frame_age_s']:.0f} s old", _TODO[State.STALLED]
    return None


def _target_trouble(target: View) -> tuple[str, str]:
    if target["kind"] == "redis":
        return (
            f"Redis at {target['where']} takes no records: {target['waiting']} of {target['capacity']} wait in memory",
            "Is it running, are address and password right, is it out of memory? When the queue is full, live streams "
            "drop their oldest records and say so with a gap.",
        )
    return f"{target['where']} cannot be written", "Is there space, and may the worker write there?"


def _words(state: State) -> str:
    return {State.AUTH_FAILED: "refused by the camera", State.BACKOFF: "away"}.get(state, state.value)


def _item(level: Level, stream: str | None, what: str, todo: str) -> dict[str, str | None]:
    return {"level": level, "stream": stream, "what": what, "todo": todo}
