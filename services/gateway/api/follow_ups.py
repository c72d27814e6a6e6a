"""/api/v1/follow-ups and the list of each class: 次にすること, edited by the records office (FL-06)."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import follow_ups
from services.gateway.api import inputs
from services.gateway.api.openapi import CHANGES, answers
from services.gateway.api.replies import ExpectedVersion, RequestId, clients_of, reply
from services.gateway.api.shapes import follow_ups as shapes
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1", tags=["filing"])


@router.get(
    "/follow-ups",
    summary="次にすること: how much follows in each class",
    responses=answers(200, shapes.FollowUpClassList, record=True),
)
async def classes(request: Request, caller: SignedIn) -> Response:
    """Every class of the file plan; for the records office."""
    return reply(await follow_ups.classes(clients_of(request), caller))


@router.get(
    "/classes/{class_code}/follow-ups",
    summary="次にすること of a class",
    responses=answers(200, shapes.FollowUpList, 404, etag=True, record=True),
)
async def read(request: Request, class_code: inputs.Id, caller: SignedIn) -> Response:
    """The list as it stands; for the records office. Others are offered it by `related` of a document or receipt."""
    return reply(await follow_ups.read(clients_of(request), caller, class_code))


@router.post(
    "/classes/{class_code}/follow-ups",
    summary="Edit 次にすること of a class",
    responses=answers(200, shapes.FollowUpList, *CHANGES, etag=True),
)
async def save(
    request: Request,
    class_code: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: inputs.FollowUpsIn,
) -> Response:
    """The whole list in its order: what is missing is taken away. Everybody is offered it at once."""
    lines = [one.model_dump() for one in body.follow_ups]
    return reply(await follow_ups.save(clients_of(request), caller, class_code, version, lines, request_id))
