"""/api/v1/unattended-documents and …/documents/{id}/assign: 引継ぎ."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import assignments
from services.gateway.api import inputs
from services.gateway.api.openapi import CHANGES, answers
from services.gateway.api.replies import ExpectedVersion, RequestId, clients_of, reply
from services.gateway.api.shapes import Shape
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1", tags=["documents"])


class AssignIn(inputs.Body):
    """Who takes it over, and why."""

    assignee: inputs.Code = Field(description="staff_id of a member of the owner unit; one's own to take it over.")
    reason: inputs.ShortText = ""
    unit_id: inputs.Code | None = Field(default=None, description="The owner unit; null is the acting one.")


class UnattendedDocument(Shape):
    """An open document whose 担当者 has left its unit."""

    document_id: str
    title: str | None = Field(description="null while it is not for the reader to see.")
    state: str
    draft_number: str | None
    drafter: str
    assignee: str = Field(description="Who has left.")
    created_at: str | None
    version: int = Field(description="For If-Match.")


class UnattendedDocumentList(Shape):
    items: list[UnattendedDocument]
    next_cursor: str | None
    members: list[str] = Field(description="staff_ids of the unit's members, who may take them over.")


class AssignedDocument(Shape):
    document_id: str
    assignee: str
    version: int


@router.get(
    "/unattended-documents", summary="引き継ぐ案件", responses=answers(200, UnattendedDocumentList, record=True)
)
async def unattended(
    request: Request,
    caller: SignedIn,
    unit: inputs.QueryCode = "",
    cursor: inputs.Cursor = "",
    limit: inputs.Limit = 50,
) -> Response:
    """Open documents of the unit whose 担当者 belongs to it no more (AC-16). For its 所属長."""
    answer = await assignments.unattended(clients_of(request), caller, unit_id=unit, cursor=cursor, limit=limit)
    return reply(answer)


@router.post(
    "/documents/{document_id}/assign",
    summary="引継ぎ: another 担当者",
    responses=answers(200, AssignedDocument, *CHANGES, etag=True),
)
async def assign(
    request: Request,
    document_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: AssignIn,
) -> Response:
    """The 所属長 takes over what a leaver left, or gives it to a member of the unit (AP-42). The drafter stays."""
    answer = await assignments.assign(
        clients_of(request),
        caller,
        document_id,
        version,
        assignee=body.assignee,
        reason=body.reason,
        request_id=request_id,
        unit_id=body.unit_id or "",
    )
    return reply(answer)
