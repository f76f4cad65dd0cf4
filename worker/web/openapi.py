"""The OpenAPI document of the API, at `/api/v1/openapi.json`."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

OPENAPI_PATH = "/api/v1/openapi.json"


def add_openapi(app: FastAPI) -> None:
    """Serve the document; made once, when somebody asks, of the routes that are there then."""

    @cache
    def document() -> dict[str, Any]:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        made["components"]["securitySchemes"] = {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "`web.token` or the content of `web.token_file`.",
            }
        }
        # The framework's own shape of errors is never answered: see `worker.web.answers`.
        for name in ("HTTPValidationError", "ValidationError"):
            made["components"]["schemas"].pop(name, None)
        return made

    app.add_api_route(OPENAPI_PATH, document, include_in_schema=False)
