"""A child on a leash ends with the one that started it, and only with it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.acceptance.command import environment, running, wait_until
from worker.commands.leash import leash

PARENT = """
import subprocess, sys, time
from worker.commands.leash import leash
child = subprocess.Popen(["sh", "-c", sys.argv[1]])
with leash(child.pid):
    print(child.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("child", ["exec sleep 600", "trap '' TERM; exec sleep 600"], ids=["willing", "deaf"])
def test_a_killed_parent_takes_its_child_along(child: str) -> None:
    command = [sys.executable, "-c", PARENT, child]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert running(pid)
        parent.send_signal(signal.SIGKILL)
        wait_until(lambda: not running(pid), 30, "the end of the child")


def test_who_leaves_in_order_ends_the_child_himself() -> None:
    with subprocess.Popen(["sleep", "600"]) as child:
        with leash(child.pid):
            pass
        time.sleep(0.5)
        assert child.poll() is None
        child.kill()
