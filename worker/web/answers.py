"""Answers that are not what was asked for: a status and one sentence, `{"error": "..."}`, the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match

from worker.redact import redact


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
    503: "The worker is not ready for this yet, or stops.",
}


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
            return problem(400, "the body is no JSON")
        where = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
        return problem(422, f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}")

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(HTTPException, unknown)
    app.add_exception_handler(RequestValidationError, invalid)


def _methods(request: Request, routes: Sequence[BaseRoute]) -> list[str]:
    """What the path can be asked with, over all routes: the framework names the methods of the first alone."""
    found: set[str] = set()
    for route in routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            found |= getattr(route, "methods", None) or set()
    return sorted(found)


def _plain(error: HTTPException) -> str:
    words = {404: "there is nothing at this path", 405: "this path cannot be asked in this way (method)"}
    return words.get(error.status_code, str(error.detail))
