"""引用起案 and 次にすること, beside /api/v1/documents and /api/v1/receipts (FL-06)."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import repeating
from services.gateway.api import inputs
from services.gateway.api.openapi import CREATES, answers
from services.gateway.api.replies import RequestId, clients_of, reply
from services.gateway.api.shapes import repeating as shapes
from services.gateway.api.shapes.documents import Document
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1", tags=["documents"])


@router.post(
    "/documents/{document_id}/repeat",
    status_code=201,
    summary="引用起案: draft from a document",
    responses=answers(201, Document, *CREATES, etag=True, record=True),
)
async def repeat(
    request: Request, document_id: inputs.Id, caller: SignedIn, request_id: RequestId, body: inputs.RepeatIn
) -> Response:
    """Text, class and decision class come over; files, amount, days and receipts do not; names when asked for."""
    answer = await repeating.repeat(
        clients_of(request),
        caller,
        document_id,
        request_id,
        with_counterparty=body.with_counterparty,
        follow_up_id=body.follow_up_id or "",
    )
    return reply(answer, 201)


@router.get(
    "/documents/{document_id}/related",
    summary="What it was drafted from, what was drafted from it, what usually follows",
    responses=answers(200, shapes.Related, record=True),
)
async def related(request: Request, document_id: inputs.Id, caller: SignedIn) -> Response:
    """Only what the caller may see (AC-03)."""
    return reply(await repeating.related(clients_of(request), caller, document_id=document_id))


@router.get(
    "/receipts/{receipt_id}/related",
    summary="What usually follows a receipt",
    responses=answers(200, shapes.Related, record=True),
)
async def related_of_receipt(request: Request, receipt_id: inputs.Id, caller: SignedIn) -> Response:
    """From the file plan, by the class and title of the receipt."""
    return reply(await repeating.related(clients_of(request), caller, receipt_id=receipt_id))
