"""`/api/v1/streams`: the streams of this worker, and their change while it runs. And the settings, masked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from worker.web.answers import problems
from worker.web.desks import Desks, open_desk

ID = r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$"
Name = Annotated[str, Path(pattern=ID, description="The stream's id.")]
DryRun = Annotated[bool, Query(description="Only say what would happen.")]
Seconds = Annotated[float, Field(ge=0.1, le=300)]
Share = Annotated[float, Field(ge=0, le=1)]
Length = Annotated[float, Field(ge=0.01, le=1)]
_BEARER: dict[str, Any] = {"security": [{"bearer": []}]}


class StreamPatch(BaseModel):
    """What of a stream is to be changed; what is left out stays. docs/settings.md tells what each means."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """An rtsp, rtsps, http or https address; or the name of a file where `web.files` allows it."""
    transport: Literal["tcp", "udp"] | None = None
    open_timeout: Seconds | None = None
    read_timeout: Seconds | None = None
    max_fps: Annotated[float, Field(gt=0, le=1000)] | Literal["all", "auto"] | None = None
    decode: Literal["all", "keyframes"] | None = None
    policy: Literal["auto", "keep_latest", "wait"] | None = None
    tls_verify: bool | None = None
    loop: bool | None = None
    realtime: bool | None = None
    region: tuple[Share, Share, Length, Length] | None = None
    """x, y, width and height in shares of the picture."""
    min_face_px: Annotated[float, Field(ge=0, le=10_000)] | None = None


class NewStream(StreamPatch):
    """A stream to be added."""

    id: Annotated[str, Field(pattern=ID)]
    url: Annotated[str, Field(min_length=1, max_length=2048)]


class StreamShown(BaseModel):
    """One stream as it is set, its address without the password."""

    id: str
    origin: Literal["settings", "api"]
    """Who said last what it is: the settings file, or the API."""
    url: str | None
    url_file: str | None
    transport: str
    open_timeout: str
    """A duration such as `10s`."""
    read_timeout: str
    max_fps: float | str
    decode: str
    policy: str
    tls_verify: bool
    tls_ca: str | None
    loop: bool
    realtime: bool
    region: list[float] | None
    min_face_px: float


class StreamList(BaseModel):
    """All streams of this worker."""

    streams: list[StreamShown]


class Restart(BaseModel):
    """A stream that is opened again, and which of its keys are why."""

    stream: str
    because: list[str]


class Change(BaseModel):
    """What was done, or with `dry_run` would be."""

    dry_run: bool
    add: list[str]
    restart: list[Restart]
    remove: list[str]
    untouched: list[str]
    survives_restart: bool
    """Whether it still holds after the worker was started again (`web.state_file`)."""


def stream_routes(desks: Desks) -> APIRouter:
    """Look at streams and settings."""
    router = APIRouter(prefix="/api/v1", tags=["streams"])

    @router.get("/streams", summary="All streams", response_model=StreamList, responses=problems(503))
    def all_streams() -> dict[str, Any]:
        return {"streams": open_desk(desks.streams).all()}

    @router.get("/streams/{name}", summary="One stream", response_model=StreamShown, responses=problems(404, 422, 503))
    def one(name: Name) -> dict[str, Any]:
        return open_desk(desks.streams).one(name)

    @router.get(
        "/settings", summary="The settings in force, without secrets", responses=problems(503), tags=["settings"]
    )
    def settings() -> dict[str, Any]:
        return dict(open_desk(desks.settings)())

    return router


def change_routes(desks: Desks) -> APIRouter:
    """Add, change and remove streams."""
    router = APIRouter(prefix="/api/v1", tags=["streams"])

    @router.post(
        "/streams",
        summary="Add a stream",
        response_model=Change,
        status_code=201,
        responses={200: {"model": Change, "description": "Dry run."}, **problems(409, 413, 422, 503)},
        openapi_extra=_BEARER,
    )
    def add(body: NewStream, dry_run: DryRun = False) -> Any:
        change = open_desk(desks.streams).add(body.model_dump(exclude_none=True), dry_run)
        return JSONResponse(change, 200 if dry_run else 201)

    @router.patch(
        "/streams/{name}",
        summary="Change a stream",
        response_model=Change,
        responses=problems(404, 409, 413, 422, 503),
        openapi_extra=_BEARER,
    )
    def change(name: Name, body: StreamPatch, dry_run: DryRun = False) -> dict[str, Any]:
        return open_desk(desks.streams).change(name, body.model_dump(exclude_none=True), dry_run)

    @router.delete(
        "/streams/{name}",
        summary="Remove a stream",
        response_model=Change,
        responses=problems(404, 409, 422, 503),
        openapi_extra=_BEARER,
    )
    def remove(name: Name, dry_run: DryRun = False) -> dict[str, Any]:
        return open_desk(desks.streams).remove(name, dry_run)

    return router
