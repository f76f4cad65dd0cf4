"""Who may ask: checked before any route, on every request.

A web page that somebody opens can make their browser ask ports of their own network. Its name in `Host` (DNS
rebinding) or in `Origin` gives it away. Addresses written as numbers cannot be rebound.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.web.answers import Refusal, problem
from worker.web.limits import PHOTO_PATH
from worker.web.pages import FOLDER, PAGES
from worker.web.session import SESSION_PATH, Keys

OPEN_PATHS = frozenset({"/metrics", "/livez", "/readyz", "/startupz"})
"""Read without the token also from other machines: Prometheus and Kubernetes have none."""
EXAMPLES = "/api/v1/examples/"
"""The photo page's portraits are files of the package, public domain: as open as the page that shows them."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class SecurityHeaders:
    """Sets the headers on every answer; a route that sets one of them itself keeps it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["type"] == "http":  # no WebSocket is served: none may slip past the checks
            await self._app(scope, receive, send_guarded)


class Guard:
    """Refuses strange hosts, strange origins, and readers and changes without the token where that is needed.

    Pages hold no data, so that everybody may load them: they ask for the token.
    """

    def __init__(
        self, app: ASGIApp, *, host: str, allowed_hosts: Iterable[str], keys: Keys, changes: bool = False
    ) -> None:
        """`host` is the address that the port is bound to; `changes`: streams may be changed."""
        self._app = app
        names = {"localhost", socket.gethostname(), host, *allowed_hosts}
        self._names = frozenset(name.lower() for name in names)
        self._needs_token = not is_loopback(host)
        self._keys = keys
        self._changes = changes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        refusal = self._stranger(headers) or self._refusal(scope["method"], scope["path"], headers)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await problem(refusal.status, refusal.sentence, refusal.headers)(scope, receive, send)

    def _stranger(self, headers: Headers) -> Refusal | None:
        host = headers.get("host", "")
        if not self._known(host):
            return Refusal(403, "this name is not served here: add it to web.allowed_hosts")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return Refusal(403, "requests from other sites are refused")
        return None

    def _refusal(self, method: str, path: str, headers: Headers) -> Refusal | None:
        reads = method in ("GET", "HEAD", "OPTIONS")
        if path in OPEN_PATHS or path == SESSION_PATH or (reads and _is_page(path)):
            return None
        if not reads and path != PHOTO_PATH:
            if not self._changes:
                return Refusal(403, "changes are not allowed here: set web.changes to true")
            return self._without_token(headers) if self._keys.needed else None
        if not self._needs_token:
            return None
        if not self._keys.needed:
            return Refusal(403, "from other machines only health and metrics are read unless web.token_file is set")
        return self._without_token(headers)

    def _without_token(self, headers: Headers) -> Refusal | None:
        if self._keys.opened_by(headers):
            return None
        sentence = (
            "the token is wrong"
            if headers.get("authorization", "").lower().startswith("bearer ")
            else "a bearer token is needed"
        )
        return Refusal(401, sentence, {"WWW-Authenticate": "Bearer"})

    def _known(self, host: str) -> bool:
        name = host_name(host)
        return name in self._names or is_address(name)


def _is_page(path: str) -> bool:
    return path in PAGES or path.startswith((FOLDER, EXAMPLES)) or path == "/favicon.ico"


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
