"""`emotion-worker tail` on a terminal, while a real worker reads a clip, hangs, wakes up and stops."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.command import environment, service, wait_until
from tests.acceptance.test_run import camera, has_frames
from worker.embedded_redis import EmbeddedRedis

pytestmark = pytest.mark.alone

COLUMNS, ROWS = 120, 40
LIVE = re.compile(r"hall +live +\d+\.\d +\d+ / \d+ +\d+ +max_fps \d+ +#\d+ +[█░]{8} happiness +\d+%")


class Terminal:
    """What a program has written to a terminal."""

    def __init__(self, end: int) -> None:
        self._end = end
        self._written = b""
        self._reader = threading.Thread(target=self._read, name="terminal")
        self._reader.start()

    def screen(self) -> str:
        """What is on it now, without colours: what came after it was wiped for the last time."""
        last = self._written.decode(errors="replace").split("\x1b[1A\x1b[2K")[-1]
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", last)

    def row(self, stream: str) -> str:
        """The stream's line."""
        return next((line for line in self.screen().splitlines() if line.strip().startswith(f"{stream} ")), "")

    def join(self) -> None:
        self._reader.join(20)

    def _read(self) -> None:
        while True:
            try:
                self._written += os.read(self._end, 65536)
            except OSError:  # the program has gone
                return


@contextmanager
def on_a_terminal(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Terminal]]:
    """Run `emotion-worker ARGUMENTS` on a terminal of 120 columns and 40 rows."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environ = {name: value for name, value in environment().items() if name not in ("NO_COLOR", "COLUMNS")}
    # A suite that a shell runs in the background ignores SIGINT, and what it starts inherits that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-m", "worker", *arguments], stdin=its, stdout=its, stderr=its,
        env={**environ, "TERM": "xterm-256color"}, start_new_session=True,
    )  # fmt: skip
    signal.signal(signal.SIGINT, before)
    os.close(its)
    terminal = Terminal(ours)
    try:
        yield process, terminal
    finally:
        process.kill()
        process.wait()
        terminal.join()
        os.close(ours)


def test_what_a_worker_does_is_seen_as_it_happens(
    embedded: EmbeddedRedis, faces_video: Path, door_video: Path, tmp_path: Path
) -> None:
    settings = {"streams": [camera("hall", faces_video), camera("door", door_video)], "redis": {"url": embedded.url}}
    with service(tmp_path, settings) as worker, on_a_terminal("tail", embedded.url) as (tail, terminal):
        wait_until(has_frames(embedded, "hall", 3), 200, "events")
        wait_until(lambda: LIVE.search(terminal.row("hall")) is not None, 60, "a face with its stable emotion")
        assert max(len(line) for line in terminal.screen().splitlines()) <= COLUMNS
        worker.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: "silent" in terminal.screen() and "no data" in terminal.row("hall"), 60, "its silence told")
        worker.process.send_signal(signal.SIGCONT)
        wait_until(lambda: "silent" not in terminal.screen(), 60, "its coming back")
        assert worker.stop(60) == 0
        for stream in ("hall", "door"):
            wait_until(lambda stream=stream: "stopped" in terminal.row(stream), 60, "the end told")
            assert "no data" in terminal.row(stream), "nobody knows what a camera sees that is not read"
        tail.send_signal(signal.SIGINT)
        assert tail.wait(20) == 130
    assert "Traceback" not in terminal.screen()
