"""/api/v1/notices and its stream, /notice-choices, /escalation-lists (AP-09, AP-50, AC-14, LC-13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from chassis.errors import DomainError
from services.gateway.actions import notices
from services.gateway.api import inputs
from services.gateway.api.openapi import CREATES, answers
from services.gateway.api.replies import RequestId, clients_of, gateway_of, reply
from services.gateway.api.shapes import notices as shapes
from services.gateway.errors import Refusal
from services.gateway.live import Event, Stream, follow
from services.gateway.signin import SignedIn, StillSignedIn

if TYPE_CHECKING:
    from services.gateway.app import Gateway

router = APIRouter(prefix="/api/v1", tags=["notices"])

_EVENTS = {"text/event-stream": {"schema": {"type": "string"}}}


@router.get("/notices", summary="My notices", responses=answers(200, shapes.NoticeList, record=True))
async def listed(
    request: Request,
    caller: SignedIn,
    unread: Annotated[bool, Query(description="only those that are not read")] = False,
    cursor: inputs.Cursor = "",
    limit: inputs.Limit = 50,
) -> Response:
    """Newest first."""
    answer = await notices.listed(clients_of(request), caller, unread_only=unread, cursor=cursor, limit=limit)
    return reply(answer)


@router.post("/notices/read", summary="Mark as read", responses=answers(200, shapes.Unread, *CREATES))
async def mark_read(request: Request, caller: SignedIn, request_id: RequestId, body: shapes.NoticesReadIn) -> Response:
    """The caller's own; other ids change nothing."""
    answer = await notices.mark_read(
        clients_of(request), caller, request_id, notice_ids=body.notice_ids, up_to=body.up_to or ""
    )
    return reply(answer)


@router.get(
    "/notices/stream",
    summary="New notices as they come",
    responses=answers(200, None, content=_EVENTS, description="Server-sent events `notice`, comments in between."),
)
async def stream(
    request: Request,
    caller: StillSignedIn,
    last_event_id: Annotated[str | None, Header(description="of the last event that was received")] = None,
) -> Response:
    """Only the groups the caller has switched on. Ends with the session; at most six a person and replica."""
    gateway = gateway_of(request)
    # Open before looking at what was missed: what comes meanwhile waits in it.
    opened = gateway.open_pages.open(caller.identity.staff_id)
    try:
        if last_event_id:
            missed = await notices.missed(clients_of(request), caller, last_event_id)
        else:
            recent = gateway.open_pages.recent(caller.identity.staff_id)
            missed = await notices.still_unread(clients_of(request), caller, recent)
    except (DomainError, Refusal):
        gateway.open_pages.leave(opened)
        raise
    return _Followed(gateway, opened, missed, request)


class _Followed(StreamingResponse):
    """The answer that leaves its stream when it ends, however it does."""

    def __init__(self, gateway: Gateway, opened: Stream, missed: list[Event], request: Request) -> None:
        body = follow(opened, missed, lambda: gateway.sign_in.caller(request, used=False))
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(body, headers=headers, media_type="text/event-stream")
        self._gateway = gateway
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._gateway.open_pages.leave(self._opened)


@router.get(
    "/notice-choices",
    summary="What is told where",
    responses=answers(200, shapes.NoticeChoices, record=True),
)
async def choices(request: Request, caller: SignedIn) -> Response:
    """The caller's own, with the address e-mail goes to."""
    return reply(await notices.choices(clients_of(request), caller))


@router.post("/notice-choices", summary="Choose", responses=answers(200, shapes.NoticeChoices, *CREATES))
async def choose(request: Request, caller: SignedIn, request_id: RequestId, body: shapes.NoticeChoicesIn) -> Response:
    """For notices from now on."""
    return reply(await notices.choose(clients_of(request), caller, request_id, live=body.live, mail=body.mail))


@router.get(
    "/escalation-lists/{unit_id}",
    summary="Who is told of a unit's 滞留",
    responses=answers(200, shapes.EscalationListShown, record=True),
)
async def escalation_list(request: Request, unit_id: inputs.Id, caller: SignedIn) -> Response:
    """For the unit's records manager and the records office."""
    return reply(await notices.escalation_list(clients_of(request), caller, unit_id))


@router.post(
    "/escalation-lists/{unit_id}",
    summary="Change it",
    responses=answers(200, shapes.EscalationListKept, *CREATES, 412),
)
async def save_escalation_list(
    request: Request,
    unit_id: inputs.Id,
    caller: SignedIn,
    request_id: RequestId,
    body: shapes.EscalationListIn,
) -> Response:
    """The next version; without posts the list of the unit above holds."""
    answer = await notices.save_escalation_list(
        clients_of(request), caller, request_id, unit_id, body.version, body.post_ids
    )
    return reply(answer)
