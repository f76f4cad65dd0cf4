"""Streams added, changed and removed on a running worker, over HTTP."""

from __future__ import annotations

import gc
import json
import stat
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from tests.integration.web.conftest import Patient
from worker.assembly.changes import opening_streams
from worker.assembly.house import House
from worker.assembly.state_file import StateFile
from worker.errors import SettingsError
from worker.settings import Settings, StreamSettings

CLIP = {"url": "hall.mp4", "loop": True, "realtime": True, "policy": "keep_latest", "max_fps": 2}


def wait_until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.2)
    raise AssertionError(f"{what} did not happen within 60 s")


def view(client: httpx.Client, name: str) -> dict[str, Any]:
    streams: list[dict[str, Any]] = client.get("/api/v1/live").json()["streams"]
    return next(stream for stream in streams if stream["id"] == name)


def threads_of(name: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == f"source-{name}"]


def furniture(house: House, name: str) -> dict[str, weakref.ref[Any]]:
    """What belongs to a stream and holds its frames."""
    stream, last = house._streams._streams[name], house._last.of(name)
    assert last is not None
    things: dict[str, object] = {"mailbox": stream.mailbox, "source": stream.source, "queue": stream.queue}
    things["study"] = house._hall._inference._studies[name]
    return {kind: weakref.ref(thing) for kind, thing in things.items()} | {"picture": weakref.ref(last.picture)}


def test_a_stream_comes_works_and_goes_without_a_trace(owner: httpx.Client, clips: Path, house: House) -> None:
    answer = owner.post("/api/v1/streams", json={"id": "gate", **CLIP})
    assert answer.status_code == 201
    assert answer.json() == {
        "dry_run": False,
        "add": ["gate"],
        "restart": [],
        "remove": [],
        "untouched": [],
        "survives_restart": True,
    }
    wait_until(lambda: view(owner, "gate")["published"] > 2, "a record")
    seen = view(owner, "gate")
    assert seen["state"] == "live"
    assert seen["level"] in ("good", "wait")
    assert seen["frame_age_s"] < 10
    assert seen["decoded"] >= seen["published"]
    assert sum(row[-1] for row in seen["history"]) == pytest.approx(seen["published"], abs=1)
    shown = owner.get("/api/v1/streams/gate").json()
    assert (shown["url"], shown["origin"]) == (str(clips / "hall.mp4"), "api")
    assert threads_of("gate")
    left = furniture(house, "gate")

    assert owner.delete("/api/v1/streams/gate").json()["remove"] == ["gate"]

    assert threads_of("gate") == []
    wait_until(lambda: gc.collect() >= 0 and not any(thing() for thing in left.values()), "its memory being free")
    assert 'stream="gate"' not in owner.get("/metrics").text
    assert owner.get("/api/v1/live").json()["streams"] == []
    assert owner.get("/api/v1/streams/gate").status_code == 404
    assert owner.delete("/api/v1/streams/gate").status_code == 404


def test_a_dry_run_says_what_would_restart_and_why_and_does_nothing(owner: httpx.Client) -> None:
    assert owner.post("/api/v1/streams?dry_run=true", json={"id": "gate", **CLIP}).json()["add"] == ["gate"]
    assert owner.get("/api/v1/streams").json() == {"streams": []}
    for name in ("gate", "door"):
        owner.post("/api/v1/streams", json={"id": name, **CLIP})
    try:
        plan = owner.patch("/api/v1/streams/gate?dry_run=true", json={"max_fps": 1, "realtime": True}).json()
        assert plan["restart"] == [{"stream": "gate", "because": ["max_fps"]}]
        assert plan["untouched"] == ["door"]
        assert owner.get("/api/v1/streams/gate").json()["max_fps"] == 2

        before = view(owner, "door")["decoded"]
        owner.patch("/api/v1/streams/gate", json={"max_fps": 1})
        assert owner.get("/api/v1/streams/gate").json()["max_fps"] == 1
        wait_until(lambda: view(owner, "gate")["published"] > 0, "a record of the changed stream")
        assert view(owner, "door")["decoded"] > before, "the other one goes on counting"
        assert owner.patch("/api/v1/streams/gate", json={"max_fps": 1}).json()["restart"] == []
        assert owner.delete("/api/v1/streams/gate?dry_run=true").json()["remove"] == ["gate"]
        assert owner.get("/api/v1/streams/gate").status_code == 200
        assert owner.post("/api/v1/streams", json={"id": "gate", **CLIP}).status_code == 409
    finally:
        for name in ("gate", "door"):
            owner.delete(f"/api/v1/streams/{name}")


def test_a_preview_shows_the_scene_and_no_face(owner: httpx.Client) -> None:
    owner.post("/api/v1/streams", json={"id": "gate", **CLIP})
    try:
        wait_until(
            lambda: view(owner, "gate")["preview"] and bool(view(owner, "gate")["faces"]), "a preview with a face"
        )
        answer = owner.get("/api/v1/streams/gate/preview.jpg")
        assert answer.headers["content-type"] == "image/jpeg"
        picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (240, 426, 3)
        found = owner.post("/api/v1/photo", files={"picture": ("x", answer.content)}).json()["faces"]
        assert [face for face in found if face["score"] > 0.6 and face["emotion"]] == []
    finally:
        owner.delete("/api/v1/streams/gate")
    assert owner.get("/api/v1/streams/gate/preview.jpg").status_code == 404


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"url": "file:///etc/passwd"}, "must start with"),
        ({"url": "concat:/etc/passwd"}, "no file in the folder"),
        ({"url": "/etc/passwd"}, "no file in the folder"),
        ({"url": "webcam:0"}, "no file in the folder"),
        ({"url": "webcam://0"}, "must start with"),
        ({"url": "/dev/video0"}, "no file in the folder"),
        ({"url": "/dev/v4l/by-id/usb-Maker_Camera_1-video-index0"}, "no file in the folder"),
        ({"url": "../hall.mp4"}, "no file in the folder"),
        ({"url": "subfile,,start,0,end,9,,:/etc/passwd"}, "no file in the folder"),
        ({"url": "async:file:/etc/passwd"}, "no file in the folder"),
        ({"url": "cache:/etc/passwd"}, "no file in the folder"),
        ({"url": "crypto:/etc/passwd"}, "no file in the folder"),
        ({"url": "pipe:0"}, "no file in the folder"),
        ({"url": "http:127.0.0.1:80"}, "no file in the folder"),
        ({"url": "x" * 2000}, "no file in the folder"),
        ({"url": "hall.mp4\0"}, "control characters"),
        ({"url": "rtmp://camera.example/x"}, "must start with"),
        ({"url": "rtsp://127.0.0.1/x"}, "web.local_targets"),
        ({"url": "rtsp://localhost/x"}, "web.local_targets"),
        ({"url": "http://2130706433/x"}, "web.local_targets"),
        ({"url": "http://[::ffff:127.0.0.1]/x"}, "web.local_targets"),
        ({"url": "http://169.254.169.254/latest/meta-data"}, "web.local_targets"),
        ({"url": "http://0.0.0.0/x"}, "web.local_targets"),
        ({"url": "http://192.0.2.1@127.0.0.1/x"}, "web.local_targets"),
        ({"url": "rtsp://no.such.host.invalid/x"}, "does not know"),
        ({"url": "rtsp://u:${REDIS_PASSWORD}@192.0.2.1/x"}, "variables"),
        ({"url": "rtsp://u:***@192.0.2.1/x"}, "mask"),
        ({"url": "rtsp://192.0.2.1/a b"}, "blanks"),
        ({"url": "rtsp://192.0.2.1:99999/"}, "no address"),
        ({"url": "rtsp://192.0.2.1/x", "url_file": "/etc/passwd"}, "url_file"),
        ({"url": "rtsp://192.0.2.1/x", "tls_ca": "/etc/passwd"}, "tls_ca"),
        ({"url": "rtsp://192.0.2.1/x", "loop": True}, "loop"),
        ({"url": "rtsp://192.0.2.1/x", "max_fps": 0}, "max_fps: must be more than 0"),
        ({"url": "rtsp://192.0.2.1/x", "region": [0, 0, 2, 1]}, "region.2: must be at most 1"),
        ({"url": "rtsp://192.0.2.1/x", "id": "a b"}, "id: must be 1 to 64 of A-Z a-z 0-9 _ . -, the first no dot"),
        ({"url": "rtsp://192.0.2.1/x", "id": "a" * 65}, "id"),
        ({}, "url is missing"),
        ({"url": "rtsp://192.0.2.1/x", "transport": "smoke"}, "transport: must be tcp or udp"),
        ({"url": "rtsp://192.0.2.1/x", "max_fps": "fast"}, "max_fps: must be a number"),
        ({"url": "rtsp://192.0.2.1/x", "region": "all"}, "region: must be a list"),
        ({"url": "rtsp://192.0.2.1/x", "loop": "maybe"}, "loop: must be true or false"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_not_allowed_is_refused_in_one_sentence(
    owner: httpx.Client, body: dict[str, Any], sentence: str
) -> None:
    answer = owner.post("/api/v1/streams", json={"id": "gate", **body})
    assert answer.status_code == 422, answer.text
    assert sentence in answer.json()["error"]
    assert "passwd" not in answer.text
    assert owner.get("/api/v1/streams").json() == {"streams": []}


@pytest.mark.parametrize(
    ("body", "kind", "status", "sentence"),
    [
        (b"{", "application/json", 400, "the body is no JSON"),
        (b"\xff\xfe", "application/json", 400, "the body is no JSON"),
        (b"[" * 60_000, "application/json", 400, "the body is no JSON"),
        (b"", "application/json", 422, "the body must be a JSON object"),
        (b"[]", "application/json", 422, "the body must be a JSON object"),
        (b"null", "application/json", 422, "the body must be a JSON object"),
        (b'{"id": "a", "url": "rtsp://192.0.2.1/"}', "text/plain", 422, "sent as application/json"),
        (b'{"id": "a", "url": "rtsp://192.0.2.1/", "max_fps": NaN}', "application/json", 422, "max_fps: "),
        (b'{"id": "a", "url": "rtsp://192.0.2.1/\\ud800"}', "application/json", 422, "url: "),
        (
            b'{"id": "a", "url": "rtsp://192.0.2.1/", "extra": 1}',
            "application/json",
            422,
            "extra: there is no such key",
        ),
        (b" " * 100_000, "application/json", 413, "at most 64 KiB"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_json_is_refused_in_one_sentence(
    owner: httpx.Client, body: bytes, kind: str, status: int, sentence: str
) -> None:
    answer = owner.post("/api/v1/streams", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert sentence in answer.json()["error"]


def test_a_change_to_an_address_that_is_not_allowed_changes_nothing(owner: httpx.Client) -> None:
    owner.post("/api/v1/streams", json={"id": "gate", "url": "rtsp://192.0.2.1/x"})
    try:
        for url in ("file:///etc/passwd", "webcam:0", "rtsp://127.0.0.1/x", "/dev/video0"):
            assert owner.patch("/api/v1/streams/gate", json={"url": url}).status_code == 422
        assert owner.get("/api/v1/streams/gate").json()["url"] == "rtsp://192.0.2.1/x"
    finally:
        owner.delete("/api/v1/streams/gate")


def test_what_is_no_request_is_refused(owner: httpx.Client) -> None:
    assert owner.put("/api/v1/streams", json={}).status_code == 405
    assert owner.get("/api/v1/nothing").status_code == 404


def test_changes_need_the_token_and_reading_does_not(client: httpx.Client) -> None:
    for method, path in (("POST", "/api/v1/streams"), ("PATCH", "/api/v1/streams/a"), ("DELETE", "/api/v1/streams/a")):
        for given, said in (
            (None, "a bearer token is needed"),
            ("Bearer wrong", "the token is wrong"),
            ("Basic 0123456789abcdef", "a bearer token is needed"),
        ):
            answer = client.request(method, path, json={}, headers={"Authorization": given} if given else {})
            assert answer.status_code == 401, (method, given)
            assert answer.json() == {"error": said}
    assert client.get("/api/v1/streams").status_code == 200


def test_a_browser_exchanges_the_token_for_a_cookie(owner: httpx.Client, house: House) -> None:
    answer = owner.post("/api/v1/session")
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "0123456789abcdef" not in cookie
    with httpx.Client(base_url=owner.base_url, transport=Patient(), cookies=answer.cookies) as browser:
        assert browser.delete("/api/v1/streams/none").status_code == 404, "the cookie opens"
        assert browser.delete("/api/v1/session").status_code == 204
    with httpx.Client(base_url=owner.base_url, transport=Patient(), cookies=answer.cookies) as browser:
        assert browser.delete("/api/v1/streams/none").status_code == 401, "it was given back"
        assert browser.post("/api/v1/session", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_no_answer_holds_a_secret(owner: httpx.Client) -> None:
    owner.post("/api/v1/streams", json={"id": "gate", "url": "rtsp://viewer:hunter2@192.0.2.1/x?token=hunter2"})
    try:
        told = "".join(
            owner.get(path).text
            for path in ("/api/v1/live", "/api/v1/streams", "/api/v1/streams/gate", "/api/v1/settings", "/metrics")
        )
        told += owner.patch("/api/v1/streams/gate", json={"max_fps": 3}).text
    finally:
        told += owner.delete("/api/v1/streams/gate").text
    assert "hunter2" not in told
    assert "0123456789abcdef" not in told
    assert "viewer" in told


def test_a_changed_stream_keeps_its_password(owner: httpx.Client, house: House) -> None:
    owner.post("/api/v1/streams", json={"id": "gate", "url": "rtsp://viewer:hunter2@192.0.2.1/x"})
    try:
        owner.patch("/api/v1/streams/gate", json={"max_fps": 3})
        (stream,) = house._streams.settings()
        assert stream.address == "rtsp://viewer:hunter2@192.0.2.1/x"
        assert stream.max_fps == 3
    finally:
        owner.delete("/api/v1/streams/gate")


def test_what_the_api_did_survives_a_restart(owner: httpx.Client, house: House) -> None:
    path = house._settings.web.state_file
    assert path is not None
    owner.post("/api/v1/streams", json={"id": "gate", "url": "rtsp://viewer:hunter2@192.0.2.1/x", "max_fps": 3})
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        streams = [{"id": "gate", "url": "rtsp://192.0.2.9/"}, {"id": "yard", "url": "rtsp://192.0.2.2/"}]
        later = Settings.model_validate({"streams": streams, "web": {"state_file": path}})
        started = {stream.id: stream for stream in opening_streams(later)}
        assert started["gate"].address == "rtsp://viewer:hunter2@192.0.2.1/x"
        assert started["gate"].max_fps == 3
        assert started["yard"].address == "rtsp://192.0.2.2/"
    finally:
        owner.delete("/api/v1/streams/gate")
    told = [(stream.id, stream.address) for stream in opening_streams(later)]
    assert told == [("gate", "rtsp://192.0.2.9/"), ("yard", "rtsp://192.0.2.2/")], "only the API knew the other gate"


def test_what_only_the_api_knew_leaves_nothing_behind(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state.json")
    state.put(StreamSettings(id="gate", url="rtsp://192.0.2.1/x"))
    state.drop("gate", in_settings=False)
    state.drop("yard", in_settings=True)
    again = StateFile(tmp_path / "state.json")
    assert again.removed == {"yard"}
    settings = [StreamSettings(id=name, url="rtsp://192.0.2.9/") for name in ("gate", "yard")]
    assert [stream.id for stream in again.over(settings)] == ["gate"], "removed stays removed"


@pytest.mark.parametrize("name", [".", "..", ".hidden"])
def test_an_id_that_an_address_cannot_hold_is_refused(owner: httpx.Client, name: str) -> None:
    answer = owner.post("/api/v1/streams", json={"id": name, "url": "rtsp://192.0.2.1/x"})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("id: ")


@pytest.mark.parametrize("content", ["", "[]", '{"version": 2, "streams": [], "removed": []}', '{"version": 1}'])
def test_a_damaged_state_file_is_one_clear_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"web\.state_file: .*state\.json cannot be read"):
        opening_streams(Settings.model_validate({"web": {"state_file": path}}))


def test_a_secret_in_a_damaged_state_file_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(
        json.dumps({"version": 1, "streams": [{"id": "x", "url": "rtsp://u:hunter2@h", "n": 1}], "removed": []})
    )
    with pytest.raises(SettingsError) as caught:
        opening_streams(Settings.model_validate({"web": {"state_file": path}}))
    assert "hunter2" not in str(caught.value)
