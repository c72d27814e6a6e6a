# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPC of 滞留: what waits beyond its term in the units that the caller answers for."""

from __future__ import annotations

import datetime as dt

from chassis import clock, db
from chassis.interceptors import identity
from chassis.recorder import timestamp
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals import policy
from services.approvals.cases.answers import STEP_STATES
from services.approvals.cursors import after, position_of
from services.approvals.deadlines import store
from services.approvals.deadlines.domain import Deadlines
from services.approvals.deadlines.overseeing import units_overseen
from services.approvals.deadlines.store import Overdue
from services.approvals.handlers import Context, Handlers, reader_of
from services.approvals.inputs import limit_of, require_readable
from services.approvals.organisation.domain import Seat
from services.approvals.organisation.store import find_seats
from services.approvals.routes.answers import STEP_KINDS


class DeadlinesApi(Handlers):
    """Of kanketsu.approvals.v1.ApprovalsService: terms."""

    async def ListOverdue(self, request: pb.ListOverdueRequest, context: Context) -> pb.ListOverdueResponse:
        """滞留 of the units that the caller answers for, the longest first (LC-13). NOT_PERMITTED, INVALID_CURSOR."""
        require_readable(request)
        caller, now = identity(), clock.now()
        before = {kind: self._parts.deadlines.overdue_before(kind, now.date()) for kind in ("decision", "concurrence")}
        limit = limit_of(request.limit, 50, 200)
        async with db.connection(self._parts.pool) as conn:
            overseen = await units_overseen(conn, reader_of(caller), caller.roles, now)
            units = policy.require_overseen(request.unit_id, overseen, caller.roles)
            found = await store.overdue(
                conn, units, before, now.date(), after=position_of(request.cursor), limit=limit + 1
            )
            page = found[:limit]
            seats = await find_seats(conn, sorted({one.post_id for one in page}), now.date(), now)
        record = await self._listed("step.listed", "step", request, [one.step_id for one in page])
        return pb.ListOverdueResponse(
            items=[_overdue(one, seats.get(one.post_id), self._parts.deadlines, now.date()) for one in page],
            next_cursor=after(page[-1]) if len(found) > limit else "",
            access_record=record,
            unit_ids=sorted(overseen),
        )


def _overdue(item: Overdue, seat: Seat | None, deadlines: Deadlines, today: dt.date) -> pb.OverdueStep:
    holder = seat.holder if seat else None
    due_on = deadlines.due_on(item.kind, item.waiting_since)
    return pb.OverdueStep(
        case_id=item.case_id,
        step_id=item.step_id,
        document_id=item.document_id,
        unit_id=item.unit_id,
        drafter=item.drafter,
        draft_number=item.draft_number,
        urgent=item.urgent,
        step_kind=STEP_KINDS[item.step_kind],
        step_state=STEP_STATES[item.step_state],
        post_id=item.post_id,
        post_title=seat.shown_title if seat else item.post_id,
        post_unit_name=seat.unit_name if seat else "",
        staff_name=holder.name if holder else "",
        waiting_since=timestamp(item.waiting_since),
        due_on=due_on.isoformat() if due_on else "",
        opening_days=deadlines.waited(item.waiting_since, today),
    )
