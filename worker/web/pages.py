"""The pages and their files, out of the package's folder `pages`. They hold no data: that comes by the API."""

from __future__ import annotations

from importlib import resources
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from worker.web.answers import Refusal

Home = Literal["live", "photo"]
FOLDER = "/pages/"
PAGES = {"/": "live.html", "/photo": "photo.html"}
_TO_LIVE = b'<a href="/">Live</a>'
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


def page_routes(home: Home) -> APIRouter:
    """The live page `/`, the photo page `/photo` and their files; where only photos are served, `/` leads there."""
    router = APIRouter(include_in_schema=False)
    files = {entry.name: entry.read_bytes() for entry in resources.files("worker.web").joinpath("pages").iterdir()}
    if home == "photo":
        files["photo.html"] = files["photo.html"].replace(_TO_LIVE, b"")

    def answer(name: str) -> Response:
        if name not in files:
            raise Refusal(404, "there is nothing at this path")
        kind = _TYPES[name[name.rindex(".") :]]
        return Response(files[name], media_type=kind, headers=_HEADERS)

    @router.api_route("/", methods=["GET", "HEAD"])
    async def front() -> Response:
        return answer(PAGES["/"]) if home == "live" else RedirectResponse("/photo", 307)

    @router.api_route("/photo", methods=["GET", "HEAD"])
    async def photo() -> Response:
        return answer(PAGES["/photo"])

    @router.api_route("/favicon.ico", methods=["GET", "HEAD"])
    async def icon() -> Response:
        return answer("icon.svg")

    @router.api_route(FOLDER + "{name}", methods=["GET", "HEAD"])
    async def file(name: str) -> Response:
        return answer(name)

    return router
