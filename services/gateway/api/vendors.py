"""/api/v1/vendors and /api/v1/maintenance-windows: accounts that open for a confirmed span of time (AC-09)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import vendors
from services.gateway.api import inputs
from services.gateway.api.openapi import CHANGES, CREATES, answers
from services.gateway.api.replies import ExpectedVersion, RequestId, clients_of, reply
from services.gateway.api.shapes import vendors as shapes
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1", tags=["vendors"])

VendorId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


@router.get("/vendors", summary="保守業者", responses=answers(200, shapes.VendorList, record=True))
async def listed(request: Request, caller: SignedIn) -> Response:
    """Accounts of vendors with their latest windows. For administrators and the records office."""
    return reply(await vendors.listed(clients_of(request), caller))


@router.post(
    "/vendors",
    status_code=201,
    summary="Register a vendor's account",
    responses=answers(201, shapes.Vendor, *CREATES),
)
async def register(request: Request, caller: SignedIn, request_id: RequestId, body: shapes.VendorIn) -> Response:
    """It stays shut. By an administrator."""
    answer = await vendors.register(
        clients_of(request),
        caller,
        number=body.number,
        login=body.login,
        full_name=body.full_name,
        company=body.company,
        request_id=request_id,
    )
    return reply(answer, 201)


@router.post(
    "/vendors/{vendor_id}/windows",
    status_code=201,
    summary="保守時間枠: ask for a span of time",
    responses=answers(201, shapes.MaintenanceWindow, *CREATES, etag=True),
)
async def request_window(
    request: Request, vendor_id: VendorId, caller: SignedIn, request_id: RequestId, body: shapes.WindowIn
) -> Response:
    """By an administrator. Nothing opens before another person has confirmed it."""
    answer = await vendors.request_window(
        clients_of(request),
        caller,
        vendor_id,
        opens_at=body.opens_at,
        closes_at=body.closes_at,
        reason=body.reason,
        ticket=body.ticket,
        request_id=request_id,
    )
    return reply(answer, 201)


@router.post(
    "/maintenance-windows/{window_id}/confirm",
    summary="Confirm a 保守時間枠",
    responses=answers(200, shapes.MaintenanceWindow, *CHANGES, etag=True),
)
async def confirm(
    request: Request, window_id: inputs.Id, caller: SignedIn, version: ExpectedVersion, request_id: RequestId
) -> Response:
    """By another person than who asked."""
    return reply(await vendors.confirm(clients_of(request), caller, window_id, version, request_id))


@router.post(
    "/maintenance-windows/{window_id}/end",
    summary="End a 保守時間枠",
    responses=answers(200, shapes.MaintenanceWindow, *CHANGES, etag=True),
)
async def end(
    request: Request, window_id: inputs.Id, caller: SignedIn, version: ExpectedVersion, request_id: RequestId
) -> Response:
    """It ends now; one that has not begun is called off."""
    return reply(await vendors.end(clients_of(request), caller, window_id, version, request_id))
