"""/api/v1/inbox and /api/v1/cases."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import cases
from services.gateway.api import inputs
from services.gateway.api.openapi import CHANGES, answers
from services.gateway.api.replies import ExpectedVersion, RequestId, clients_of, reply
from services.gateway.api.shapes import cases as shapes
from services.gateway.api.shapes.routes import Explanation
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1", tags=["cases"])

_KINDS = "|".join(cases.INBOX_KINDS)
Kinds = Annotated[
    list[Annotated[str, Query(pattern=rf"^({_KINDS})(,({_KINDS}))*$")]],
    Query(max_length=4, description="One or more, repeated or separated by commas; all when missing."),
]


@router.get("/inbox", summary="What waits for me", responses=answers(200, shapes.Inbox, record=True))
async def inbox(
    request: Request,
    caller: SignedIn,
    kind: Kinds = [],  # noqa: B006 - read only
    post: Annotated[inputs.QueryCode, Query(description="Only what waits for this post of mine.")] = "",
    cursor: inputs.Cursor = "",
    limit: inputs.Limit = 50,
) -> Response:
    """Per post; urgent first, then oldest."""
    kinds = [word for words in kind for word in words.split(",")]
    return reply(await cases.inbox(clients_of(request), caller, kinds=kinds, post_id=post, cursor=cursor, limit=limit))


@router.get("/overdue", summary="What waits too long", responses=answers(200, shapes.OverdueList, record=True))
async def overdue(
    request: Request,
    caller: SignedIn,
    unit: Annotated[inputs.QueryCode, Query(description="Only cases of this unit.")] = "",
    cursor: inputs.Cursor = "",
    limit: inputs.Limit = 50,
) -> Response:
    """滞留: steps that wait beyond their term, the longest first; in cases of the units I answer for as 所属長 or records
    manager, and for the records office of any unit."""
    return reply(await cases.overdue(clients_of(request), caller, unit_id=unit, cursor=cursor, limit=limit))


ReadReceipt = Annotated[
    str,
    Header(
        alias="kanketsu-read-receipt",
        description="A read receipt of the case's document opens the case to those who are not on its route.",
        max_length=8_192,
    ),
]


@router.get("/cases/{case_id}", summary="Read a case", responses=answers(200, shapes.Case, 404, etag=True, record=True))
async def read(
    request: Request,
    case_id: inputs.Id,
    caller: SignedIn,
    read_receipt: ReadReceipt = "",
) -> Response:
    """Steps, decisions, comments."""
    return reply(await cases.read(clients_of(request), caller, case_id=case_id, read_receipt=read_receipt))


@router.get(
    "/documents/{document_id}/cases",
    summary="Every circulation of a document",
    responses=answers(200, shapes.CaseList, 404, record=True),
)
async def of_document(
    request: Request, document_id: inputs.Id, caller: SignedIn, read_receipt: ReadReceipt = ""
) -> Response:
    """Newest first, those before a 差戻し, 差替え or 引戻し as well, each as GET /cases/{id} shows it (AP-53)."""
    return reply(await cases.of_document(clients_of(request), caller, document_id, read_receipt=read_receipt))


@router.get(
    "/cases/{case_id}/decider",
    summary="Why this decider",
    responses=answers(200, Explanation, 404, record=True),
)
async def decider(request: Request, case_id: inputs.Id, caller: SignedIn, read_receipt: ReadReceipt = "") -> Response:
    """Which rule, which band, what it beat, and what would change it; as of the day of the draft."""
    return reply(await cases.decider(clients_of(request), caller, case_id=case_id, read_receipt=read_receipt))


@router.post(
    "/cases/{case_id}/steps/{step_id}/act",
    summary="Act on a step",
    responses=answers(200, shapes.Case, *CHANGES, etag=True),
)
async def act(
    request: Request,
    case_id: inputs.Id,
    step_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: inputs.ActIn,
) -> Response:
    """One act of one person, for exactly the version that was read; the answer is the new case."""
    answer = await cases.act(
        clients_of(request),
        caller,
        case_id,
        step_id,
        version,
        action=body.action,
        comment=body.comment,
        version_digest=body.version_digest,
        read_receipt=body.read_receipt,
        request_id=request_id,
        acknowledged=body.acknowledged_opinions,
        target_step_id=body.target_step_id or "",
        also=body.also_step_ids,
    )
    return reply(answer)


@router.post(
    "/cases/{case_id}/recall", summary="引戻し: recall", responses=answers(200, shapes.Case, *CHANGES, etag=True)
)
async def recall(
    request: Request,
    case_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: inputs.CommentIn | None = None,
) -> Response:
    """By the last actor or the drafter, while the next has not acted."""
    comment = body.comment if body is not None else ""
    return reply(await cases.recall(clients_of(request), caller, case_id, version, comment, request_id))


@router.post(
    "/cases/{case_id}/withdraw", summary="取下げ: withdraw", responses=answers(200, shapes.Case, *CHANGES, etag=True)
)
async def withdraw(
    request: Request,
    case_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: inputs.CommentIn | None = None,
) -> Response:
    """By the drafter, before the decision."""
    comment = body.comment if body is not None else ""
    return reply(await cases.withdraw(clients_of(request), caller, case_id, version, comment, request_id))


@router.post(
    "/cases/{case_id}/replace",
    summary="差替え: take back to replace the version",
    responses=answers(200, shapes.Case, *CHANGES, etag=True),
)
async def replace(
    request: Request,
    case_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: inputs.CommentIn,
) -> Response:
    """By the drafter, with a reason, before the decision. Revise the document, then submit with `replacement`."""
    return reply(await cases.replace(clients_of(request), caller, case_id, version, body.comment, request_id))


@router.post(
    "/cases/{case_id}/circulate",
    summary="供覧: show it to more posts",
    responses=answers(200, shapes.Case, *CHANGES, etag=True),
)
async def circulate(
    request: Request,
    case_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: inputs.CirculateIn,
) -> Response:
    """By the drafter or whom the case waits for, from the decision to 完結 by the decider; outside the department by a 所属長 only."""
    answer = await cases.circulate(
        clients_of(request), caller, case_id, version, body.post_ids, body.comment, request_id
    )
    return reply(answer)


@router.post(
    "/cases/{case_id}/add-seat",
    summary="回議先の追加: have another post asked first",
    responses=answers(200, shapes.Case, *CHANGES, etag=True),
)
async def add_seat(
    request: Request,
    case_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: inputs.SeatIn,
) -> Response:
    """By whose turn it is on the own line; their seat waits until the added one has acted (AP-54)."""
    answer = await cases.add_seat(
        clients_of(request), caller, case_id, version, body.post_id, body.kind, body.comment, request_id
    )
    return reply(answer)


@router.post(
    "/cases/{case_id}/ask-substitute",
    summary="代決依頼: ask the substitute",
    responses=answers(200, shapes.Case, *CHANGES, etag=True),
)
async def ask_substitute(
    request: Request,
    case_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: inputs.CommentIn | None = None,
) -> Response:
    """By the drafter while the decider is recorded as absent; the first substitute who is there sees the case then."""
    comment = body.comment if body is not None else ""
    return reply(await cases.ask_substitute(clients_of(request), caller, case_id, version, comment, request_id))


@router.post(
    "/cases/{case_id}/ask-pull-up",
    summary="引上げ依頼: ask a later seat to pull it up",
    responses=answers(200, shapes.Case, *CHANGES, etag=True),
)
async def ask_pull_up(
    request: Request,
    case_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: inputs.PullUpIn,
) -> Response:
    """By the drafter or the seat it waits for, with a reason; the asked seat sees the case until that one is acted on."""
    answer = await cases.ask_pull_up(
        clients_of(request), caller, case_id, version, body.post_id, body.comment, request_id
    )
    return reply(answer)
