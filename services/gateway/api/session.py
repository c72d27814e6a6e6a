"""/login, /callback, /logout: OIDC for browsers."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.api import inputs
from services.gateway.api.openapi import answers
from services.gateway.api.replies import gateway_of
from services.gateway.errors import refusal
from services.gateway.signin import SignedIn

router = APIRouter(tags=["session"])

_LOCATION: Final = {"Location": {"schema": {"type": "string"}}}


@router.get(
    "/login",
    summary="Begin to sign in",
    response_class=Response,
    responses=answers(
        302, None, 403, 422, 429, 500, 503, signed_in=False, headers=_LOCATION, description="To the identity provider."
    ),
)
async def login(
    request: Request, target: Annotated[inputs.QueryText, Query(alias="next", max_length=1_000)] = "/"
) -> Response:
    """Authorization code flow with PKCE. `next` is where to go afterwards, a path here."""
    return await gateway_of(request).sign_in.begin(target)


@router.get(
    "/callback",
    summary="Come back from the identity provider",
    response_class=Response,
    responses=answers(
        302, None, 400, 403, 429, 500, 503, 504, signed_in=False, headers=_LOCATION, description="Signed in."
    ),
)
async def callback(request: Request) -> Response:
    """Verifies the provider's answer, records the login, sets the session cookie."""
    return await gateway_of(request).sign_in.finish(request)


@router.post(
    "/logout",
    summary="Sign out",
    response_class=Response,
    responses=answers(302, None, 400, 413, headers=_LOCATION, description="Signed out."),
)
async def logout(request: Request, caller: SignedIn) -> Response:
    """Ends the session, here and at the provider. A form sends its `csrf_token`."""
    if caller.session is None:
        raise refusal("CROSS_SITE")
    form = await request.form(max_files=0, max_fields=20)
    token = form.get("csrf_token")
    sign_in = gateway_of(request).sign_in
    sign_in.check_form(caller, token if isinstance(token, str) else "")
    return await sign_in.logout(caller)
