"""The download, against a real HTTP server that misbehaves."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from detector_training.fetch import FetchLimits, fetch_pictures, file_name

BODY = bytes(range(256)) * 400
LIMITS = FetchLimits(parallel=4, tries=3, timeout_s=5, max_bytes=500_000, pause_s=0.01)


class Server(BaseHTTPRequestHandler):
    """/good, /gone (404), /busy (503 twice), /cut (half of it the first time), /big (says 10 MB), /never (503)."""

    asked: ClassVar[Counter[str]] = Counter()
    ranges: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        Server.asked[self.path] += 1
        if kind == "gone":
            return self.send_error(404)
        if kind == "never" or (kind == "busy" and Server.asked[self.path] < 3):
            return self.send_error(503)
        start = 0
        if wanted := self.headers.get("Range"):
            Server.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(10_000_000 if kind == "big" else len(BODY) - start))
        self.end_headers()
        body = BODY[start:]
        self.wfile.write(body[: len(BODY) // 2] if kind == "cut" and not start else body)
        return None

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Server.asked, Server.ranges = Counter(), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_picture_is_whole_or_told_gone(address: str, tmp_path: Path) -> None:
    kinds = ["good/a.jpg", "gone/b.jpg", "busy/c.jpg", "cut/d.jpg", "big/e.jpg", "never/f.jpg", "good/a.jpg"]
    urls = [f"{address}/{kind}" for kind in kinds]
    fetched = fetch_pictures(urls, tmp_path, LIMITS)
    assert sorted(url.split("/")[3] for url in fetched.paths) == ["busy", "cut", "good"]
    assert all(path.read_bytes() == BODY for path in fetched.paths.values())
    reasons = {problem.where.split("/")[3]: problem.why for problem in fetched.gone}
    assert reasons.keys() == {"gone", "big", "never"}
    assert "404" in reasons["gone"]
    assert "503" in reasons["never"]
    assert "larger than" in reasons["big"]
    assert Server.asked["/gone/b.jpg"] == 1, "a 404 is not asked again"
    assert Server.asked["/good/a.jpg"] == 1, "a URL that comes twice is fetched once"
    assert Server.ranges == [f"bytes={len(BODY) // 2}-"], "what was cut off goes on where it stopped"


def test_a_second_run_goes_on(address: str, tmp_path: Path) -> None:
    whole, part = f"{address}/good/whole.jpg", f"{address}/good/part.jpg"
    fetch_pictures([whole], tmp_path, LIMITS)
    (tmp_path / (file_name(part) + ".part")).write_bytes(BODY[:1000])
    fetched = fetch_pictures([whole, part], tmp_path, LIMITS)
    assert Server.asked["/good/whole.jpg"] == 1
    assert Server.ranges == ["bytes=1000-"]
    assert fetched.paths[part].read_bytes() == BODY
    assert not list(tmp_path.glob("*.part"))


def test_no_server_and_other_schemes_are_told(tmp_path: Path) -> None:
    urls = ["http://127.0.0.1:9/x.jpg", "file:///etc/passwd"]
    gone = dict(fetch_pictures(urls, tmp_path, LIMITS).gone)
    assert "refused" in gone[urls[0]]
    assert "not an http" in gone[urls[1]]


def test_names_are_safe_and_differ() -> None:
    first, second = file_name("http://x/a/%2e%2e/p.jpg"), file_name("http://x/b/p.jpg")
    assert first != second
    assert "/" not in file_name("http://x/..%2F..%2Fetc")
