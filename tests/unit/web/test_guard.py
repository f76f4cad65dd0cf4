"""Who may read and who may change, by address, token and settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from worker.assembly.window import Vitals, open_window
from worker.clock import SystemClock
from worker.errors import SettingsError
from worker.settings import WebSettings
from worker.web import server
from worker.web.limits import Rate

TOKEN = "0123456789abcdef"
CHANGE = ("DELETE", "/api/v1/streams/lobby")


@contextmanager
def port(**settings: object) -> Iterator[httpx.Client]:
    """A port with these settings, whose desks are not open: what passes the guard is answered 503."""
    errors: list[BaseException] = []
    web = WebSettings.model_validate({"port": 0, **settings})
    window = open_window(web, Vitals(SystemClock()), errors.append)
    assert window.server is not None
    with httpx.Client(base_url=f"http://127.0.0.1:{window.server.port}", trust_env=False) as client:
        yield client
    assert window.stop(5)
    assert errors == []


def ask(client: httpx.Client, method: str, path: str, token: str | None = None) -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return client.request(method, path, headers=headers).status_code


def test_changes_are_off_unless_the_settings_allow_them() -> None:
    with port(token=TOKEN) as client:
        assert ask(client, *CHANGE, TOKEN) == 403
        assert "web.changes" in client.request(*CHANGE).json()["error"]


def test_on_this_machine_changes_need_the_token_where_there_is_one() -> None:
    with port(changes=True) as client:
        assert ask(client, *CHANGE) == 503
    with port(changes=True, token=TOKEN) as client:
        assert ask(client, *CHANGE) == 401
        assert ask(client, *CHANGE, TOKEN + "x") == 401
        assert ask(client, *CHANGE, TOKEN[:-1]) == 401
        assert ask(client, *CHANGE, TOKEN) == 503
        assert ask(client, "GET", "/api/v1/live") == 503, "reading needs none"
        assert ask(client, "POST", "/api/v1/photo") == 415


def test_on_a_public_address_changes_without_a_token_are_refused_at_start() -> None:
    with pytest.raises(SettingsError, match=r"whoever reaches the port could change streams; set web\.token_file"):
        open_window(WebSettings(host="0.0.0.0", port=0, changes=True), Vitals(SystemClock()), print)


def test_on_a_public_address_everything_but_pages_needs_the_token() -> None:
    with port(host="0.0.0.0", token=TOKEN, changes=True) as client:
        for path in ("/", "/photo", "/pages/live.js", "/metrics"):
            assert ask(client, "GET", path) == 200, path
        assert ask(client, "GET", "/livez") == 200
        for method, path in (
            ("GET", "/api/v1/live"),
            ("GET", "/api/v1/streams"),
            ("GET", "/api/v1/settings"),
            ("GET", "/api/v1/streams/lobby/preview.jpg"),
            ("GET", "/api/v1/openapi.json"),
            ("POST", "/api/v1/photo"),
            ("POST", "/pages/live.js"),
            ("POST", "/api/v1/examples/grace_hopper.jpg"),
            CHANGE,
        ):
            assert ask(client, method, path) == 401, path
            assert ask(client, method, path, TOKEN) not in (401, 403), path


@pytest.mark.parametrize("token", [TOKEN, None])
def test_the_photo_pages_examples_are_as_open_as_the_page(token: str | None) -> None:
    window = open_window(WebSettings(host="0.0.0.0", port=0, token=token), Vitals(SystemClock()), print)
    window.desks.examples = {"grace_hopper.jpg": b"a portrait"}
    assert window.server is not None
    with httpx.Client(base_url=f"http://127.0.0.1:{window.server.port}", trust_env=False) as client:
        answer = client.get("/api/v1/examples/grace_hopper.jpg")
        assert (answer.status_code, answer.content) == (200, b"a portrait")
        assert ask(client, "GET", "/api/v1/examples/nobody.jpg") == 404
        assert ask(client, "GET", "/api/v1/examples/../live") == (401 if token else 403)
        assert ask(client, "GET", "/api/v1/examples/%2e%2e/live") in (401, 403, 404), "no way around"
    assert window.stop(5)


def test_two_workers_on_one_host_leave_each_other_their_sessions() -> None:
    """Browsers, as httpx, send a host's cookies to all of its ports."""
    with (
        port(host="0.0.0.0", token=TOKEN) as one,
        port(host="0.0.0.0", token=TOKEN[::-1]) as other,
        httpx.Client(trust_env=False) as browser,
    ):
        for client, token in ((one, TOKEN), (other, TOKEN[::-1])):
            headers = {"Authorization": f"Bearer {token}"}
            assert browser.post(client.base_url.join("/api/v1/session"), headers=headers).status_code == 204
        for client in (one, other):
            assert browser.get(client.base_url.join("/api/v1/live")).status_code == 503, "the guard lets it pass"


def test_pages_ask_nobody_else_and_run_no_script_of_others() -> None:
    with port() as client:
        for path in ("/", "/photo"):
            answer = client.get(path)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "script-src 'self'" in policy
            assert "unsafe" not in policy
            assert "://" not in answer.text.replace("http://www.w3.org", "")
            assert "style=" not in answer.text
            assert " onclick=" not in answer.text
        assert client.get("/pages/../server.py").status_code == 404
        assert client.get("/pages/%2e%2e%2fserver.py").status_code == 404
        assert client.get("/pages/nothing.js").status_code == 404


def test_too_many_requests_wait_and_health_is_never_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "Rate", lambda *_: Rate(0.001, 5))
    with port() as client:
        assert [client.post("/api/v1/session").status_code for _ in range(7)] == [409] * 5 + [429] * 2
        answer = client.post("/api/v1/session")
        assert answer.json() == {"error": "too many requests: wait a second"}
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert client.get("/livez").status_code == 200


def test_a_body_that_is_too_large_is_refused_also_when_it_does_not_say_so() -> None:
    with port(changes=True) as client:
        assert client.post("/api/v1/streams", content=b" " * 70_000).status_code == 413
        json_head = {"Content-Type": "application/json"}
        answer = client.post("/api/v1/streams", content=(b" " * 10_000 for _ in range(10)), headers=json_head)
        assert answer.status_code == 413
        assert answer.json() == {"error": "this is too large: at most 64 KiB"}


def test_health_in_the_api_says_what_is_not_well() -> None:
    with port() as client:
        answer = client.get("/api/v1/health").json()
        assert answer == {"live": True, "ready": False, "started": False, "reasons": ["models are not warm yet"]}


def test_what_nobody_expected_is_told_to_the_log_and_plainly_to_the_one_who_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> dict[str, object]:
        raise RuntimeError("a bug")

    errors: list[BaseException] = []
    window = open_window(WebSettings(port=0), Vitals(SystemClock()), errors.append)
    window.desks.live = fail
    assert window.server is not None
    with httpx.Client(base_url=f"http://127.0.0.1:{window.server.port}", trust_env=False) as client:
        answer = client.get("/api/v1/live")
        assert answer.status_code == 500
        assert answer.json() == {"error": "a fault of the worker: see its log, and please report it"}
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert client.get("/livez").status_code == 200, "the port goes on"
    assert window.stop(5)
    assert errors == []
    (record,) = [record for record in caplog.records if record.name == "worker.web.answers"]
    assert record.getMessage() == "GET /api/v1/live failed: please report it"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "a bug"
