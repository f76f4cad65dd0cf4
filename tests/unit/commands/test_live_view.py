from __future__ import annotations

import time

import pytest

from tests.unit.commands.screens import shown
from worker.commands.face_bars import FaceBars
from worker.commands.live_view import LiveView
from worker.events.fake import FakeCamera, face
from worker.events.schema import StateName


def lobby(*states: StateName) -> tuple[LiveView, FakeCamera]:
    view, camera = LiveView(), FakeCamera(None, "lobby")
    for state in states:
        view.add(camera.status(state))
    return view, camera


def test_states_rates_skips_gaps_and_faces() -> None:
    view, camera = lobby("live")
    view.add(
        camera.frame(face("happiness", confidence=0.83), face(track=2, abstained="too_small"), skipped={"max_fps": 3})
    )
    view.add(camera.gap("stall"))
    text = shown(view.table())
    for word in ("lobby", "live", "36 / 36", "max_fps 3", "gap stall 1", "#1", "happiness  83%", "too small"):
        assert word in text


def test_a_terminal_of_80_columns_shows_all_but_the_number_of_events() -> None:
    view = LiveView()
    for name in ("camera-1", "lobby-entrance-north"):
        camera = FakeCamera(None, name)
        view.add(camera.status("live"))
        view.add(camera.frame(face("happiness"), skipped={"max_fps": 240, "superseded": 108}))
    lines = shown(view.table(80), 80).splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert not any("…" in line for line in lines)
    first = next(line for line in lines if line.split()[:1] == ["camera-1"])
    for word in ("live", "36 / 36", "max_fps", "#1", "happiness  80%"):
        assert word in first
    assert "superseded" in "\n".join(lines)


def test_no_data_never_looks_like_no_people() -> None:
    view, camera = lobby("live")
    view.add(camera.frame())
    assert "no face" in shown(view.table())
    view.add(camera.status("backoff", "gone"))
    text = shown(view.table())
    assert "no data" in text
    assert "no face" not in text


def test_a_live_stream_that_says_nothing_is_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    view, camera = lobby("live")
    view.add(camera.frame(face()))
    began = time.monotonic()
    monkeypatch.setattr("worker.commands.live_view.time.monotonic", lambda: began + 12)
    text = shown(view.table())
    assert "silent 12 s" in text
    assert "no data" in text


def test_thirty_cameras_fit_a_small_terminal_with_those_in_trouble_first() -> None:
    view = LiveView()
    for number in range(30):
        camera = FakeCamera(None, f"cam-{number:02}")
        view.add(camera.status("live"))
        view.add(camera.frame(face(), face("anger", track=2), face("anger", track=3)))
    view.add(FakeCamera(None, "cam-29").status("auth_failed"))
    lines = shown(view.table(84, 20), 84).splitlines()
    assert len(lines) <= 20
    assert all(len(line) <= 84 for line in lines)
    streams = [line.split()[0] for line in lines if "cam-" in line]
    assert streams[0] == "cam-29"
    assert "3: anger 2, neutral 1" in "\n".join(lines)
    assert f"+{30 - len(streams)} more, all live" in "\n".join(lines)


def test_bars_of_one_stream_keep_what_was_read_before() -> None:
    camera, bars = FakeCamera(None), FaceBars()
    bars.add(camera.frame(face("fear", confidence=0.7)))
    later = face("fear").model_copy(update={"emotion": None, "emotion_age_s": 0.1})
    bars.add(camera.frame(later))
    text = shown(bars.drawn())
    assert "#1 fear" in text
    assert "read 0.1 s ago" in text
    assert " 70%" in text
    bars.add(camera.frame())
    assert "fear" not in shown(bars.drawn())


def test_a_stream_whose_state_was_told_long_ago_is_live_by_its_frames() -> None:
    view, camera = lobby()
    view.add(camera.frame(face("happiness")))
    text = shown(view.table())
    assert "live" in text
    assert "happiness" in text
