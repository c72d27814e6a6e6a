"""Writes on the organisation made by people: absences. Loading files is `load`.

Each change is announced (DirectoryChanged), so that cached principals are dropped.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence

from chassis import clock, db, outbox, requests
from chassis.db import Connection, Pool
from chassis.errors import DomainError, FieldViolation, Kind, invalid, not_found
from chassis.requests import Call
from services.approvals import policy
from services.approvals.cases.envelopes import Cause
from services.approvals.members import domain as members
from services.approvals.organisation import store
from services.approvals.organisation.domain import Absence, AbsenceReason, ended
from services.approvals.organisation.envelopes import directory_changed, span
from services.approvals.policy import Reader, Registrar

# Longer ones are a mistake in the year.
MAX_ABSENCE = dt.timedelta(days=731)

Encode = Callable[[Absence], bytes]


async def register_absence(
    pool: Pool,
    call: Call,
    absence: Absence,
    reader: Reader,
    roles: Collection[str],
    cause: Cause,
    encode: Encode,
    now: dt.datetime,
) -> bytes:
    """不在登録 (AP-14): from now on routes pass the person over (AP-15); steps already waiting are not touched.

    INVALID_FIELDS for an empty, past, overlong or overlapping span; NOT_PERMITTED; NOT_FOUND for no such person.
    """
    _require_span(absence, now)
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        if not await store.staff_names(conn, [absence.staff_id]):
            raise not_found()
        units = {post.unit_id for post in await store.held_posts(conn, absence.staff_id, now.date())}
        above = await superiors(conn, units, now)
        by = policy.require_registrar(reader, roles, absence.staff_id, units, above)
        # One at a time, so that two overlapping ones cannot pass the check together.
        version = await store.next_directory_version(conn)
        if await store.overlaps(conn, absence.staff_id, absence.from_at, absence.to_at):
            raise invalid(FieldViolation("from", "OVERLAPS"))
        response = encode(absence)
        await store.insert_absence(conn, absence, now)
        await announce(conn, "absence.registered", [absence.staff_id], version, cause, absence, by)
        await requests.keep(conn, call, response)
    return response


async def end_absence(
    pool: Pool,
    call: Call,
    absence_id: str,
    reader: Reader,
    roles: Collection[str],
    cause: Cause,
    encode: Encode,
    now: dt.datetime,
) -> bytes:
    """The absence ends now; one that has not begun is called off. NOT_FOUND also for one that is over, NOT_PERMITTED."""
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        absence = await store.lock_absence(conn, absence_id)
        if absence is None or absence.to_at <= now:
            raise not_found()
        units = {post.unit_id for post in await store.held_posts(conn, absence.staff_id, now.date())}
        above = await superiors(conn, units, now)
        by = policy.require_registrar(reader, roles, absence.staff_id, units, above)
        over = ended(absence, now)
        response = encode(over)
        await store.set_absence_end(conn, absence_id, over.to_at)
        version = await store.next_directory_version(conn)
        await announce(conn, "absence.ended", [absence.staff_id], version, cause, over, by)
        await requests.keep(conn, call, response)
    return response


async def announce(
    conn: Connection,
    action: str,
    staff_ids: Sequence[str],
    version: int,
    cause: Cause,
    about: Absence | None = None,
    by: Registrar | None = None,
) -> None:
    """DirectoryChanged in the caller's transaction. `version` comes from the locked counter."""
    detail = span(about, by) if about and by else {}
    await outbox.append(conn, [directory_changed(action, staff_ids, version, cause, detail)], ["audit"])


async def superiors(conn: Connection, units: Collection[str], now: dt.datetime) -> frozenset[str]:
    """Who heads one of these units or one above it today, as staff ids."""
    lines = [await store.line_of(conn, unit_id, now.date(), now) for unit_id in sorted(units)]
    return frozenset(who for line, seats in lines for who in members.superiors(line, seats))


def _require_span(absence: Absence, now: dt.datetime) -> None:
    problems: list[FieldViolation] = []
    if absence.to_at <= absence.from_at:
        problems.append(FieldViolation("to", "NOT_AFTER_FROM"))
    elif absence.to_at <= now:
        problems.append(FieldViolation("to", "PAST"))
    elif absence.to_at - absence.from_at > MAX_ABSENCE:
        problems.append(FieldViolation("to", "TOO_LONG"))
    if problems:
        raise invalid(*problems)


def new_absence(
    staff_id: str, from_at: dt.datetime, to_at: dt.datetime, reason_code: str, registered_by: str
) -> Absence:
    """An absence with a fresh id. INVALID_FIELDS for an unknown reason."""
    try:
        reason = AbsenceReason(reason_code)
    except ValueError:
        raise DomainError(
            Kind.INVALID, "INVALID_FIELDS", "unknown reason", [FieldViolation("reason_code", "UNKNOWN")]
        ) from None
    return Absence(clock.new_id(), staff_id, from_at, to_at, reason, registered_by)
