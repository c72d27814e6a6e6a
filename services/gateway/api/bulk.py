"""/api/v1/bulk-approvals."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import bulk
from services.gateway.actions.answer import Answer
from services.gateway.api import inputs
from services.gateway.api.openapi import CREATES, answers
from services.gateway.api.replies import RequestId, clients_of, reply
from services.gateway.api.shapes import bulk as shapes
from services.gateway.errors import describe, prefers_english
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1", tags=["cases"])


@router.post(
    "/bulk-approvals", summary="一括承認: approve several cases", responses=answers(200, shapes.BulkApprovals, *CREATES)
)
async def approve(request: Request, caller: SignedIn, request_id: RequestId, body: inputs.BulkApprovalIn) -> Response:
    """Each act by itself, in order: what became of each stands in `items`. Where the city admits it (AP-52)."""
    acts = [
        bulk.BulkAct(caller, one.case_id, one.step_id, one.action, one.version, one.version_digest, one.read_receipt)
        for one in body.acts
    ]
    english = prefers_english(request.headers.get("accept-language", ""))
    outcomes = await bulk.approve(clients_of(request), acts, request_id)
    items = [
        {
            "case_id": one.act.case_id,
            "step_id": one.act.step_id,
            "action": one.act.action,
            "case": one.case,
            "problem": describe(one.refused, english=english) if one.refused is not None else None,
        }
        for one in outcomes
    ]
    return reply(Answer({"items": items}))
