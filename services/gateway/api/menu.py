"""/api/v1/menu-counts: the numbers beside the menu."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import menu
from services.gateway.api.openapi import answers
from services.gateway.api.replies import clients_of, reply
from services.gateway.api.shapes import Shape
from services.gateway.signin import StillSignedIn

router = APIRouter(prefix="/api/v1", tags=["organisation"])


class MenuCounts(Shape):
    """How much waits for the caller: as many as the lists show, and nothing that they would not (AC-03)."""

    decision: int
    concurrence: int
    post_view: int
    circulation: int
    sent_back: int = Field(description="at most 100, which stands for more")


@router.get("/menu-counts", summary="Count what waits", responses=answers(200, MenuCounts))
async def counts(request: Request, caller: StillSignedIn) -> Response:
    """Numbers alone; a page asks by itself, which is no use of the session."""
    return reply(await menu.counts(clients_of(request), caller))
