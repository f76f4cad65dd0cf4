"""How much and how often somebody may ask. Health and metrics are never held back."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.web.answers import Refusal, problem

PHOTO_PATH = "/api/v1/photo"
MAX_BODY = 64 * 1024
_FORM_EXTRA = 64 * 1024
_MOST_CLIENTS = 1024


class Rate:
    """A bucket of `burst` tokens a client that fills at `per_second`. Belongs to the server's event loop."""

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> bool:
        """Take a token; False: there is none. The clients that asked longest ago are forgotten past 1024."""
        now = self._clock()
        left, at = self._clients.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_second)
        allowed = left >= 1
        self._clients[client] = (left - 1 if allowed else left, now)
        while len(self._clients) > _MOST_CLIENTS:
            self._clients.popitem(last=False)
        return allowed


class Limits:
    """Refuses bodies that are too large, also while they come, and clients that ask too often."""

    def __init__(
        self, app: ASGIApp, *, open_paths: frozenset[str], photo_bytes: int, reads: Rate, writes: Rate
    ) -> None:
        """`reads` and `writes`: rates for GET and HEAD, and for everything else."""
        self._app = app
        self._open_paths = open_paths
        self._photo_bytes = photo_bytes
        self._reads = reads
        self._writes = writes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = None if scope["path"] in self._open_paths else self._refusal(scope)
        if refusal is not None:
            await problem(refusal.status, refusal.sentence, refusal.headers)(scope, receive, send)
            return
        limit, taken = self._limit(scope), 0

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                refusal = _too_large(limit)
                raise HTTPException(refusal.status, refusal.sentence)  # of all errors the framework passes on this one
            return message

        await self._app(scope, bounded, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        client = scope["client"][0] if scope.get("client") else ""
        rate = self._reads if scope["method"] in ("GET", "HEAD") else self._writes
        if not rate.take(client):
            return Refusal(429, "too many requests: wait a second", {"Retry-After": "1"})
        length = Headers(scope=scope).get("content-length", "0")
        if length.isdigit() and int(length) > self._limit(scope):
            return _too_large(self._limit(scope))
        return None

    def _limit(self, scope: Scope) -> int:
        return self._photo_bytes + _FORM_EXTRA if scope["path"] == PHOTO_PATH else MAX_BODY


def _too_large(limit: int) -> Refusal:
    told = f"{limit // 1024 // 1024} MiB" if limit >= 1024 * 1024 else f"{limit // 1024} KiB"
    return Refusal(413, f"this is too large: at most {told}")
