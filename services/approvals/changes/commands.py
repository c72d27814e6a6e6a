"""Writes on planned changes: draft, review, undo, and apply at midnight. One function, one transaction each.

A set of a day ahead is written by `apply_due`, on the day; one of today or earlier by its `review`. Until then nobody but
those who plan sees it, and undoing changes no row of it. While a set is due and not yet applied, no act on a case is accepted
(`cases.store`): an act is either by the holder of yesterday, before midnight, or by the holder of the day. What is entered
late changes rows of the organisation and nothing else: no act, no record, no document (AC-06).
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Collection, Sequence

import psycopg

from chassis import clock, db, outbox, requests
from chassis.db import Connection, Pool
from chassis.errors import DomainError, Kind, not_found
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
    late_reason: str,
    author: str,
    roles: Collection[str],
    cause: Cause,
    encode: Encode,
    now: dt.datetime,
) -> bytes:
    """Keep a plan for a day ahead or, of people and posts, for today or an earlier day with the reason.

    It may still have findings: they are shown, and refuse the review. NOT_PERMITTED, INVALID_FIELDS.
    """
    policy.require_planner(roles)
    planned.require_plan(title, effective_on, changes, late_reason, now.date())
    made = ChangeSet(
        clock.new_id(),
        title.strip(),
        effective_on,
        planned.SetState.DRAFT,
        tuple(changes),
        author,
        now,
        late_reason=late_reason.strip(),
    )
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
    """Another person than the author lets it take effect: at midnight of its day, or now when that has begun.

    NOT_PERMITTED, NOT_FOUND, STALE_VERSION, CHANGE_SET_STATE, OWN_CHANGES, DAY_BEGUN, CHANGES_REFUSED; of one that takes
    effect now also REORGANISING and PLANNED_OTHERWISE. `records_unit`: of `apply_due`.
    """
    policy.require_reviewer(roles)
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        found = await _locked(conn, change_set_id, expected_version)
        at_once = found.effective_on <= now.date()
        before = await today_alone(conn, now) if at_once else Organisation()
        made = planned.reviewed(found, by, await findings_of(conn, found, records_unit), now)
        await store.save(conn, made)
        await _announce(conn, "change_set.reviewed", made, cause)
        if at_once:
            made = await _apply(conn, made, now, records_unit, cause)
            # Whoever leaves, leaves: access ends at once (AC-16).
            if not any(change.kind is ChangeKind.STAFF_ENDS for change in made.changes):
                await require_plans_fit(conn, before, await store.organisation_on(conn, now.date()))
        response = encode(made)
        await requests.keep(conn, call, response)
    return response


async def today_alone(conn: Connection, now: dt.datetime) -> Organisation:
    """The organisation of today, which nobody else changes until the commit. UNAVAILABLE REORGANISING."""
    await store.lock(conn)
    if await store.reviewed_until(conn, now.date()):
        raise DomainError(Kind.UNAVAILABLE, "REORGANISING", "a change set of today is being applied")
    return await store.organisation_on(conn, now.date())


async def require_plans_fit(conn: Connection, before: Organisation, made: Organisation) -> None:
    """Each reviewed set ahead fits as well as it did. PRECONDITION PLANNED_OTHERWISE."""
    for ahead in await store.reviewed_until(conn, dt.date.max):
        before, known = domain.after(before, ahead.changes)
        made, findings = domain.after(made, ahead.changes)
        if set(findings) - set(known):
            raise DomainError(
                Kind.PRECONDITION,
                "PLANNED_OTHERWISE",
                "a reviewed change set would no longer fit",
                metadata={"change_set_id": ahead.change_set_id},
            )


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
    nothing of it is written, the organisation stays as it is until somebody plans anew, and who planned it is told. What a
    unit that ends without a successor owned goes to `records_unit`, or to what took over from that one (RT-10).
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
            closed.append(await _apply(conn, found, now, records_unit, cause_of(ITSELF)))
    return closed


async def _apply(conn: Connection, found: ChangeSet, now: dt.datetime, records_unit: str, cause: Cause) -> ChangeSet:
    before = await store.organisation_on(conn, found.effective_on)
    made, findings = domain.after(before, found.changes)
    findings = domain.still_wrong(before, found.changes, findings)
    heirs = await _heirs(conn, found, made, records_unit)
    if not findings:
        findings = await _written(conn, found, before, made, heirs)
    over = planned.closed(found, findings, now)
    await store.save(conn, over)
    if findings:
        await notices.tell_planners(conn, [over.author, over.reviewed_by], over.change_set_id, now)
    staff = [] if findings else [move.staff_id for move in moves(before, made)]
    action = "change_set.refused" if findings else "change_set.applied"
    units = [] if findings else domain.unit_changes(before, made, found.changes, heirs)
    await _announce(conn, action, over, cause, staff, units)
    log.info("change set", extra={"change_set_id": over.change_set_id, "state": over.state, "findings": len(findings)})
    return over


async def _heirs(
    conn: Connection, found: ChangeSet, made: Organisation, records_unit: str
) -> list[tuple[str, str, str]]:
    """What follows what, at last the records office."""
    return domain.successors(found.changes, await records_office(conn, found, made, records_unit))


async def _written(
    conn: Connection,
    found: ChangeSet,
    before: Organisation,
    made: Organisation,
    heirs: Sequence[tuple[str, str, str]],
) -> list[Finding]:
    """Write the rows; when the database or a later day sees a contradiction, nothing is written and it is a finding."""
    findings: list[Finding] = []
    try:
        async with conn.transaction() as savepoint:
            known = await _wrong_later(conn, found.effective_on)
            await store.write(conn, domain.turnovers(before, made), found.effective_on)
            split = [one.unit_id for one in found.changes if one.kind is ChangeKind.UNIT_SHARES]
            await store.insert_successors(conn, heirs, split, found.effective_on, found.change_set_id)
            findings = [
                Finding(0, "CONTRADICTS", f"{day.isoformat()} {one.about}")
                for one, day in (await _wrong_later(conn, found.effective_on)).items()
                if day < known.get(one, dt.date.max)
            ]
            if findings:
                raise psycopg.Rollback(savepoint)
    except psycopg.errors.IntegrityError as error:
        return [Finding(0, "CONTRADICTS", error.diag.table_name or "")]
    return findings


async def _wrong_later(conn: Connection, day: dt.date) -> dict[Finding, dt.date]:
    """What does not fit together on a later day on which something else begins or ends, and on which first."""
    found: dict[Finding, dt.date] = {}
    for later in await store.days_after(conn, day):
        _, findings = domain.after(await store.organisation_on(conn, later), ())
        found |= {one: later for one in findings if one not in found}
    return found


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
    """What refuses the review: what would refuse the set on its day if the organisation stayed as it is now, and
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
            after, _ = domain.after(then, earlier.changes)
            await _written(conn, earlier, then, after, await _heirs(conn, earlier, after, records_unit))
        return await _written(conn, found, before, made, await _heirs(conn, found, made, records_unit))


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
