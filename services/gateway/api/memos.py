"""/api/v1/documents/{id}/memo: 付箋, the caller's own and nobody else's (AP-53)."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import memos
from services.gateway.api import inputs
from services.gateway.api.openapi import CHANGES, CREATES, answers
from services.gateway.api.replies import ExpectedVersion, RequestId, clients_of, reply
from services.gateway.api.shapes import Shape
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1/documents/{document_id}/memo", tags=["documents"])


class MemoIn(inputs.Body):
    """What to note."""

    text: inputs.ShortText


class Memo(Shape):
    text: str = Field(description="Empty where there is none.")
    version: int = Field(description="For If-Match; 0 where there is none.")
    saved_at: str | None
    may_save: bool = Field(description="Whether the caller may stick one now: on the route, while it circulates.")


class SavedMemo(Shape):
    version: int


@router.get("", summary="付箋: one's own memo", responses=answers(200, Memo, 404, record=True, etag=True))
async def read(request: Request, document_id: inputs.Id, caller: SignedIn) -> Response:
    """Recorded as every access. Nobody else's can be read, by no role."""
    return reply(await memos.read(clients_of(request), caller, document_id))


@router.post(
    "", status_code=201, summary="付箋: stick a memo", responses=answers(201, SavedMemo, 403, *CREATES, etag=True)
)
async def stick(
    request: Request, document_id: inputs.Id, caller: SignedIn, request_id: RequestId, body: MemoIn
) -> Response:
    """For who is on the route, while it circulates. It is deleted when the case ends or the view of its person does."""
    answer = await memos.save(clients_of(request), caller, document_id, 0, text=body.text, request_id=request_id)
    return reply(answer, 201)


@router.patch("", summary="付箋: change the memo", responses=answers(200, SavedMemo, 403, *CHANGES, etag=True))
async def change(
    request: Request,
    document_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: MemoIn,
) -> Response:
    """Its earlier text is gone."""
    answer = await memos.save(clients_of(request), caller, document_id, version, text=body.text, request_id=request_id)
    return reply(answer)


@router.delete("", status_code=204, summary="付箋: take it off", responses=answers(204, None, 404, 409, 412, 428))
async def delete(
    request: Request, document_id: inputs.Id, caller: SignedIn, version: ExpectedVersion, request_id: RequestId
) -> Response:
    """Gone for good."""
    await memos.delete(clients_of(request), caller, document_id, version, request_id)
    return Response(status_code=204)
