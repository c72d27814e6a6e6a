"""Writes of notices: with the act that causes them, once an opening day, and what a person or an office sets for them.

Nothing here touches a case: no step is ever approved, passed over or ended by a notice or by silence (AP-09).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from chassis import clock, db, outbox, requests
from chassis.db import Connection, Pool
from chassis.recorder import timestamp
from chassis.requests import Call
from kanketsu.approvals.v1 import events_pb2
from kanketsu.event.v1 import envelope_pb2
from services.approvals import policy
from services.approvals.cases.domain import Case
from services.approvals.cases.envelopes import PRODUCER, Cause
from services.approvals.deadlines.domain import Deadlines
from services.approvals.members import domain as members
from services.approvals.notices import domain, store
from services.approvals.notices.domain import Choices, NoticeKind
from services.approvals.notices.escalation import lists_on
from services.approvals.notices.store import EscalationList
from services.approvals.organisation import store as organisation
from services.approvals.policy import Reader

AWAITS: Final = ("audit",)


@dataclass(frozen=True)
class Reminding:
    """When the city urges (AP-09, LC-13). ValueError otherwise."""

    # Full hour of an opening day from which on its reminders are made.
    hour: int = 8
    # Opening days after the last one from which on the escalation list is told too.
    escalation_days: int = 3

    def __post_init__(self) -> None:
        if not (0 <= self.hour <= 23 and 1 <= self.escalation_days <= 60):
            raise ValueError("an hour is 0 to 23, and escalation is 1 to 60 opening days later")


async def tell(conn: Connection, before: Case | None, after: Case, now: dt.datetime) -> None:
    """In the transaction of an act: its notices. What the actor was told of the case counts as read, and what others were
    told whose post it waits for no longer: they may not even see the document any more.

    One statement, whoever is told. `before` is None for a case that is opened.
    """
    by = "" if before is None else after.decisions[-1].by.staff_id
    await store.tell(conn, domain.told(before, after), domain.standing(after), [after.case_id], by, now)


async def tell_moved(conn: Connection, moved: Sequence[tuple[Case, Case]], now: dt.datetime) -> None:
    """In the transaction that gives steps to other posts (AP-41), or takes a 代決依頼 back (AP-13): who has them now, and
    who no longer. One statement for all cases.
    """
    told = [one for before, after in moved for one in domain.told(before, after)]
    standing = [one for _, after in moved for one in domain.standing(after)]
    await store.tell(conn, told, standing, [after.case_id for _, after in moved], "", now)


async def tell_heads(
    conn: Connection, unit_id: str, kind: NoticeKind, document_id: str, draft_number: str, by: str, now: dt.datetime
) -> None:
    """The 所属長 of a unit hear of one of its documents (AC-08); not who did it."""
    line, above_members = await organisation.line_of(conn, unit_id, now.date(), now)
    heads = [one for one in members.heads(line, above_members) if one != by]
    await store.tell_people(conn, heads, kind, now, document_id=document_id, draft_number=draft_number)


async def tell_planners(conn: Connection, planners: Collection[str], change_set_id: str, now: dt.datetime) -> None:
    """In the transaction that refuses a planned set: who wrote it, who reviewed it, and the records office of the day."""
    officers = await organisation.with_role(conn, "records_officer", now.date())
    people = sorted(officers | set(planners))
    await store.tell_people(conn, people, NoticeKind.CHANGE_SET_REFUSED, now, change_set_id=change_set_id)


async def remind(pool: Pool, deadlines: Deadlines, reminding: Reminding, now: dt.datetime) -> int:
    """The reminders of an opening day, once, by one replica; returns how many were made.

    To the holders of every step whose last day is today or was before; when that was long ago, to the escalation list
    of the unit whose document it is that day. Crash inside: the day is not taken, and the next look does all of it.
    """
    day = now.date()
    if now.hour < reminding.hour or not deadlines.is_open(day):
        return 0
    kinds = ("decision", "concurrence")
    due = {kind: deadlines.due_before(kind, day) for kind in kinds}
    late = {kind: deadlines.due_before(kind, day, reminding.escalation_days) for kind in kinds}
    async with db.transaction(pool) as conn:
        if not await store.begin_day(conn, day, now):
            return 0
        await store.forget(conn, now)
        lists = await lists_on(conn, day)
        return await store.remind(conn, due, late, lists.told(), now)


async def mark_read(
    pool: Pool,
    call: Call,
    notice_ids: Sequence[str],
    up_to: str,
    encode: Callable[[int], bytes],
    now: dt.datetime,
) -> bytes:
    """The caller's own notices are read: these, and all until `up_to`. Others' ids change nothing."""
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        await store.mark_read(conn, call.staff_id, notice_ids, up_to, now)
        response = encode(await store.unread(conn, call.staff_id))
        await requests.keep(conn, call, response)
    return response


async def choose(
    pool: Pool,
    call: Call,
    live: Collection[str],
    mail: Collection[str],
    cause: Cause,
    encode: Callable[[Choices, str], bytes],
    now: dt.datetime,
) -> bytes:
    """Which groups the caller wants on open pages and by e-mail from now on. INVALID_FIELDS."""
    wished = domain.choices(live, mail, 0)
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        version = await store.choose(conn, call.staff_id, wished)
        chosen, address = await store.choices_of(conn, call.staff_id, now.date())
        response = encode(chosen, address)
        message = events_pb2.NoticeChoicesChanged(staff_id=call.staff_id)
        event = _envelope(message, "notice_choices.changed", "notice_choices", call.staff_id, version, cause, now)
        await outbox.append(conn, [event], AWAITS)
        await requests.keep(conn, call, response)
    return response


async def save_list(
    pool: Pool,
    call: Call,
    unit_id: str,
    expected_version: int,
    post_ids: Sequence[str],
    reader: Reader,
    roles: Collection[str],
    cause: Cause,
    encode: Callable[[EscalationList], bytes],
    now: dt.datetime,
) -> bytes:
    """The escalation list of a unit, by its records manager or the records office; without posts that of the unit above.

    NOT_PERMITTED, NOT_FOUND, STALE_VERSION, INVALID_FIELDS.
    """
    policy.require_may_escalate(unit_id, reader, roles)
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        await store.lock_list(conn, unit_id)
        policy.require_known_unit(unit_id, await organisation.list_units(conn, now.date()))
        old = (await store.escalation_lists(conn)).get(unit_id, EscalationList(unit_id, 0, ()))
        policy.require_version(old.version, expected_version)
        known = await organisation.find_seats(conn, list(post_ids), now.date(), now)
        made = EscalationList(unit_id, old.version + 1, domain.checked_list(post_ids, known))
        response = encode(made)
        await store.save_list(conn, made, call.staff_id, now)
        message = events_pb2.EscalationListChanged(unit_id=unit_id, post_ids=made.post_ids)
        event = _envelope(message, "escalation.saved", "escalation_list", unit_id, made.version, cause, now)
        await outbox.append(conn, [event], AWAITS)
        await requests.keep(conn, call, response)
    return response


def _envelope(
    message: Message, action: str, aggregate: str, aggregate_id: str, version: int, cause: Cause, now: dt.datetime
) -> envelope_pb2.Envelope:
    return envelope_pb2.Envelope(
        event_id=clock.new_id(),
        type=message.DESCRIPTOR.full_name,
        action=action,
        producer=PRODUCER,
        aggregate=aggregate,
        aggregate_id=aggregate_id,
        aggregate_version=version,
        occurred_at=timestamp(now),
        actor=cause.actor,
        trace_parent=cause.trace_parent,
        payload=message.SerializeToString(),
    )
