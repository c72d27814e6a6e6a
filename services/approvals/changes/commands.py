"""Writes on planned changes: draft, review, undo, and apply at midnight. One function, one transaction each.

The organisation is written only by `apply_due`, on the day. Until then nobody but those who plan sees it, and undoing
changes no row of it. While a set is due and not yet applied, no act on a case is accepted
(`cases.store`): an act is either by the holder of yesterday, before midnight, or by the holder of the day.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Collection, Sequence

import psycopg

from chassis import clock, db, outbox, requests
from chassis.db import Connection, Pool
from chassis.errors import not_found
from chassis.requests import Call
from services.approvals import policy
from services.approvals.cases.envelopes import ITSELF, Cause, cause_of
from services.approvals.changes import domain, planned, store
from services.approvals.changes.domain import Change, ChangeKind, Finding, Organisation, UnitChange
from services.approvals.changes.planned import ChangeSet
from services.approvals.changes.preview import moves
from services.approvals.notices import commands as notices
from services.approvals.organisation import store as organisation
from services.approvals.organisation.envelopes import directory_changed
from services.approvals.succession import domain as succession
from services.approvals.succession import store as succession_store

log = logging.getLogger(__name__)

Encode = Callable[[ChangeSet], bytes]


async def draft(
    pool: Pool,
    call: Call,
    title: str,
    effective_on: dt.date,
    changes: Sequence[Change],
    author: str,
    roles: Collection[str],
    cause: Cause,
    encode: Encode,
    now: dt.datetime,
) -> bytes:
    """Keep a plan for a day ahead. It may still have findings: they are shown, and refuse the review.

    NOT_PERMITTED, INVALID_FIELDS.
    """
    policy.require_planner(roles)
    planned.require_plan(title, effective_on, changes, now.date())
    made = ChangeSet(clock.new_id(), title.strip(), effective_on, planned.SetState.DRAFT, tuple(changes), author, now)
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        response = encode(made)
        await store.insert(conn, made)
        await _announce(conn, "change_set.drafted", made, cause)
        await requests.keep(conn, call, response)
    return response


async def review(
    pool: Pool,
    call: Call,
    change_set_id: str,
    expected_version: int,
    by: str,
    roles: Collection[str],
    cause: Cause,
    encode: Encode,
    now: dt.datetime,
    records_unit: str = "",
) -> bytes:
    """Another person than the author lets it take effect at midnight of its day. `records_unit`: of `apply_due`.

    NOT_PERMITTED, NOT_FOUND, STALE_VERSION, CHANGE_SET_STATE, OWN_CHANGES, DAY_BEGUN, CHANGES_REFUSED.
    """
    policy.require_reviewer(roles)
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        found = await _locked(conn, change_set_id, expected_version)
        made = planned.reviewed(found, by, await findings_of(conn, found, records_unit), now)
        response = encode(made)
        await store.save(conn, made)
        await _announce(conn, "change_set.reviewed", made, cause)
        await requests.keep(conn, call, response)
    return response


async def undo(
    pool: Pool,
    call: Call,
    change_set_id: str,
    expected_version: int,
    reason: str,
    by: str,
    roles: Collection[str],
    cause: Cause,
    encode: Encode,
    now: dt.datetime,
) -> bytes:
    """Call a plan off, until midnight of its day.

    NOT_PERMITTED, NOT_FOUND, STALE_VERSION, CHANGE_SET_STATE, DAY_BEGUN, COMMENT_REQUIRED.
    """
    policy.require_reviewer(roles)
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        made = planned.undone(await _locked(conn, change_set_id, expected_version), by, reason, now)
        response = encode(made)
        await store.save(conn, made)
        await _announce(conn, "change_set.undone", made, cause)
        await requests.keep(conn, call, response)
    return response


async def apply_due(pool: Pool, now: dt.datetime, records_unit: str = "") -> list[ChangeSet]:
    """Apply every set whose day has begun, in order, each in one transaction; returns those that this call closed.

    Runs in every replica: the set's row is locked, so each is applied once. After downtime it catches up, and the rows
    still begin on the day they were planned for. A set that no longer fits the organisation is refused with its findings:
    nothing of it is written, the organisation stays as it is until somebody plans anew, and who planned it is told. What a unit that ends without
    a successor owned goes to `records_unit`, or to what took over from that one (RT-10).
    """
    closed: list[ChangeSet] = []
    async with db.connection(pool) as conn:
        due = [found.change_set_id for found in await store.reviewed_until(conn, now.date())]
    for change_set_id in due:
        async with db.transaction(pool) as conn:
            found = await store.find(conn, change_set_id, lock=True)
            # Another replica was first, or it was undone at the last moment.
            if found is None or found.state is not planned.SetState.REVIEWED:
                continue
            closed.append(await _apply(conn, found, now, records_unit))
    return closed


async def _apply(conn: Connection, found: ChangeSet, now: dt.datetime, records_unit: str) -> ChangeSet:
    before = await store.organisation_on(conn, found.effective_on)
    made, findings = domain.after(before, found.changes)
    findings = domain.still_wrong(before, found.changes, findings)
    heirs = domain.successors(found.changes, await records_office(conn, found, made, records_unit))
    if not findings:
        findings = await _written(conn, found, before, made, heirs)
    over = planned.closed(found, findings, now)
    await store.save(conn, over)
    if findings:
        await notices.tell_planners(conn, [over.author, over.reviewed_by], over.change_set_id, now)
    staff = [] if findings else [move.staff_id for move in moves(before, made)]
    action = "change_set.refused" if findings else "change_set.applied"
    units = [] if findings else domain.unit_changes(before, made, found.changes, heirs)
    await _announce(conn, action, over, cause_of(ITSELF), staff, units)
    log.info("change set", extra={"change_set_id": over.change_set_id, "state": over.state, "findings": len(findings)})
    return over


async def _written(
    conn: Connection,
    found: ChangeSet,
    before: Organisation,
    made: Organisation,
    heirs: Sequence[tuple[str, str, str]] = (),
) -> list[Finding]:
    """Write the rows; when the database sees a contradiction, nothing is written and it is a finding."""
    try:
        async with conn.transaction():
            await store.write(conn, domain.turnovers(before, made), found.effective_on)
            split = [one.unit_id for one in found.changes if one.kind is ChangeKind.UNIT_SHARES]
            await store.insert_successors(conn, heirs, split, found.effective_on, found.change_set_id)
    except psycopg.errors.IntegrityError as error:
        return [Finding(0, "CONTRADICTS", error.diag.table_name or "")]
    return []


async def before_of(conn: Connection, found: ChangeSet) -> Organisation:
    """The organisation that the set will meet: of its day, with the reviewed sets that come before it."""
    return await projected(conn, found.effective_on, found.change_set_id)


async def projected(conn: Connection, day: dt.date, without: str = "") -> Organisation:
    """The organisation of a day as planned: what the tables say, with every reviewed set of that day or earlier."""
    organisation_then = await store.organisation_on(conn, day)
    for earlier in await store.reviewed_until(conn, day):
        if earlier.change_set_id == without:
            break
        organisation_then, _ = domain.after(organisation_then, earlier.changes)
    return organisation_then


async def records_office(conn: Connection, found: ChangeSet, made: Organisation, named: str) -> str:
    """The unit that the set leaves as records office: the named one, or what took over from it. "" for none (RT-10)."""
    if named in made.units:
        return named
    follows = await succession_store.successors_on(conn, "unit", found.effective_on)
    follows |= {old: new for kind, old, new in domain.successors(found.changes) if kind == "unit"}
    return succession.heir(named, follows, made.units) or ""


async def findings_of(conn: Connection, found: ChangeSet, records_unit: str = "") -> list[Finding]:
    """What refuses the review: what would refuse the set at midnight if the organisation stayed as it is now, and
    things that nobody would own (RT-10), which do not hold the whole reshuffle up at midnight.

    The rules first; then the database itself, which writes the rows and takes them back. Needs a transaction.
    """
    before = await before_of(conn, found)
    made, findings = domain.after(before, found.changes)
    if found.state is planned.SetState.REVIEWED:
        findings = domain.still_wrong(before, found.changes, findings)
    findings += domain.unowned(found.changes, await records_office(conn, found, made, records_unit))
    if findings:
        return findings
    async with conn.transaction(force_rollback=True):
        for earlier in await store.reviewed_until(conn, found.effective_on):
            if earlier.change_set_id == found.change_set_id:
                break
            then = await store.organisation_on(conn, earlier.effective_on)
            await _written(conn, earlier, then, domain.after(then, earlier.changes)[0])
        return await _written(conn, found, before, made)


async def _locked(conn: Connection, change_set_id: str, expected_version: int) -> ChangeSet:
    found = await store.find(conn, change_set_id, lock=True)
    if found is None:
        raise not_found()
    policy.require_version(found.version, expected_version)
    return found


async def _announce(
    conn: Connection,
    action: str,
    about: ChangeSet,
    cause: Cause,
    staff_ids: Sequence[str] = (),
    units: Sequence[UnitChange] = (),
) -> None:
    """One event of the directory: which set, for which day; of what is in it only the units, which documents follows."""
    version = await organisation.next_directory_version(conn)
    day = about.effective_on.isoformat()
    detail = {"about": about.change_set_id, "effective_on": day}
    told = directory_changed(action, staff_ids, version, cause, detail, effective_on=day, units=units)
    await outbox.append(conn, [told], ["audit", "documents"] if units else ["audit"])
