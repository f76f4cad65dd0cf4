"""`POST /api/v1/photo`: one picture in, its faces out. Nothing is kept."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, Field

from worker.web.answers import Refusal, problems
from worker.web.desks import Desks, Json, open_desk
from worker.web.multipart import form_field

MAX_BYTES = 20 * 1024 * 1024
BODY_S = 30.0
FIELD = "picture"
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {
                        FIELD: {
                            "type": "string",
                            "format": "binary",
                            "description": "A JPEG, PNG, WebP or BMP file of at most 20 MiB and 50 million pixels.",
                        }
                    },
                }
            }
        },
    }
}

EmotionName = Literal["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
Share = Annotated[float, Field(ge=0, le=1)]


class PhotoEmotion(BaseModel):
    """The most probable emotion's appearance, and the calibrated probabilities of all seven."""

    label: EmotionName
    confidence: Share
    probabilities: dict[EmotionName, Share]


class PhotoQuality(BaseModel):
    """How well the face can be seen: geometric mean of the box's sides in px, sharpness and brightness 0 to 1."""

    size_px: Annotated[float, Field(ge=0)]
    sharpness: Share
    brightness: Share


class PhotoFace(BaseModel):
    """One face, as in `emotion.frame.v1`; what has to do with time is null or 0 for a picture by itself."""

    track: int
    box: Annotated[list[float], Field(min_length=4, max_length=4)]
    """`[x, y, width, height]` in px of the upright picture."""
    score: Share
    emotion: PhotoEmotion | None
    """Null where the worker abstains."""
    stable: dict[str, float | str] | None
    emotion_age_s: float | None
    abstained: Literal["too_small", "blurred", "dark", "partial", "low_confidence"] | None
    """Why no emotion is said of this face."""
    quality: PhotoQuality | None


class PhotoAnswer(BaseModel):
    """The faces of one picture. They say how faces appear, not what anybody feels."""

    width: int
    """Of the upright picture, px."""
    height: int
    faces: list[PhotoFace]
    models: dict[str, str]
    """Which models spoke, as in the records."""


def photo_routes(desks: Desks) -> APIRouter:
    """The photo desk, and the examples of the photo page."""
    router = APIRouter(prefix="/api/v1")
    busy: set[str] = set()

    @router.post(
        "/photo",
        summary="Faces and emotions of one picture",
        response_model=PhotoAnswer,
        responses=problems(411, 413, 415, 422, 503),
        openapi_extra=_FORM,
        tags=["photo"],
    )
    async def photo(
        request: Request, content_type: Annotated[str, Header(include_in_schema=False)] = ""
    ) -> Response | Json:
        client = request.client.host if request.client else ""
        if client in busy:
            raise Refusal(429, "one picture at a time: wait for the answer to the last one", {"Retry-After": "1"})
        busy.add(client)
        try:
            picture = await _picture(request, content_type)
            answer: Json = await run_in_threadpool(open_desk(desks.photo), picture)
            return answer
        finally:
            busy.discard(client)

    @router.get("/examples/{name}", include_in_schema=False)
    async def example(name: str) -> Response:
        if name not in desks.examples:
            raise Refusal(404, "there is no such example")
        return Response(desks.examples[name], media_type="image/jpeg")

    return router


async def _picture(request: Request, content_type: str) -> bytes:
    if not content_type.lower().startswith("multipart/form-data"):
        raise Refusal(415, f"send the picture as a form (multipart/form-data) with the field {FIELD}")
    try:
        async with asyncio.timeout(BODY_S):
            body = await request.body()
    except TimeoutError:
        raise Refusal(400, f"the picture did not arrive within {BODY_S:.0f} s: try a smaller one") from None
    try:
        picture = form_field(body, content_type, FIELD)
    except ValueError as error:
        raise Refusal(400, str(error)) from None
    if picture is None:
        raise Refusal(422, f"the form has no field {FIELD}")
    return picture
