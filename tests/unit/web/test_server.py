"""A real port, asked over real HTTP."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send

from worker.clock import SystemClock
from worker.errors import PortError
from worker.web.desks import Desks
from worker.web.guard import Guard, SecurityHeaders, is_loopback
from worker.web.health import Health, Verdict
from worker.web.metrics import Metrics
from worker.web.server import Access, WebServer, create_app
from worker.web.session import Keys

TOKEN = "0123456789abcdef"


class House:
    """What the port shows, with switches."""

    def __init__(self) -> None:
        self.metrics = Metrics(SystemClock(), {"version": "0"})
        self.ready: Verdict = (True, [])
        self.errors: list[BaseException] = []

    def serve(self, host: str = "127.0.0.1", port: int = 0, token: str | None = None) -> WebServer:
        health = Health(live=lambda: (True, []), ready=lambda: self.ready, started=lambda: (True, []))
        access = Access(host, ("Worker.example",), token)
        app = create_app(self.metrics.registry, health, Desks(), access)
        return WebServer(app, host, port, self.errors.append)


@pytest.fixture
def house() -> Iterator[House]:
    built = House()
    yield built
    assert built.errors == []


@pytest.fixture
def local(house: House) -> Iterator[httpx.Client]:
    server = house.serve()
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
        yield client
    assert server.stop(5)


@pytest.fixture
def public(house: House) -> Iterator[httpx.Client]:
    server = house.serve(host="0.0.0.0", token=TOKEN)
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
        yield client
    assert server.stop(5)


def test_a_scrape_shows_what_was_counted_and_forgets_a_removed_stream(house: House, local: httpx.Client) -> None:
    house.metrics.stream_added("lobby")
    house.metrics.decoded("lobby")

    answer = local.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'emotion_worker_frames_decoded_total{stream="lobby"} 1.0' in answer.text
    assert "process_resident_memory_bytes" in answer.text
    house.metrics.stream_removed("lobby")
    assert 'stream="lobby"' not in local.get("/metrics").text


def test_prometheus_may_ask_for_openmetrics(local: httpx.Client) -> None:
    answer = local.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_health_says_why_not(house: House, local: httpx.Client) -> None:
    assert local.get("/livez").status_code == 200
    assert local.get("/startupz").json() == {"ok": True, "reasons": []}
    assert local.get("/readyz").status_code == 200

    house.ready = (False, ["every stream has failed"])

    answer = local.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ok": False, "reasons": ["every stream has failed"]}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "", "127.0.0.1.evil.example", "[::1"])
def test_strange_hosts_are_refused(local: httpx.Client, host: str) -> None:
    answer = local.get("/metrics", headers={"Host": host})
    if host == "[::1":
        assert answer.status_code == 200, "brackets do not make a name of an address"
    else:
        assert answer.status_code == 403
        assert "emotion_worker" not in answer.text


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "10.1.2.3:9", "[::1]:8080", "worker.example", "127.0.0.1"]
)
def test_known_hosts_are_served(local: httpx.Client, host: str) -> None:
    assert local.get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_requests_from_other_sites_are_refused(local: httpx.Client, origin: str) -> None:
    assert local.get("/metrics", headers={"Origin": origin}).status_code == 403


def test_requests_from_the_own_site_are_served(local: httpx.Client) -> None:
    host = local.base_url.netloc.decode()
    assert local.get("/metrics", headers={"Origin": f"http://{host}"}).status_code == 200


def test_every_answer_has_the_security_headers(local: httpx.Client) -> None:
    for path, host in (("/livez", "localhost"), ("/nothing", "localhost"), ("/livez", "evil.example")):
        headers = local.get(path, headers={"Host": host}).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_from_other_machines_only_health_and_metrics_are_free(public: httpx.Client) -> None:
    assert public.get("/metrics").status_code == 200
    assert public.get("/readyz").status_code == 200
    answer = public.get("/api/v1/live")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert public.get("/api/v1/live", headers={"Authorization": f"Bearer {TOKEN}x"}).status_code == 401
    assert public.get("/api/v1/live", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 503


def test_without_a_token_nothing_else_is_read_from_other_machines(house: House) -> None:
    server = house.serve(host="0.0.0.0")
    server.start()
    try:
        answer = httpx.get(f"http://127.0.0.1:{server.port}/api/v1/live", trust_env=False)
    finally:
        assert server.stop(5)
    assert answer.status_code == 403
    assert "web.token_file" in answer.text


def test_a_port_in_use_is_one_clear_line(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = house.serve(port=port)
        with pytest.raises(PortError) as caught:
            server.start()
    assert str(port) in str(caught.value)
    assert "web.port" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert server.stop(1), "stop is legal where start failed"


def test_an_address_of_another_machine_is_one_clear_line(house: House) -> None:
    with pytest.raises(PortError, match=r"web\.host 192\.0\.2\.1 is no address of this machine"):
        house.serve(host="192.0.2.1").start()


def test_a_name_that_nobody_knows_is_one_clear_line(house: House) -> None:
    with pytest.raises(PortError, match=r"web\.host no\.such\.name\.invalid is no address that this machine knows"):
        house.serve(host="no.such.name.invalid").start()


@pytest.mark.parametrize(
    ("number", "told"), [(errno.EACCES, "set web.port to 1024 or more"), (errno.ENOBUFS, "cannot be opened")]
)
def test_what_else_the_system_may_say(house: House, monkeypatch: pytest.MonkeyPatch, number: int, told: str) -> None:
    def refuse(_socket: socket.socket, _address: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(PortError, match=told):
        house.serve().start()


def test_a_server_that_cannot_start_is_told_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        raise RuntimeError("no loop")

    monkeypatch.setattr(uvicorn.Server, "run", fail)
    started = time.monotonic()
    with pytest.raises(PortError, match="did not start: no loop"):
        house.serve().start()
    assert time.monotonic() - started < 2


def test_the_owner_is_told_when_serving_ends_by_an_error(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_server: uvicorn.Server) -> None:
        raise RuntimeError("gone")

    monkeypatch.setattr(uvicorn.Server, "main_loop", fail)
    server = house.serve()
    server.start()
    assert server.stop(5)
    assert [str(error) for error in house.errors] == ["gone"]
    house.errors.clear()


def test_stop_frees_the_port_also_while_a_client_hangs_on(house: House) -> None:
    before = set(threading.enumerate())
    server = house.serve()
    server.start()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\n")  # and never the rest
        started = time.monotonic()
        assert server.stop(5)
        assert time.monotonic() - started < 4
    assert "web" not in {thread.name for thread in set(threading.enumerate()) - before}
    with socket.create_server(("127.0.0.1", server.port)):
        pass


def test_a_websocket_does_not_slip_past() -> None:
    reached: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["type"])

    async def nothing() -> Message:
        return {}

    async def sent(message: Message) -> None:
        reached.append(message["type"])

    guard = SecurityHeaders(Guard(app, host="127.0.0.1", allowed_hosts=(), keys=Keys(None)))
    asyncio.run(guard({"type": "websocket", "path": "/", "headers": []}, nothing, sent))
    assert reached == []


def test_loopback() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("::")
    assert not is_loopback("camera.example")
