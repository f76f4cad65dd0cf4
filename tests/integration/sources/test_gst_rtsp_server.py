"""A live source against gst-rtsp-server: another implementation than FFmpeg's on the other side."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from tests.integration.sources.conftest import Watching
from tests.unit.sources.counter import write_video
from worker.frame import State

pytestmark = pytest.mark.alone

Watch = Callable[..., Watching]
SYSTEM_PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).parents[2] / "gst_camera.py"


@cache
def gst_is_here() -> bool:
    check = 'import gi; gi.require_version("GstRtspServer", "1.0")'
    try:
        return subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture(autouse=True)
def need_gst() -> None:
    if gst_is_here():
        return
    reason = "gst-rtsp-server is not installed (Debian: gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-*, python3-gi)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def gst_camera(clip: Path, *arguments: str, credentials: str = "") -> Iterator[str]:
    """Serve `clip`; the URL."""
    command = [SYSTEM_PYTHON, str(SCRIPT), str(clip), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        try:
            word, port = server.stdout.readline().split()
            assert word == "ready"
            yield f"rtsp://{credentials}127.0.0.1:{port}/live"
        finally:
            server.stdin.close()
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                server.kill()


@pytest.fixture(scope="session")
def h264(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gst") / "b_frames.mp4"
    return write_video(path, 500, options={"bf": "3", "b_strategy": "0", "g": "25", "preset": "ultrafast"})


@pytest.fixture(scope="session")
def hevc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gst") / "hevc.mp4"
    options = {"preset": "ultrafast", "x265-params": "keyint=25:bframes=3:log-level=none"}
    return write_video(path, 300, codec="libx265", pix_fmt="yuv420p10le", options=options)


def sees(watch: Watch, url: str, frames: int = 50, **options: object) -> Watching:
    """Read some frames; their numbers must follow on one another."""
    cam = watch(url, open_timeout_s=8.0, **options)
    cam.seen.until(lambda: len(cam.seen.frames) >= frames, 25)
    cam.source.stop(3)
    assert all(b - a == 1 for a, b in pairwise(cam.seen.numbers())), cam.seen.numbers()
    assert cam.seen.states == [State.CONNECTING, State.LIVE, State.STOPPED]
    return cam


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_h264_with_b_frames_comes_whole_and_in_order(watch: Watch, h264: Path, transport: str) -> None:
    with gst_camera(h264) as url:
        cam = sees(watch, url, transport=transport)
    times = [frame.pts_s for frame in cam.seen.frames if frame.pts_s is not None]
    assert times == sorted(times)


def test_hevc_10_bit(watch: Watch, hevc: Path) -> None:
    with gst_camera(hevc, "--codec", "h265") as url:
        cam = sees(watch, url)
    assert len(cam.seen.frames) >= 50


def test_rtsps_and_its_certificate(watch: Watch, h264: Path, certificate: Path) -> None:
    with gst_camera(h264, "--tls", str(certificate)) as url:
        secure = url.replace("rtsp:", "rtsps:")
        sees(watch, secure, frames=10)
        sees(watch, secure, frames=10, tls_verify=True, ca_file=str(certificate))
        doubted = watch(secure, tls_verify=True)
        doubted.seen.until(lambda: doubted.source.state is State.BACKOFF)
        assert "certificate is not trusted" in doubted.seen.changes[1].reason


@pytest.mark.parametrize("auth", ["basic", "digest"])
def test_the_right_password_opens_and_a_wrong_one_is_told(watch: Watch, h264: Path, auth: str) -> None:
    with gst_camera(h264, "--auth", auth, credentials="viewer:secret@") as url:
        sees(watch, url, frames=5)
        wrong = watch(url.replace("secret", "guess"))
        wrong.seen.until(lambda: wrong.source.state is State.AUTH_FAILED)
        assert "guess" not in wrong.seen.told()


def test_two_cameras_at_once(watch: Watch, h264: Path) -> None:
    with gst_camera(h264) as first, gst_camera(h264) as second:
        one, other = watch(first), watch(second, transport="udp")
        one.seen.until(lambda: len(one.seen.frames) >= 50, 25)
        other.seen.until(lambda: len(other.seen.frames) >= 50, 25)
        one.source.stop(3)
    assert all(b - a == 1 for a, b in pairwise(one.seen.numbers()))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_that_dies_is_noticed(watch: Watch, h264: Path, transport: str) -> None:
    with gst_camera(h264) as url:
        cam = watch(url, transport=transport)
        cam.seen.until(lambda: len(cam.seen.frames) >= 10, 25)
    cam.seen.until(lambda: cam.source.state is State.BACKOFF, 12)
    assert cam.seen.states[:2] == [State.CONNECTING, State.LIVE]
    assert State.LIVE not in cam.seen.states[2:], "nobody is there any more"
