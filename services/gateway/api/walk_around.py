"""/api/v1/cases/{case_id}/register-walk-around."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import walk_around
from services.gateway.api import inputs
from services.gateway.api.inputs import Body, Code, LongText, Moment, Text
from services.gateway.api.openapi import CHANGES, answers
from services.gateway.api.replies import ExpectedVersion, RequestId, clients_of, reply
from services.gateway.api.shapes import Shape
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1", tags=["cases"])


class RegisterWalkAroundIn(Body):
    """Who decided outside the system, when, and the digest of what proves it."""

    staff_id: Code
    decided_at: Moment
    evidence_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="Of the scan, attached afterwards.")]
    comment: LongText = Field(default="", description="Why it was carried around, and how it was decided: required.")
    # Of the version that was shown; the service says what is wrong with them.
    version_digest: Annotated[Text, Field(max_length=128)] = ""
    read_receipt: Annotated[Text, Field(max_length=8_192)] = ""


class RegisteredWalkAround(Shape):
    case_id: str
    state: str
    decided_at: str | None
    registered_at: str | None
    version: int


@router.post(
    "/cases/{case_id}/register-walk-around",
    summary="持回りの事後登録: register a decision on paper",
    responses=answers(200, RegisteredWalkAround, *CHANGES, etag=True),
)
async def register(
    request: Request,
    case_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: RegisterWalkAroundIn,
) -> Response:
    """By the drafter of an urgent case, where the city allows it; the decider and who was passed over get a 後閲."""
    answer = await walk_around.register(
        clients_of(request),
        caller,
        case_id,
        version,
        version_digest=body.version_digest,
        read_receipt=body.read_receipt,
        staff_id=body.staff_id,
        decided_at=body.decided_at,
        evidence_sha256=body.evidence_sha256,
        comment=body.comment,
        request_id=request_id,
    )
    return reply(answer)
