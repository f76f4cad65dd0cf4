"""Who has the token: as a bearer, or as a browser that showed it once and has a cookie since."""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from worker.web.answers import Refusal, problems

SESSION_PATH = "/api/v1/session"
COOKIE = "emotion_worker_session"
SESSION_S = 12 * 3600
_MOST_SESSIONS = 256


class Keys:
    """The token and the sessions that were opened with it. Belongs to the server's event loop."""

    def __init__(self, token: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = token
        self._clock = clock
        self._sessions: OrderedDict[str, float] = OrderedDict()

    @property
    def needed(self) -> bool:
        """Whether there is a token at all."""
        return self._token is not None

    def opened_by(self, headers: Headers) -> bool:
        """Whether the request holds the token or a session's cookie."""
        if self._is_token(headers):
            return True
        end = self._sessions.get(_cookie(headers))
        return end is not None and self._clock() < end

    def open_session(self, headers: Headers) -> str | None:
        """A new session's secret for somebody who shows the token; None: it is wrong."""
        if not self._is_token(headers):
            return None
        while len(self._sessions) >= _MOST_SESSIONS:
            self._sessions.popitem(last=False)
        secret = secrets.token_urlsafe(32)
        self._sessions[secret] = self._clock() + SESSION_S
        return secret

    def close_session(self, headers: Headers) -> None:
        """Forget the session of this cookie."""
        self._sessions.pop(_cookie(headers), None)

    def _is_token(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if self._token is None or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given.strip().encode(), self._token.encode())


def cookie_name(headers: Headers) -> str:
    """With the port: browsers send cookies to all ports of a host, and two workers there must not take each other's."""
    port = headers.get("host", "").rpartition(":")[2]
    return f"{COOKIE}_{port}" if port.isdecimal() else COOKIE


def _cookie(headers: Headers) -> str:
    return cookie_parser(headers.get("cookie", "")).get(cookie_name(headers), "")


def session_routes(keys: Keys) -> APIRouter:
    """Exchange the token for a cookie that scripts cannot read, and give it back."""
    router = APIRouter(tags=["session"])

    @router.post(
        SESSION_PATH,
        status_code=204,
        summary="Exchange the bearer token for a cookie",
        responses=problems(409),
        response_class=Response,
        openapi_extra={"security": [{"bearer": []}]},
    )
    async def begin(request: Request) -> Response:
        if not keys.needed:
            raise Refusal(409, "this worker has no token, and nothing needs one")
        secret = keys.open_session(request.headers)
        if secret is None:
            raise Refusal(401, "the token is wrong", {"WWW-Authenticate": "Bearer"})
        answer = Response(status_code=204)
        secure = request.url.scheme == "https"
        name = cookie_name(request.headers)
        answer.set_cookie(name, secret, max_age=SESSION_S, httponly=True, samesite="strict", secure=secure, path="/")
        return answer

    @router.delete(
        SESSION_PATH, status_code=204, summary="Give the cookie back", responses=problems(), response_class=Response
    )
    async def end(request: Request) -> Response:
        keys.close_session(request.headers)
        answer = Response(status_code=204)
        answer.delete_cookie(cookie_name(request.headers), path="/")
        return answer

    return router
