"""`GET /api/v1/live`: all that the live page shows, in one answer."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from worker.web.answers import problems
from worker.web.desks import Desks, Json, open_desk
from worker.web.streams import Name

Level = Literal["good", "wait", "bad"]
StateName = Literal["connecting", "live", "stalled", "backoff", "auth_failed", "ended", "stopped", "failed"]
Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0)]


class TrackView(BaseModel):
    """One face on the newest analysed frame."""

    track: int
    label: str | None
    """The stable emotion; null while there is none."""
    confidence: float | None
    """Smoothed score of `label`, uncalibrated."""
    since_s: float | None
    """How long `label` has stood."""
    age_s: float | None
    """Since this face was last classified, at the time of the frame."""
    abstained: str | None
    """Why no emotion was said on this frame."""


class StreamView(BaseModel):
    """One stream now."""

    id: str
    address: str
    """Without its password."""
    live: bool
    """A camera, not a file."""
    state: StateName
    trouble: StateName | None
    """While it is opened again: the state that it comes from."""
    level: Level
    """`good`, `wait` (worth a look) or `bad` (does not do its work)."""
    reason: str
    """Why it is in this state."""
    since_s: Amount
    """How long it has been in this state."""
    fps: Amount
    """Published frames a second, over 10 s."""
    decoded_fps: Amount
    frame_age_s: Amount | None
    """Since the newest decoded frame; null before the first and after the end."""
    latency_p95_ms: Amount | None
    """From a frame's arrival to the target's answer, last minute."""
    decoded: Count
    published: Count
    decode_errors: Count
    skipped: dict[str, Count]
    """Decoded frames without an event so far, by reason."""
    skipped_lately: dict[str, Count]
    """The same of the last 10 s."""
    gaps: dict[str, Count]
    """Gap records so far, by cause."""
    faces: list[TrackView]
    """On the newest analysed frame."""
    faces_age_s: Amount | None
    """Age of that frame; null where there was none."""
    history: list[list[Count]]
    """Counts of five minutes, a row for each 5 s, the newest last; columns as in `history_columns`."""
    preview: bool
    """Whether there is a picture at `/api/v1/streams/ID/preview.jpg`."""


class TargetView(BaseModel):
    """Where records go."""

    kind: Literal["redis", "file", "stdout"]
    where: str
    """Without its password."""
    up: bool
    waiting: Count
    """Records that wait in memory."""
    capacity: Count
    """Records that can wait, all streams together."""


class Attention(BaseModel):
    """Something to do, the worst first."""

    level: Literal["wait", "bad"]
    stream: str | None
    """Which stream; null: the worker or its target."""
    what: str
    todo: str


class WorkerView(BaseModel):
    """The process."""

    name: str
    version: str
    purpose: str | None
    up_s: Amount
    ready: bool
    reasons: list[str]
    """Why it is not ready."""
    models: dict[str, str]
    backend: str
    busy: Amount
    """Share of the time that the inference thread works, over 10 s or more."""
    changes: bool
    """Whether streams may be changed through the API."""


class LiveAnswer(BaseModel):
    """The worker, its target and its streams at `at`."""

    at: str
    worker: WorkerView
    target: TargetView
    streams: list[StreamView]
    attention: list[Attention]
    history_columns: list[str]
    history_step_s: Amount


def live_routes(desks: Desks) -> APIRouter:
    """The live answer."""
    router = APIRouter(prefix="/api/v1", tags=["live"])

    @router.get(
        "/live", summary="Everything that the live page shows", response_model=LiveAnswer, responses=problems(503)
    )
    def live() -> Json:
        return open_desk(desks.live)()

    @router.get(
        "/streams/{name}/preview.jpg",
        summary="A small picture of the newest analysed frame",
        response_class=Response,
        responses={
            200: {
                "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
                "description": "With boxes, ids and emotions; faces are blurred unless `web.preview` is `clear`.",
            },
            **problems(404, 422, 503),
        },
    )
    def preview(name: Name) -> Response:
        return Response(open_desk(desks.preview)(name), media_type="image/jpeg")

    return router
