"""証明書: how a proof is asked for and answered: JSON, the c2sp.org/tlog-proof file, or the leaf that it proves."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import DomainError, Kind
from services.gateway.actions import audit, documents
from services.gateway.actions.answer import Answer
from services.gateway.actions.audit import Certificate
from services.gateway.api import inputs
from services.gateway.api.files import disposition_of
from services.gateway.api.openapi import answers
from services.gateway.api.replies import clients_of, reply
from services.gateway.api.shapes import audit as shapes
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1/documents", tags=["documents"])

# Answers beside JSON.
FILES: Final[dict[str, Any]] = {"text/plain": {"schema": {"type": "string"}}}

Format = Annotated[
    str,
    Query(
        alias="format",
        pattern="^(json|tlog-proof|leaf|vkey)?$",
        description="`tlog-proof`: the proof as a file (also by `Accept: text/plain`); `leaf`: the record that it"
        " proves, byte for byte; `vkey`: the key of its log.",
    ),
]
Year = Annotated[
    int, Query(ge=0, le=9999, description="Fiscal year of the log; the one that is written now when missing.")
]


def wanted(request: Request, format_: str) -> str:
    """The form that was asked for: by `format`, else by Accept, else JSON."""
    if format_:
        return format_
    accepted = request.headers.get("accept", "")
    return "tlog-proof" if "text/plain" in accepted and "json" not in accepted else "json"


def draw(found: Certificate, form: str) -> Response:
    """The proof in this form."""
    if form == "json":
        return reply(Answer(found.view, found.access_record))
    content, name, media_type = {
        "tlog-proof": (found.file, f"{found.name}.tlog-proof", "text/plain; charset=utf-8"),
        "leaf": (found.leaf, f"{found.name}.leaf.json", "application/json"),
        "vkey": (f"{found.verifier_key}\n".encode(), f"{found.year}.vkey", "text/plain; charset=utf-8"),
    }[form]
    return Response(
        content,
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": disposition_of(name, inline=False),
            "X-Access-Record": found.access_record,
        },
        media_type=media_type,
    )


@router.get(
    "/{document_id}/proof",
    summary="Proof that a document was completed",
    responses=answers(200, shapes.Certificate, 404, 409, record=True, content=FILES),
)
async def read(request: Request, document_id: inputs.Id, caller: SignedIn, format_: Format = "") -> Response:
    """For whoever may read the document. 409 before completion; 503 PROOF_PENDING for seconds after it."""
    form, clients = wanted(request, format_), clients_of(request)
    document = (await documents.read(clients, caller, document_id)).body
    if document["state"] != "completed":
        # The reader may see it, so they may know that there is nothing to prove yet.
        raise DomainError(Kind.PRECONDITION, "WRONG_STATE", metadata={"service": "documents"})
    return draw(await audit.completion_proof(clients, caller, document_id, document["read_receipt"] or ""), form)
