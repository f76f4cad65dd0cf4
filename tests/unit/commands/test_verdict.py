from __future__ import annotations

from fractions import Fraction

import pytest
import yaml

from worker.commands.look import Look, declared
from worker.commands.verdict import Cost, Speed, cost_of, settings_entry, stream_name
from worker.cores import usable_cores
from worker.redact import redact
from worker.settings import StreamSettings

FITS = Cost(10, 0.1, 0.3, 3, 30.0)
TOO_MUCH = Cost(10, 0.1, 2.0, 0, 4.8)


def camera(fps: float = 25.0, seconds: float = 4.0, live: bool = True) -> Look:
    look = Look(live, transport="tcp", declared_fps=25.0)
    for number in range(round(fps * seconds)):
        look.arrivals.append(100 + number / fps)
        look.media.append(number / 25)
        if number % 50 == 0:
            look.keys.append(number)
    return look


def test_the_rate_is_what_arrives_not_what_the_camera_stamps() -> None:
    assert camera(12.5).fps == pytest.approx(12.5)
    assert camera(25.0).key_step_s == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("told", "meant"), [(Fraction(24000, 1001), 23.976), (Fraction(48000), None), (Fraction(0), None), (None, None)]
)
def test_ticks_of_a_clock_are_no_rate(told: Fraction | None, meant: float | None) -> None:
    assert declared(told) == (meant if meant is None else pytest.approx(meant, abs=0.001))


def test_a_burst_at_the_beginning_does_not_count() -> None:
    look = camera(10.0)
    look.arrivals[:0] = [look.arrivals[0]] * 30
    assert look.fps == pytest.approx(10.0)


def test_a_clock_that_runs_fast_is_told_from_pictures_that_come_late() -> None:
    look = camera()
    early = look.clock_drift
    assert early is None
    late = (0.0, 0.3, 0.0, 0.5, 0.2, 0.0, 0.4, 0.0)
    look.clock_offsets = [(float(at), 0.1 + 0.001 * at - late[at % 8]) for at in range(40)]
    assert look.clock_drift is not None
    moved, seconds = look.clock_drift
    assert moved == pytest.approx(0.001 * seconds)


@pytest.mark.parametrize("live", [True, False])
def test_a_stream_costs_all_its_decoding_and_the_inference_that_a_live_stream_asks_for(live: bool) -> None:
    look = camera(live=live)
    look.decode_s = 0.02 * look.frames
    cost = cost_of(look, Speed(picture_s=0.025, face_s=0.01), [])
    assert cost.fps == 10
    assert cost.decode_cores == pytest.approx(25 * 0.02, rel=0.05)
    assert cost.inference == pytest.approx(0.25)
    share = cost.decode_cores / usable_cores()
    assert cost.streams == int(1 / (0.25 + share))
    assert cost.most_fps * 0.025 + share == pytest.approx(1)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://10.0.0.7/stream1", "10.0.0.7-stream1"),
        ("rtsp://viewer:secret@cam.local:554/a/b?x=1", "cam.local-a-b"),
        ("clips/my film.mp4", "my-film"),
        ("///", "camera"),
    ],
)
def test_names(url: str, expected: str) -> None:
    assert stream_name(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://viewer:se:cr@et@10.0.0.7/1",
        "rtsp://10.0.0.7/1?password=secret",
        "rtsp://viewer:secret@10.0.0.7/1",
        "rtsp://10.0.0.7/1",
        "rtsp://viewer:${LOBBY}@10.0.0.7/1",
        "clips/a b.mp4",
    ],
)
def test_the_entry_is_valid_and_holds_no_secret(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (entry,) = yaml.safe_load(settings_entry("lobby", url, camera(), FITS))
    stream = StreamSettings.model_validate(entry)
    assert stream.id == "lobby"
    text = str(entry)
    assert "secret" not in text.replace("/run/secrets", "")
    assert "cr@et" not in text
    if "password=" in url:
        assert str(stream.url_file) == "/run/secrets/lobby"
    elif redact(url) != url:
        name = "LOBBY" if "LOBBY" in url else "CAMERA_LOBBY_PASSWORD"
        assert entry["url"] == f"rtsp://viewer:${{{name}}}@10.0.0.7/1"
    else:
        assert entry["url"] == url


def test_a_slow_machine_gets_an_entry_that_fits() -> None:
    (entry,) = yaml.safe_load(settings_entry("lobby", "rtsp://10.0.0.7/1", camera(), TOO_MUCH))
    assert entry["max_fps"] == 4
