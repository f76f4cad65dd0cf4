"""A child process that does not outlive this one, however this one ends.

A keeper, a small process of its own, reads a pipe whose only writing end is ours. When we are gone, killed too, the
system closes the pipe, and the keeper ends the child. That needs nothing of the child, and works on macOS as on Linux.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_PATIENCE_S = 5.0
"""From SIGTERM to SIGKILL: a worker stops in order within a second or two, as long as its Redis is there."""


@contextmanager
def leash(pid: int) -> Iterator[None]:
    """Within the block, the child `pid` ends when this process is gone; after it, the caller has ended the child."""
    with subprocess.Popen(
        [sys.executable, "-m", "worker.commands.leash", str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the terminal is not for it
    ) as keeper:
        try:
            yield
        finally:
            keeper.kill()  # before the pipe closes, which would set it going


def _keep(pid: int) -> None:
    sys.stdin.buffer.read()
    for number in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + _PATIENCE_S
        try:
            os.kill(pid, number)
            while time.monotonic() < end:
                time.sleep(0.1)
                os.kill(pid, 0)
        except ProcessLookupError:
            return


if __name__ == "__main__":
    _keep(int(sys.argv[1]))
