"""Sources on a web server: files, HLS, refusals, silence; and what a playlist must not reach."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import av
import cv2
import pytest

from tests.integration.sources.conftest import Watching
from tests.unit.sources.counter import painted, write_video
from worker.events.stream_time import StreamTime
from worker.frame import State

pytestmark = pytest.mark.alone

Watch = Callable[..., Watching]


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder; `/locked/` asks for a password, `/mute/` never answers, `/half/` falls silent half way
    and `/cut/` hangs up there."""

    def do_GET(self) -> None:
        if self.path.startswith("/mjpeg/"):
            self._send_pictures()
            return
        if self.path.startswith("/mute/"):
            time.sleep(4)
            return
        if self.path.startswith("/locked/"):
            expected = "Basic " + base64.b64encode(b"viewer:secret").decode()
            if self.headers.get("Authorization") != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="x"')
                self.end_headers()
                return
            self.path = self.path.removeprefix("/locked")
        if self.path.startswith(("/half/", "/cut/")):
            self._send_half()
            return
        super().do_GET()

    def _send_pictures(self) -> None:
        """Five numbered pictures a second, as cameras push them into a web page."""
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for number in range(100):
            data = cv2.imencode(".jpg", painted(number))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data + b"\r\n")
            time.sleep(0.2)

    def _send_half(self) -> None:
        content = (Path(self.directory) / Path(self.path).name).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        if self.path.startswith("/half/"):
            time.sleep(6)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True


@contextmanager
def web(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, name="test-web", daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(5)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file, an HLS recording, a web page and a playlist that points at a local file."""
    folder = tmp_path_factory.mktemp("site")
    write_video(folder / "clip.mkv", 60)
    clip = write_video(folder / "clip.mp4", 60, options={"g": "20"})
    with (
        av.open(str(clip)) as source,
        av.open(str(folder / "list.m3u8"), "w", format="hls", options={"hls_time": "0.8", "hls_list_size": "0"}) as out,
    ):
        track = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = track
                out.mux(packet)
    (folder / "page.mp4").write_text("<!DOCTYPE html><html></html>")
    (folder / "trap.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{folder}/list0.ts\n#EXT-X-ENDLIST\n"
    )
    return folder


@pytest.mark.parametrize("name", ["clip.mkv", "list.m3u8", "locked/clip.mkv"])
def test_what_has_an_end_is_read_to_its_end(watch: Watch, site: Path, name: str) -> None:
    with web(site) as host:
        cam = watch(f"http://viewer:secret@{host}/{name}")
        cam.seen.until(lambda: cam.source.state is State.ENDED)
    assert cam.seen.numbers() == list(range(60))
    assert cam.seen.states == [State.CONNECTING, State.LIVE, State.ENDED]
    assert len(list(site.glob("list*.ts"))) > 1


def test_pictures_without_times_go_by_their_arrival(watch: Watch, site: Path) -> None:
    """FFmpeg makes up 25 a second for MJPEG over HTTP."""
    with web(site) as host:
        cam = watch(f"http://{host}/mjpeg/")
        cam.seen.until(lambda: len(cam.seen.frames) >= 20)
        cam.source.stop(2)
    assert cam.seen.numbers()[:20] == list(range(20))
    assert {frame.pts_s for frame in cam.seen.frames} == {None}
    clock = StreamTime()
    for frame in cam.seen.frames[:20]:
        clock.advance(frame)
    assert clock.now == pytest.approx(19 * 0.2, rel=0.2)
    assert cam.behind == []
    assert cam.seen.states == [State.CONNECTING, State.LIVE, State.STOPPED]


def test_live_hls_is_paced_not_swallowed_in_bursts(watch: Watch, tmp_path: Path) -> None:
    """Segments of two seconds come at once; their frames are handed over one by one, and no stall is seen between."""
    clip = write_video(tmp_path / "clip.mp4", 500, options={"g": "50", "preset": "ultrafast"})
    folder = tmp_path / "hls"
    folder.mkdir()
    options = {"hls_time": "2", "hls_list_size": "4", "hls_flags": "delete_segments"}
    gone = threading.Event()

    def broadcast() -> None:
        with (
            av.open(str(clip)) as source,
            av.open(str(folder / "live.m3u8"), "w", format="hls", options=options) as out,
        ):
            track = out.add_stream_from_template(source.streams.video[0])
            started = time.monotonic() - 6  # three segments are there at the start
            for packet in source.demux(video=0):
                if packet.dts is None or gone.wait(
                    max(0.0, started + float(packet.dts * packet.time_base) - time.monotonic())
                ):
                    return
                packet.stream = track
                out.mux(packet)

    sender = threading.Thread(target=broadcast, name="test-hls", daemon=True)
    sender.start()
    while not (folder / "live.m3u8").exists():
        time.sleep(0.05)
    with web(folder) as host:
        cam = watch(f"http://{host}/live.m3u8", read_timeout_s=1.5)
        cam.seen.until(lambda: len(cam.seen.frames) >= 175, 20)
        cam.source.stop(3)
        gone.set()
        sender.join(5)
    numbers = cam.seen.numbers()
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    steps = [later.arrived - earlier.arrived for earlier, later in pairwise(cam.seen.frames)]
    assert sum(step < 0.01 for step in steps) < len(steps) / 4
    assert cam.seen.states == [State.CONNECTING, State.LIVE, State.STOPPED]


@pytest.mark.parametrize(
    ("name", "state", "says"),
    [
        ("nothing.mkv", State.BACKOFF, "404"),
        ("page.mp4", State.BACKOFF, "no video that can be read"),
        ("locked/clip.mkv", State.AUTH_FAILED, "password refused"),
        ("mute/clip.mkv", State.BACKOFF, "no answer within 1 s"),
    ],
)
def test_what_goes_wrong_is_told(watch: Watch, site: Path, name: str, state: State, says: str) -> None:
    with web(site) as host:
        cam = watch(f"http://viewer:guess@{host}/{name}", open_timeout_s=1.0)
        cam.seen.until(lambda: cam.source.state is state)
        cam.source.stop(3)
    assert says in cam.seen.changes[1].reason
    assert "guess" not in cam.seen.told()


@pytest.mark.parametrize(
    ("way", "states"),
    [
        ("half", [State.CONNECTING, State.LIVE, State.STALLED, State.BACKOFF]),
        ("cut", [State.CONNECTING, State.LIVE, State.BACKOFF]),
    ],
)
def test_a_server_that_fails_half_way(watch: Watch, site: Path, way: str, states: list[State]) -> None:
    with web(site) as host:
        cam = watch(f"http://{host}/{way}/clip.mkv", read_timeout_s=1.0)
        cam.seen.until(lambda: cam.source.state is State.BACKOFF)
        cam.source.stop(3)
    assert cam.seen.states[: len(states)] == states
    assert 0 < len(cam.seen.numbers(cam.seen.runs[0])) < 60
    assert cam.restarts[0] == ("stall" if way == "half" else "source_down")


def test_a_playlist_from_the_web_cannot_read_local_files(watch: Watch, site: Path) -> None:
    with web(site) as host:
        cam = watch(f"http://{host}/trap.m3u8")
        cam.seen.until(lambda: cam.source.state is State.BACKOFF)
        cam.source.stop(3)
    assert cam.seen.frames == []
