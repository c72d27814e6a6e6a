"""事後登録 of a 持回り: one transaction over the locked case, as every act (AP-50)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from chassis import clock, db, outbox, requests
from chassis.db import Pool
from chassis.errors import DomainError, Kind
from chassis.requests import Call
from services.approvals import policy
from services.approvals.cases import store, walk_around
from services.approvals.cases.domain import Act, Action, Case, CityRules, Hall
from services.approvals.cases.envelopes import AWAITS, Cause, envelopes
from services.approvals.deadlines.domain import Deadlines
from services.approvals.notices import commands as notices
from services.approvals.policy import Reader, Receipt


@dataclass(frozen=True)
class Registration:
    """As asked for by the drafter."""

    case_id: str
    expected_version: int
    version_digest: str
    # Who decided, and when.
    staff_id: str
    decided_at: dt.datetime
    evidence_sha256: str
    comment: str


async def register(
    pool: Pool,
    call: Call,
    wish: Registration,
    reader: Reader,
    receipt: Receipt,
    tenant: str,
    city: CityRules,
    deadlines: Deadlines,
    cause: Cause,
    encode: Callable[[Case], bytes],
    now: dt.datetime,
) -> bytes:
    """The drafter says who decided outside the system, when, and what proves it.

    Order of refusals: NOT_FOUND, STALE_VERSION, VERSION_MOVED (AP-31), receipt, NOT_PERMITTED for anybody but the
    drafter, then those of `walk_around.register`. Posts and absences of the named moment say who could decide then.
    """
    async with db.pipelined(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        await store.lock(conn, wish.case_id)
        found = await store.load(conn, wish.case_id, now.date(), now)
        case = policy.require_visible(found[0] if found else None, reader, shown=False)
        hall = found[1] if found else Hall({})
        policy.require_version(case.version, wish.expected_version)
        if wish.version_digest != case.version_digest:
            raise DomainError(Kind.PRECONDITION, "VERSION_MOVED", "another version circulates")
        policy.require_receipt(receipt, case, reader.staff_id, tenant, now)
        by = policy.signature_of(case, hall, reader.staff_id)
        # The same case, with its posts as they were held then.
        at_that_time = await store.load(conn, wish.case_id, wish.decided_at.date(), wish.decided_at)
        then = at_that_time[1] if at_that_time else Hall({})
        act = Act(
            clock.new_id(), Action.REGISTER_WALK_AROUND, by, wish.comment, now, case.version_digest, receipt.record
        )
        after, events = walk_around.register(
            case,
            act,
            wish.decided_at,
            wish.evidence_sha256,
            lambda: policy.walk_around_decider(case, then, wish.staff_id),
            city,
            deadlines,
        )
        response = encode(after)
        await store.save(conn, case, after)
        await notices.tell(conn, case, after, now)
        await outbox.append(conn, envelopes(after, events, cause.acting_as(by), hall), AWAITS)
        await requests.keep(conn, call, response)
    return response
