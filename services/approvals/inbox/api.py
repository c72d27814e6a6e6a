# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPC of the inbox: what waits on the caller's posts."""

from __future__ import annotations

import datetime as dt

from chassis import clock, db
from chassis.errors import FieldViolation, invalid
from chassis.interceptors import identity
from chassis.recorder import timestamp
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals.cases import bulk
from services.approvals.cases.answers import STEP_STATES
from services.approvals.cases.domain import CityRules
from services.approvals.cursors import after, position_of
from services.approvals.deadlines.domain import Deadlines
from services.approvals.handlers import Context, Handlers
from services.approvals.inbox import store
from services.approvals.inbox.store import Waiting
from services.approvals.inputs import limit_of, require_readable
from services.approvals.routes.answers import STEP_KINDS

INBOX_KINDS = ("decision", "concurrence", "post_view", "circulation")


class InboxApi(Handlers):
    """Of kanketsu.approvals.v1.ApprovalsService: the inbox."""

    async def ListInbox(self, request: pb.ListInboxRequest, context: Context) -> pb.ListInboxResponse:
        """What waits on the caller's posts, urgent first, then oldest, each with its last day (AP-09, AP-18, AP-44).

        INVALID_CURSOR.
        """
        require_readable(request)
        caller = identity()
        if any(kind not in INBOX_KINDS for kind in request.kinds):
            raise invalid(FieldViolation("kinds", "UNKNOWN"))
        limit = limit_of(request.limit, 50, 200)
        async with db.connection(self._parts.pool) as conn:
            found, counts = await store.inbox(
                conn,
                caller.staff_id,
                clock.today(),
                kinds=sorted(set(request.kinds)),
                post_id=request.post_id,
                after=position_of(request.cursor),
                limit=limit + 1,
            )
        page = found[:limit]
        record = await self._listed("inbox.listed", "step", request, [item.step_id for item in page])
        return pb.ListInboxResponse(
            items=[_inbox_item(item, self._parts.deadlines, clock.today(), self._parts.city) for item in page],
            next_cursor=after(page[-1]) if len(found) > limit else "",
            counts={kind: counts.get(kind, 0) for kind in INBOX_KINDS},
            access_record=record,
        )

    async def CountInbox(self, request: pb.CountInboxRequest, context: Context) -> pb.CountInboxResponse:
        """How much of each kind ListInbox lists (UI-01, AC-03). Numbers show nothing, so nothing is recorded."""
        async with db.connection(self._parts.pool) as conn:
            return pb.CountInboxResponse(counts=await store.count(conn, identity().staff_id, clock.today()))


def _inbox_item(item: Waiting, deadlines: Deadlines, today: dt.date, city: CityRules) -> pb.InboxItem:
    due_on = deadlines.due_on(item.kind, item.waiting_since)
    return pb.InboxItem(
        case_id=item.case_id,
        step_id=item.step_id,
        document_id=item.document_id,
        kind=item.kind,
        post_id=item.post_id,
        post_title=item.post_title,
        step_kind=STEP_KINDS[item.step_kind],
        step_state=STEP_STATES[item.step_state],
        waiting_since=timestamp(item.waiting_since),
        urgent=item.urgent,
        draft_number=item.draft_number,
        unit_id=item.unit_id,
        drafter=item.drafter,
        due_on=due_on.isoformat() if due_on else "",
        overdue=due_on is not None and due_on < today,
        bulk_action=(bulk.bulk_action(item.decision_class, item.step_kind, city) or "")
        if item.kind in ("decision", "concurrence")
        else "",
    )
