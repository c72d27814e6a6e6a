"""/healthz, /readyz, and the OpenAPI document."""

from __future__ import annotations

import functools
import json

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.gateway.api import openapi
from services.gateway.api.openapi import answers
from services.gateway.api.replies import gateway_of
from services.gateway.api.shapes import Shape

router = APIRouter(tags=["operation"])


class Health(Shape):
    status: str
    dependencies: dict[str, bool] | None = None


@router.get("/healthz", summary="Alive", responses=answers(200, Health, 500, signed_in=False))
async def healthz() -> Response:
    """Answers as long as the process can."""
    return JSONResponse({"status": "alive"}, headers={"Cache-Control": "no-store"})


@router.get(
    "/readyz",
    summary="Ready",
    responses=answers(200, Health, 500, signed_in=False) | {503: {"description": "Not yet ready.", "model": Health}},
)
async def readyz(request: Request) -> Response:
    """Ready once every dependency has answered; the body says which answer now."""
    gateway = gateway_of(request)
    states = gateway.dependencies()
    ready = gateway.is_ready(states)
    return JSONResponse(
        {"status": "ready" if ready else "starting", "dependencies": states},
        200 if ready else 503,
        headers={"Cache-Control": "no-store"},
    )


@router.get(
    "/api/v1/openapi.json",
    summary="This document",
    responses=answers(
        200, None, 403, 429, 500, 503, signed_in=False, content={"application/json": {"schema": {"type": "object"}}}
    ),
)
async def openapi_document() -> Response:
    """OpenAPI 3.1."""
    return Response(_document(), headers={"Cache-Control": "no-cache"}, media_type="application/json")


@functools.cache
def _document() -> bytes:
    return json.dumps(openapi.document(), ensure_ascii=False).encode()
