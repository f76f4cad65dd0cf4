"""MPEG-TS over UDP, without a server around it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from tests.integration.sources.conftest import Watching
from tests.unit.sources.counter import write_video
from worker.frame import State

pytestmark = pytest.mark.alone

Watch = Callable[..., Watching]


@pytest.fixture(scope="module")
def transport_stream(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """90 numbered frames."""
    return write_video(tmp_path_factory.mktemp("ts") / "clip.ts", 90, options={"g": "15", "bf": "0"}).read_bytes()


def test_udp(watch: Watch, transport_stream: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    cam = watch(f"udp://127.0.0.1:{port}", read_timeout_s=1.0)
    gone = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not gone.is_set():
                for start in range(0, len(transport_stream), 1316):
                    out.sendto(transport_stream[start : start + 1316], ("127.0.0.1", port))
                    time.sleep(0.01)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    cam.seen.until(lambda: len(cam.seen.frames) >= 40)
    gone.set()
    sender.join(5)
    cam.seen.until(lambda: State.STALLED in cam.seen.states)
    assert cam.seen.states[:2] == [State.CONNECTING, State.LIVE]
    assert cam.source.stop(3)
