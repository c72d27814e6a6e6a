"""/api/v1/break-glass: 緊急閲覧, one document for one person for some hours (AC-08)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import breakglass
from services.gateway.api import inputs
from services.gateway.api.openapi import CHANGES, CREATES, answers
from services.gateway.api.replies import ExpectedVersion, RequestId, clients_of, reply
from services.gateway.api.shapes import breakglass as shapes
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1", tags=["break-glass"])

AsHeadOf = Annotated[
    str, Query(max_length=64, description="Unit whose 所属長 the caller is; empty for those who may ask and consent.")
]


@router.get("/break-glass", summary="緊急閲覧", responses=answers(200, shapes.BreakGlassList, record=True))
async def listed(request: Request, caller: SignedIn, unit_id: AsHeadOf = "") -> Response:
    """The latest. For administrators, the records office and audit officers; for a 所属長 those of the unit's documents."""
    return reply(await breakglass.listed(clients_of(request), caller, unit_id=unit_id))


@router.post(
    "/break-glass",
    status_code=201,
    summary="緊急閲覧: ask to see one document",
    responses=answers(201, shapes.BreakGlass, *CREATES, etag=True),
)
async def ask(request: Request, caller: SignedIn, request_id: RequestId, body: shapes.BreakGlassIn) -> Response:
    """By an administrator, the records office or an audit officer. The same answer for a document that does not exist."""
    answer = await breakglass.request(
        clients_of(request), caller, named=body.named, reason=body.reason, hours=body.hours, request_id=request_id
    )
    return reply(answer, 201)


@router.post(
    "/break-glass/{break_glass_id}/consent",
    summary="Consent to a 緊急閲覧",
    responses=answers(200, shapes.BreakGlass, *CHANGES, etag=True),
)
async def consent(
    request: Request, break_glass_id: inputs.Id, caller: SignedIn, version: ExpectedVersion, request_id: RequestId
) -> Response:
    """By another person, of the records office or an audit officer, from another role than it was asked from."""
    return reply(await breakglass.consent(clients_of(request), caller, break_glass_id, version, request_id))


@router.post(
    "/break-glass/{break_glass_id}/end",
    summary="End a 緊急閲覧",
    responses=answers(200, shapes.BreakGlass, *CHANGES, etag=True),
)
async def end(
    request: Request,
    break_glass_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    unit_id: AsHeadOf = "",
) -> Response:
    """It ends now: by who asked, who consented, or the 所属長 of the owner unit."""
    answer = await breakglass.end(clients_of(request), caller, break_glass_id, version, request_id, unit_id=unit_id)
    return reply(answer)
