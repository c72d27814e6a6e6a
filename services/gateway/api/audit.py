"""/api/v1/audit: the log for audit officers. Every reading is itself recorded."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.gateway.actions import audit
from services.gateway.api import certificates, inputs
from services.gateway.api.files import disposition_of
from services.gateway.api.openapi import answers
from services.gateway.api.replies import RequestId, clients_of, reply
from services.gateway.api.shapes import audit as shapes
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])


@router.get("/entries", summary="Entries of the log", responses=answers(200, shapes.EntryList, record=True))
async def entries(
    request: Request,
    caller: SignedIn,
    actor: Annotated[inputs.QueryCode, Query(description="Staff id.")] = "",
    document: inputs.QueryCode = "",
    action: inputs.QueryCode = "",
    outcome: Annotated[str, Query(pattern="^(granted|denied|failed)?$")] = "",
    unit: inputs.QueryCode = "",
    record: Annotated[inputs.QueryText, Query(description="The value of an X-Access-Record.")] = "",
    since: Annotated[inputs.Moment | None, Query(alias="from")] = None,
    until: Annotated[inputs.Moment | None, Query(alias="to")] = None,
    cursor: inputs.Cursor = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """Newest first; audit officers only (SC-06)."""
    answer = await audit.entries(
        clients_of(request),
        caller,
        actor=actor,
        document_id=document,
        action=action,
        outcome=outcome,
        unit_id=unit,
        access_record=record,
        since=since or "",
        until=until or "",
        cursor=cursor,
        limit=limit,
    )
    return reply(answer)


@router.get(
    "/entries.ndjson",
    summary="Entries as OCSF events",
    response_class=Response,
    responses=answers(
        200, None, record=True, content={"application/x-ndjson": {"schema": {"type": "string", "format": "binary"}}}
    ),
)
async def export(
    request: Request,
    caller: SignedIn,
    since: Annotated[inputs.Moment | None, Query(alias="from")] = None,
    until: Annotated[inputs.Moment | None, Query(alias="to")] = None,
) -> Response:
    """Every entry of a time that a signed checkpoint covers, oldest first, one OCSF 1.3 event a line; officers only."""
    record, lines = await audit.export(clients_of(request), caller, since or "", until or "")
    return StreamingResponse(
        lines,
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": disposition_of("entries.ndjson", inline=False),
            "X-Access-Record": record,
        },
        media_type="application/x-ndjson",
    )


@router.get(
    "/entries/{index}",
    summary="An entry and its proof",
    responses=answers(200, shapes.ProvenEntry, 404, record=True, content=certificates.FILES),
)
async def entry(
    request: Request,
    index: Annotated[int, Path(ge=0, le=2**62)],
    caller: SignedIn,
    year: certificates.Year = 0,
    format_: certificates.Format = "",
) -> Response:
    """With the inclusion proof in the latest checkpoint of the year's log; as files with `format`."""
    wanted = certificates.wanted(request, format_)
    if wanted != "json":
        return certificates.draw(await audit.entry_proof(clients_of(request), caller, index, year), wanted)
    return reply(await audit.entry(clients_of(request), caller, index, year))


@router.get(
    "/proofs",
    summary="Proof of an access record",
    responses=answers(200, shapes.Certificate, 404, record=True, content=certificates.FILES),
)
async def proofs(
    request: Request,
    caller: SignedIn,
    record: Annotated[inputs.QueryText, Query(description="The value of an X-Access-Record.")],
    format_: certificates.Format = "",
) -> Response:
    """Any for audit officers, those of one's own acts for everybody; all others do not exist (SC-06)."""
    found = await audit.record_proof(clients_of(request), caller, record)
    return certificates.draw(found, certificates.wanted(request, format_))


@router.get("/sources", summary="Sources of records", responses=answers(200, shapes.SourceList, record=True))
async def sources(request: Request, caller: SignedIn) -> Response:
    """What arrived from each process, and what is missing."""
    return reply(await audit.sources(clients_of(request), caller))


@router.post("/reconciliation", summary="Compare the counts now", responses=answers(200, shapes.Reconciliation))
async def reconcile(request: Request, caller: SignedIn, request_id: RequestId) -> Response:
    """What was recorded, answered, opened and committed. Done every day; audit officers may ask for it (SC-06)."""
    return reply(await audit.reconcile(clients_of(request), caller, request_id))
