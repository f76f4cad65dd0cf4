"""The Redis that a command starts for itself, and that ends with the command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from worker.commands.leash import leash
from worker.embedded_redis import EmbeddedRedis


@contextmanager
def own_redis() -> Iterator[str]:
    """The address of a server of our own within the block.

    Raises:
        RedisError: there is no server to start, or it does not come up.
    """
    with EmbeddedRedis() as server:
        assert server.pid is not None
        with leash(server.pid):
            yield server.url
