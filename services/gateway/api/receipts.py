"""/api/v1/receipts."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import receipts
from services.gateway.api import inputs
from services.gateway.api.openapi import CREATES, answers
from services.gateway.api.replies import RequestId, clients_of, reply
from services.gateway.api.shapes import receipts as shapes
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1/receipts", tags=["receipts"])


@router.post("", status_code=201, summary="収受: register", responses=answers(201, shapes.Receipt, *CREATES, etag=True))
async def register(request: Request, caller: SignedIn, request_id: RequestId, body: inputs.ReceiptIn) -> Response:
    """Issues the receipt number. Files are attached to the document drafted from it."""
    return reply(await receipts.register(clients_of(request), caller, body.given(), request_id), 201)


@router.get("", summary="収受簿", responses=answers(200, shapes.ReceiptList, record=True))
async def list_receipts(
    request: Request,
    caller: SignedIn,
    q: inputs.QueryText = "",
    unit: inputs.QueryCode = "",
    cursor: inputs.Cursor = "",
    limit: inputs.Limit = 50,
) -> Response:
    """Of the caller's units, newest first."""
    return reply(
        await receipts.list_receipts(clients_of(request), caller, query=q, unit_id=unit, cursor=cursor, limit=limit)
    )


@router.get(
    "/{receipt_id}", summary="Read a receipt", responses=answers(200, shapes.Receipt, 404, etag=True, record=True)
)
async def read(request: Request, receipt_id: inputs.Id, caller: SignedIn) -> Response:
    """With the sender's name, a protected field."""
    return reply(await receipts.read(clients_of(request), caller, receipt_id))
