"""Answers that are not what was asked for: a status and one sentence, `{"error": "..."}`, the same everywhere."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.redact import redact
from worker.settings.rules import rule

_log = logging.getLogger(__name__)


class Refusal(Exception):
    """What was asked for is not done. `sentence` says why and what to do."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers


class Problem(BaseModel):
    """Why something was not done."""

    model_config = ConfigDict(extra="forbid")

    error: str
    """One sentence: what happened and what to do."""


_MEANINGS = {
    400: "The request cannot be read.",
    401: "The bearer token is missing or wrong.",
    403: "Not from here: the name, the site or the setting forbids it.",
    404: "There is no such thing.",
    409: "It contradicts what is there.",
    411: "The request does not say how long it is.",
    413: "The request is too large.",
    415: "This kind of content is not read.",
    422: "The request can be read, but what it asks for is not valid.",
    429: "Too many requests: wait a moment.",
    500: "A fault of the worker.",
    503: "The worker is not ready for this yet, or stops.",
}

_NO_JSON = "the body is no JSON"


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the refusals of one route; every route can also answer 400, 401, 403 and 429."""
    return {code: {"model": Problem, "description": _MEANINGS[code]} for code in sorted({400, 401, 403, 429, *codes})}


def problem(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer itself; secrets in it are masked."""
    return JSONResponse({"error": redact(sentence)}, status, None if headers is None else dict(headers))


def answer_plainly(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Make every error of `app` a `Problem`; `routes` are all that it has."""

    async def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return problem(error.status, error.sentence, error.headers)

    async def unknown(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = {"Allow": ", ".join(_methods(request, routes))} if error.status_code == 405 else error.headers
        return problem(error.status_code, _plain(error), headers)

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return problem(400, _NO_JSON)
        if first["loc"] == ("body",):
            return problem(422, "the body must be a JSON object, sent as application/json")
        return problem(422, _sentence(first))

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(HTTPException, unknown)
    app.add_exception_handler(RequestValidationError, invalid)


class Faults:
    """Whatever a route did not expect is told to the log, and plainly to the one who asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = False

        async def watched(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # the request's outermost frame: the worker and other requests go on
            _log.error("%s %s failed: please report it", scope["method"], scope["path"], exc_info=error)
            if began:
                raise  # half an answer is out: the connection is closed
            await problem(500, "a fault of the worker: see its log, and please report it")(scope, receive, send)


def _methods(request: Request, routes: Sequence[BaseRoute]) -> list[str]:
    """What the path can be asked with, over all routes: the framework names the methods of the first alone."""
    found: set[str] = set()
    for route in routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            found |= getattr(route, "methods", None) or set()
    return sorted(found)


def place(location: Sequence[int | str]) -> str:
    """Where a value is wrong, without the branches of pydantic's unions: the key, and its place in a list."""
    key, *rest = [part for part in location if part not in ("body", "path", "query")]
    return ".".join(str(part) for part in (key, *rest) if part == key or isinstance(part, int))


def _sentence(error: Mapping[str, Any]) -> str:
    at = place(error["loc"])
    if error["type"] == "missing":
        return f"{at} is missing"
    if error["type"] == "extra_forbidden":
        return f"{at}: there is no such key"
    return f"{at}: {rule(error)}"


def _plain(error: HTTPException) -> str:
    words = {400: _NO_JSON, 404: "there is nothing at this path", 405: "this path cannot be asked in this way (method)"}
    return words.get(error.status_code, str(error.detail))
