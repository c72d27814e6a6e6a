"""/api/v1/audit/reviews: reviewing the log (SC-07), for audit officers; a finding also for whom it was assigned to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import reviews
from services.gateway.api import inputs
from services.gateway.api.openapi import CHANGES, CREATES, answers
from services.gateway.api.replies import ExpectedVersion, RequestId, clients_of, gateway_of, pdf_reply, reply
from services.gateway.api.shapes import reviews as shapes
from services.gateway.paper import review_report
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])

Number = Annotated[int, Path(ge=1, le=1_000_000)]
State = Annotated[str, Query(pattern="^(recorded|open|explained|incident)?$")]


@router.get("/reviews", summary="Reviews of the log", responses=answers(200, shapes.ReviewList, 404, record=True))
async def listed(
    request: Request,
    caller: SignedIn,
    cursor: inputs.Cursor = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Response:
    """The latest month first."""
    return reply(await reviews.listed(clients_of(request), caller, cursor=cursor, limit=limit))


@router.post(
    "/reviews", status_code=201, summary="点検を始める", responses=answers(201, shapes.Review, *CREATES, etag=True)
)
async def open_review(request: Request, caller: SignedIn, request_id: RequestId, body: inputs.ReviewIn) -> Response:
    """Examines a month up to the last checkpoint. The past month is opened by itself."""
    return reply(await reviews.open_review(clients_of(request), caller, body.month, request_id), 201)


@router.get(
    "/reviews/{review_id}", summary="A review", responses=answers(200, shapes.WholeReview, 404, etag=True, record=True)
)
async def review(request: Request, review_id: inputs.Id, caller: SignedIn) -> Response:
    """Counts, what each rule found and what came of it, the checkpoints it rests on."""
    return reply(await reviews.review(clients_of(request), caller, review_id))


@router.get(
    "/reviews/{review_id}/report",
    summary="点検報告書",
    responses=answers(
        200, None, 404, record=True, content={"application/pdf": {"schema": {"type": "string", "format": "binary"}}}
    ),
)
async def report(request: Request, review_id: inputs.Id, caller: SignedIn) -> Response:
    """PDF/A for the council: counts and results, no person and no document."""
    settings = gateway_of(request).settings
    tenant = settings.tenant_name or settings.tenant
    return pdf_reply(*await review_report.pdf(clients_of(request), caller, review_id, tenant))


@router.get(
    "/reviews/{review_id}/findings",
    summary="Findings of a review",
    responses=answers(200, shapes.FindingList, 404, record=True),
)
async def findings(
    request: Request,
    review_id: inputs.Id,
    caller: SignedIn,
    rule: inputs.QueryCode = "",
    state: State = "",
    unit: inputs.QueryCode = "",
    cursor: inputs.Cursor = "",
    limit: inputs.Limit = 50,
) -> Response:
    """In their order; filtered."""
    answer = await reviews.findings(
        clients_of(request), caller, review_id, rule=rule, state=state, unit_id=unit, cursor=cursor, limit=limit
    )
    return reply(answer)


@router.get(
    "/reviews/{review_id}/findings/{number}",
    summary="A finding and the records behind it",
    responses=answers(200, shapes.WholeFinding, 404, etag=True, record=True),
)
async def finding(request: Request, review_id: inputs.Id, number: Number, caller: SignedIn) -> Response:
    """For officers, and for whom it was assigned to."""
    return reply(await reviews.finding(clients_of(request), caller, review_id, number))


@router.post(
    "/reviews/{review_id}/findings",
    summary="Assign, comment on or judge a finding",
    responses=answers(200, shapes.TreatedFinding, *CHANGES, etag=True),
)
async def treat_finding(
    request: Request,
    review_id: inputs.Id,
    caller: SignedIn,
    request_id: RequestId,
    version: ExpectedVersion,
    body: inputs.FindingIn,
) -> Response:
    """If-Match is the review's ETag: whoever judges has read what others wrote before."""
    answer = await reviews.treat_finding(
        clients_of(request),
        caller,
        review_id,
        version,
        body.number,
        assignee_id=body.assignee_id or "",
        state=body.state or "",
        comment=body.comment,
        request_id=request_id,
    )
    return reply(answer)


@router.post(
    "/reviews/{review_id}/staff",
    summary="Compare with the staff list",
    responses=answers(200, shapes.Review, *CHANGES, etag=True),
)
async def compare_staff(
    request: Request, review_id: inputs.Id, caller: SignedIn, request_id: RequestId, version: ExpectedVersion
) -> Response:
    """Adds who had left and which accounts nobody uses; once."""
    clients = clients_of(request)
    month = (await reviews.review(clients, caller, review_id)).body["month"]
    return reply(await reviews.compare_staff(clients, caller, review_id, version, month, request_id))


@router.post(
    "/reviews/{review_id}/sign",
    summary="点検結果・所見",
    responses=answers(200, shapes.Review, *CHANGES, etag=True),
)
async def sign(
    request: Request,
    review_id: inputs.Id,
    caller: SignedIn,
    request_id: RequestId,
    version: ExpectedVersion,
    body: inputs.ReviewTextIn,
) -> Response:
    """Ends the review; 409 while a finding has no answer."""
    return reply(await reviews.sign_review(clients_of(request), caller, review_id, version, body.text, request_id))


@router.post(
    "/reviews/{review_id}/remarks",
    summary="A remark on a signed review",
    responses=answers(200, shapes.Review, *CHANGES, etag=True),
)
async def remark(
    request: Request,
    review_id: inputs.Id,
    caller: SignedIn,
    request_id: RequestId,
    version: ExpectedVersion,
    body: inputs.ReviewTextIn,
) -> Response:
    """What was signed stays as it is."""
    return reply(await reviews.remark_review(clients_of(request), caller, review_id, version, body.text, request_id))


@router.get(
    "/findings",
    summary="Findings assigned to me",
    responses=answers(200, shapes.FindingList, record=True),
)
async def assigned(
    request: Request, caller: SignedIn, cursor: inputs.Cursor = "", limit: inputs.Limit = 50
) -> Response:
    """Of one's own units, as long as one belongs to them."""
    return reply(await reviews.findings(clients_of(request), caller, cursor=cursor, limit=limit))


@router.get(
    "/review-rules",
    summary="点検の基準",
    responses=answers(200, shapes.RulesVersionList, 404, etag=True, record=True),
)
async def rules(request: Request, caller: SignedIn) -> Response:
    """Every version of the thresholds, newest first."""
    return reply(await reviews.rules(clients_of(request), caller))


@router.post(
    "/review-rules",
    status_code=201,
    summary="Change the thresholds",
    responses=answers(201, shapes.RulesVersion, *CHANGES),
)
async def change_rules(
    request: Request, caller: SignedIn, request_id: RequestId, version: ExpectedVersion, body: inputs.ReviewRulesIn
) -> Response:
    """From the running month on or later, with a reason."""
    answer = await reviews.change_rules(
        clients_of(request),
        caller,
        version,
        body.effective_from,
        body.thresholds.given(),
        body.reason,
        request_id,
    )
    return reply(answer, 201)
