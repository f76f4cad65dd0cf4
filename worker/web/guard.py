"""Who may ask: checked before any route, on every request.

A web page that somebody opens can make their browser ask ports of their own network. Its name in `Host` (DNS
rebinding) or in `Origin` gives it away. Addresses written as numbers cannot be rebound.
"""

from __future__ import annotations

import hmac
import socket
from collections.abc import Iterable
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN_PATHS = frozenset({"/metrics", "/livez", "/readyz", "/startupz"})
"""Read without the token also from other machines: Prometheus and Kubernetes have none."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Refuses strange hosts, strange origins, and readers without the token where that is needed; sets headers.

    A route that sets one of the security headers itself keeps it.
    """

    def __init__(self, app: ASGIApp, *, host: str, allowed_hosts: Iterable[str], token: str | None) -> None:
        """`host` is the address that the port is bound to."""
        self._app = app
        names = {"localhost", socket.gethostname(), host, *allowed_hosts}
        self._names = frozenset(name.lower() for name in names)
        self._needs_token = not is_loopback(host)
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # no WebSocket is served: none may slip past the checks below

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope["path"], Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, path: str, headers: Headers) -> PlainTextResponse | None:
        host = headers.get("host", "")
        if not self._known(host):
            return _refuse(403, "this name is not served here: add it to web.allowed_hosts")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return _refuse(403, "requests from other sites are refused")
        if not self._needs_token or path in OPEN_PATHS:
            return None
        if self._token is None:
            return _refuse(403, "from other machines only health and metrics are read unless web.token_file is set")
        given = headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return _refuse(401, "a bearer token is needed")
        return None

    def _known(self, host: str) -> bool:
        name = host_name(host)
        return name in self._names or is_address(name)


def host_name(header: str) -> str:
    """The header `Host` in lower case, without port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


def is_address(name: str) -> bool:
    """True for an IP address."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """True where only this machine can reach a port bound to `host`."""
    return host.lower() == "localhost" or (is_address(host) and ip_address(host).is_loopback)


def _refuse(status: int, why: str) -> PlainTextResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return PlainTextResponse(why + "\n", status, headers)
