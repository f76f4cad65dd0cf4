"""When the worker is live and ready."""

from __future__ import annotations

import pytest

from worker.frame import State
from worker.web.health import liveness, readiness


def test_live_while_every_thread_beats() -> None:
    assert liveness({"inference": 0.2, "publisher": 4.0}, 30) == (True, [])
    ok, reasons = liveness({"inference": 31.0, "publisher": 4.0}, 30)
    assert not ok
    assert reasons == ["inference has not moved for 31 s"]


@pytest.mark.parametrize(
    ("warm", "redis", "room", "streams", "ready"),
    [
        (True, True, True, {"a": State.LIVE}, True),
        (False, True, True, {"a": State.LIVE}, False),
        (True, False, True, {"a": State.LIVE}, True),
        (True, False, False, {"a": State.LIVE}, False),
        (True, True, False, {"a": State.LIVE}, True),
        (True, True, True, {}, True),
        (True, True, True, {"a": State.FAILED, "b": State.BACKOFF}, True),
        (True, True, True, {"a": State.FAILED, "b": State.FAILED}, False),
    ],
)
def test_ready(warm: bool, redis: bool, room: bool, streams: dict[str, State], ready: bool) -> None:
    ok, reasons = readiness(models_warm=warm, redis_up=redis, room=room, streams=streams)
    assert ok is ready
    assert bool(reasons) is not ready
