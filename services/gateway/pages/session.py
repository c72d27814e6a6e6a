"""How long the login of an open page lasts, and going on with it (UI-06): asked by session.js alone."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.gateway.callers import Caller
from services.gateway.errors import refusal
from services.gateway.pages.desk import AtDesk
from services.gateway.signin import SignedIn, StillSignedIn

router = APIRouter()


@router.get("/session")
async def lasting(request: Request, caller: StillSignedIn) -> Response:
    """What is left, without using it. SIGN_IN_REQUIRED when it is over."""
    return _left(request, caller)


@router.post("/session")
async def go_on(request: Request, caller: SignedIn) -> Response:
    """Somebody is there: the idle time begins anew. SIGN_IN_REQUIRED, CROSS_SITE."""
    return _left(request, caller)


@router.get("/signed-in")
async def signed_in(desk: AtDesk) -> Response:
    """Where a login leads that was begun beside a page whose own had ended."""
    return desk.draw("signed_in", "")


def _left(request: Request, caller: Caller) -> Response:
    """Seconds, and the token for forms that were drawn in a session before this one."""
    session = caller.session
    if session is None:
        raise refusal("SIGN_IN_REQUIRED")
    left = request.app.state.gateway.sessions.left(session)
    body = {
        "staff_id": caller.staff.staff_id,
        "seconds": left.unless_used,
        "seconds_at_most": left.at_most,
        "csrf_token": session.csrf,
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})
