"""/api/v1/change-sets, /personnel, /stranded-steps, /tenures: the organisation over time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import reorganisation
from services.gateway.api import inputs
from services.gateway.api.openapi import CHANGES, CREATES, answers
from services.gateway.api.replies import ExpectedVersion, RequestId, clients_of, csv_reply, reply
from services.gateway.api.shapes import reorganisation as shapes
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1", tags=["organisation"])


@router.get("/change-sets", summary="人事異動・組織改編", responses=answers(200, shapes.ChangeSetList, record=True))
async def listed(request: Request, caller: SignedIn) -> Response:
    """Planned and past change sets, the latest day first, at most 200. For the records office and administrators."""
    return reply(await reorganisation.listed(clients_of(request), caller))


@router.post(
    "/change-sets",
    status_code=201,
    summary="Plan changes for a day",
    responses=answers(201, shapes.ChangeSet, *CREATES, etag=True),
)
async def draft(request: Request, caller: SignedIn, request_id: RequestId, body: shapes.ChangeSetIn) -> Response:
    """A draft. Another person reviews it; it is applied at 0:00 of its day.

    Changes of people and posts may be of today, or of an earlier day from the last fiscal year on, with `late_reason`
    (遡及, AC-06): these are applied by the review.
    """
    answer = await reorganisation.draft(
        clients_of(request),
        caller,
        title=body.title,
        effective_on=body.effective_on,
        changes=[one.given() for one in body.changes],
        late_reason=body.late_reason,
        request_id=request_id,
    )
    return reply(answer, 201)


@router.post(
    "/change-sets/preview",
    summary="Preview changes (dry run)",
    responses=answers(200, shapes.PreviewedChanges, 400, 413, 415, record=True),
)
async def preview(request: Request, caller: SignedIn, body: shapes.ChangesIn) -> Response:
    """Who moves, what stays vacant, what becomes of open steps, and why it would be refused. Keeps nothing."""
    answer = await reorganisation.preview(
        clients_of(request),
        caller,
        effective_on=body.effective_on,
        changes=[one.given() for one in body.changes],
    )
    return reply(answer)


@router.get(
    "/change-sets/{change_set_id}",
    summary="A change set",
    responses=answers(200, shapes.WholeChangeSet, 404, etag=True, record=True),
)
async def read(request: Request, change_set_id: inputs.Id, caller: SignedIn) -> Response:
    """Its changes; until it is closed also who moves, what stays vacant, and what becomes of open steps."""
    return reply(await reorganisation.change_set(clients_of(request), caller, change_set_id))


@router.post(
    "/change-sets/{change_set_id}/review",
    summary="Review a change set",
    responses=answers(200, shapes.ChangeSet, *CHANGES, etag=True),
)
async def review(
    request: Request, change_set_id: inputs.Id, caller: SignedIn, version: ExpectedVersion, request_id: RequestId
) -> Response:
    """By another person than the author. 409 with the findings in `errors` when it does not fit.

    Applied at once when its day has begun: `state` says so.
    """
    return reply(await reorganisation.review(clients_of(request), caller, change_set_id, version, request_id))


@router.post(
    "/change-sets/{change_set_id}/undo",
    summary="Call a change set off",
    responses=answers(200, shapes.ChangeSet, *CHANGES, etag=True),
)
async def undo(
    request: Request,
    change_set_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: shapes.UndoIn,
) -> Response:
    """Until 0:00 of its day, with a reason."""
    return reply(
        await reorganisation.undo(clients_of(request), caller, change_set_id, version, body.reason, request_id)
    )


@router.get(
    "/personnel/export",
    summary="The staff of a day as a personnel file",
    response_class=Response,
    responses=answers(200, None, record=True, content={"text/csv": {"schema": {"type": "string"}}}),
)
async def export_file(request: Request, caller: SignedIn, on: Annotated[inputs.IsoDate, Query()]) -> Response:
    """As planned by then: compared with the same day it changes nothing. UTF-8 with a byte order mark."""
    return csv_reply(*await reorganisation.export_personnel(clients_of(request), caller, on), f"staff-{on}")


@router.post(
    "/personnel/compare",
    summary="Compare a personnel file (dry run)",
    responses=answers(200, shapes.Personnel, 400, 413, 415, record=True),
)
async def compare(request: Request, caller: SignedIn, body: shapes.PersonnelIn) -> Response:
    """Who joins, leaves, moves; or every bad line by its number. Changes nothing."""
    return reply(
        await reorganisation.compare_personnel(
            clients_of(request), caller, effective_on=body.effective_on, content=body.content.encode()
        )
    )


@router.post(
    "/personnel/import",
    status_code=201,
    summary="Import a personnel file",
    responses=answers(201, shapes.ChangeSet, *CREATES, etag=True),
)
async def import_file(
    request: Request, caller: SignedIn, request_id: RequestId, body: shapes.PersonnelImportIn
) -> Response:
    """The difference becomes a draft; with a bad line nothing does."""
    answer = await reorganisation.import_personnel(
        clients_of(request),
        caller,
        title=body.title,
        effective_on=body.effective_on,
        content=body.content.encode(),
        late_reason=body.late_reason,
        request_id=request_id,
    )
    return reply(answer, 201)


@router.get("/stranded-steps", summary="宛先のない回議", responses=answers(200, shapes.StrandedStepList, record=True))
async def stranded(
    request: Request, caller: SignedIn, cursor: inputs.Cursor = "", limit: inputs.Limit = 50
) -> Response:
    """Open steps that nobody can act on (AP-41). For the records office."""
    return reply(await reorganisation.stranded(clients_of(request), caller, cursor=cursor, limit=limit))


@router.post(
    "/cases/{case_id}/steps/{step_id}/reassign",
    summary="Reassign a stranded step",
    responses=answers(200, shapes.ReassignedStep, *CHANGES, etag=True),
)
async def reassign(
    request: Request,
    case_id: inputs.Id,
    step_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: shapes.ReassignIn,
) -> Response:
    """The records office names the post that acts, with a reason (AP-41)."""
    answer = await reorganisation.reassign(
        clients_of(request),
        caller,
        case_id=case_id,
        step_id=step_id,
        post_id=body.post_id,
        reason=body.reason,
        version=version,
        request_id=request_id,
    )
    return reply(answer)


@router.get("/tenures", summary="在職の履歴", responses=answers(200, shapes.TenureList, record=True))
async def tenures(
    request: Request,
    caller: SignedIn,
    post: inputs.QueryCode = "",
    staff: inputs.QueryCode = "",
    on: inputs.MaybeDate = None,
) -> Response:
    """Who held a post, or which posts somebody held: ever, or on one day. Exactly one of `post` and `staff`."""
    answer = await reorganisation.tenures(clients_of(request), caller, post_id=post, staff_id=staff, on=on or "")
    return reply(answer)


@router.get("/substitutes", summary="代決順位", responses=answers(200, shapes.SubstitutionList, record=True))
async def substitutes(
    request: Request, caller: SignedIn, post: inputs.QueryCode = "", on: inputs.MaybeDate = None
) -> Response:
    """Who may decide in place of the holder of `post`, in order, by matter: ever, or on one day (AP-13)."""
    return reply(await reorganisation.substitutes(clients_of(request), caller, post_id=post, on=on or ""))
