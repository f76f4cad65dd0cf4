"""A TCP proxy that loses replies: the request has gone through, the answer never comes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Proxy:
    """Forwards 127.0.0.1:`port` to `target`, a port that may change.

    Attributes:
        target: where new connections go.
        lose_replies: while set, the server's first answer to a request is dropped and the connection cut.
        swallow: while set, nothing is forwarded and nothing is closed: the far end is silent.
        lost: how many answers were dropped.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.lose_replies = threading.Event()
        self.swallow = threading.Event()
        self.lost = 0
        self._closing = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._spawn(self._accept)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Close all connections."""
        for open_socket in self._sockets:
            _shut(open_socket)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._closing = True
        _shut(self._listener)
        self.cut()
        for thread in self._threads:
            thread.join(5)
        for open_socket in (self._listener, *self._sockets):
            open_socket.close()

    def _spawn(self, target: Callable[..., object], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except ConnectionRefusedError:
                near.close()
                continue
            except OSError:
                return
            self._sockets += [near, far]
            self._spawn(self._forward, near, far, False)
            self._spawn(self._forward, far, near, True)

    def _forward(self, source: socket.socket, sink: socket.socket, replies: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                if self.swallow.is_set():
                    continue
                if replies and self.lose_replies.is_set():
                    self.lost += 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        _shut(source)
        _shut(sink)


def _shut(open_socket: socket.socket) -> None:
    with contextlib.suppress(OSError):
        open_socket.shutdown(socket.SHUT_RDWR)
