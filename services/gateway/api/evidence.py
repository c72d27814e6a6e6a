"""/api/v1/documents/{id}/evidence: a completed document with everything that proves it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.gateway.actions import evidence
from services.gateway.api import inputs
from services.gateway.api.files import disposition_of
from services.gateway.api.openapi import answers
from services.gateway.api.replies import clients_of, gateway_of
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1/documents", tags=["documents"])


@router.get(
    "/{document_id}/evidence",
    summary="Evidence of a completed document",
    response_class=Response,
    responses=answers(
        200,
        None,
        403,
        404,
        409,
        record=True,
        content={"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    ),
)
async def read(request: Request, document_id: inputs.Id, caller: SignedIn) -> Response:
    """A zip with manifest, files, decisions, inclusion proof, and how to verify it without this system.

    An export, for whom the document's `may_download` is true (AC-15).
    """
    settings = gateway_of(request).settings
    tenant = settings.tenant_name or settings.tenant
    found = await evidence.collect(clients_of(request), caller, document_id, tenant)
    return StreamingResponse(
        found.chunks,
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": disposition_of(f"{found.name}.zip", inline=False),
            "X-Access-Record": found.access_record,
        },
        media_type="application/zip",
    )
