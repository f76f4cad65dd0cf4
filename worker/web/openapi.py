"""The OpenAPI document of the API, at `/api/v1/openapi.json`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

OPENAPI_PATH = "/api/v1/openapi.json"


def add_openapi(app: FastAPI) -> None:
    """Serve the document; made once, of the routes that are there now."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "`web.token` or the content of `web.token_file`."}
    }
    # The framework's own shape of errors is never answered: see `worker.web.answers`.
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)

    async def openapi() -> dict[str, Any]:
        return document

    app.add_api_route(OPENAPI_PATH, openapi, include_in_schema=False)
