"""/api/v1/me, /units, /posts, /staff, /absences."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import organisation
from services.gateway.actions.answer import Answer
from services.gateway.api import inputs
from services.gateway.api.openapi import CREATES, answers
from services.gateway.api.replies import RequestId, clients_of, reply
from services.gateway.api.shapes import organisation as shapes
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1", tags=["organisation"])


@router.get("/me", summary="Who I am", responses=answers(200, shapes.Me))
async def me(caller: SignedIn) -> Response:
    """Staff, posts, units, roles, acting post."""
    return reply(Answer(organisation.me(caller)))


@router.get("/units", summary="Units", responses=answers(200, shapes.UnitList, record=True))
async def units(request: Request, caller: SignedIn, on: inputs.MaybeDate = None) -> Response:
    """As of a date, today when missing."""
    return reply(await organisation.units(clients_of(request), caller, on=on or ""))


@router.get("/posts", summary="Posts", responses=answers(200, shapes.PostList, record=True))
async def posts(
    request: Request, caller: SignedIn, on: inputs.MaybeDate = None, unit: inputs.QueryCode = ""
) -> Response:
    """Posts and who holds them as of a date."""
    return reply(await organisation.posts(clients_of(request), caller, on=on or "", unit_id=unit))


@router.get("/staff", summary="Staff", responses=answers(200, shapes.StaffList, record=True))
async def staff(
    request: Request,
    caller: SignedIn,
    on: inputs.MaybeDate = None,
    unit: inputs.QueryCode = "",
    cursor: inputs.Cursor = "",
    limit: inputs.Limit = 200,
) -> Response:
    """Staff as of a date, of one unit or of all."""
    answer = await organisation.staff(
        clients_of(request), caller, on=on or "", unit_id=unit, cursor=cursor, limit=limit
    )
    return reply(answer)


@router.get("/absences", summary="不在", responses=answers(200, shapes.AbsenceList, record=True))
async def absences(
    request: Request, caller: SignedIn, staff: inputs.QueryCode = "", unit: inputs.QueryCode = ""
) -> Response:
    """Registered absences of a person or a unit; the caller's own when neither is given."""
    return reply(await organisation.absences(clients_of(request), caller, staff_id=staff, unit_id=unit))


@router.post("/absences", status_code=201, summary="不在登録", responses=answers(201, shapes.Absence, *CREATES))
async def register_absence(
    request: Request, caller: SignedIn, request_id: RequestId, body: inputs.AbsenceIn
) -> Response:
    """For oneself; for others their records manager, who heads their unit or one above it, and the records office."""
    answer = await organisation.register_absence(
        clients_of(request),
        caller,
        staff_id=body.staff_id or "",
        since=body.since,
        until=body.until,
        reason_code=body.reason_code,
        request_id=request_id,
    )
    return reply(answer, 201)


@router.delete("/absences/{absence_id}", summary="End an absence", responses=answers(200, shapes.Absence, 404, 409))
async def end_absence(request: Request, absence_id: inputs.Id, caller: SignedIn, request_id: RequestId) -> Response:
    """Ends it now; the record of it stays."""
    return reply(await organisation.end_absence(clients_of(request), caller, absence_id, request_id))
