"""Writes of the city's directory: one function, one transaction each, effective today.

The same wish again changes nothing and announces nothing. Reviewed change sets win: what would make one of them unfit
is refused. Only leaving never is: access ends at once (AC-16).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import psycopg

from chassis import db, outbox, requests
from chassis.db import Connection, Pool
from chassis.errors import DomainError, Kind, not_found
from chassis.requests import Call
from services.approvals import policy
from services.approvals.cases.envelopes import Cause
from services.approvals.changes import commands as change_commands
from services.approvals.changes import domain as changes_domain
from services.approvals.changes import store as changes_store
from services.approvals.changes.domain import Change, ChangeKind, Organisation
from services.approvals.organisation import store as organisation_store
from services.approvals.organisation.envelopes import directory_changed
from services.approvals.provisioning import domain, store
from services.approvals.provisioning.domain import Account, Fields, Membership, MembershipWish
from services.approvals.vendors import store as vendors_store

_ACTIONS = {
    ChangeKind.STAFF_BEGINS: "account.begun",
    ChangeKind.STAFF_CHANGES: "account.changed",
    ChangeKind.STAFF_ENDS: "account.ended",
}


class Done(NamedTuple):
    """The answer, and whether anything changed."""

    answer: bytes
    changed: bool


async def create(
    pool: Pool,
    call: Call,
    staff_id: str,
    fields: Fields,
    roles: Collection[str],
    cause: Cause,
    encode: Callable[[Account], bytes],
    now: dt.datetime,
) -> Done:
    """On the staff from today, without a post. NOT_PERMITTED, INVALID_FIELDS, ACCOUNT_EXISTS also for who left."""
    policy.require_directory_writer(roles)
    change = domain.beginning(staff_id, fields)
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return Done(stored, changed=True)
        before = await change_commands.today_alone(conn, now)
        if await store.find_account(conn, staff_id, now.date()) is not None:
            raise domain.exists("staff_id")
        answer = await _write_account(conn, before, [change], staff_id, cause, encode, now)
        await requests.keep(conn, call, answer)
    return Done(answer, changed=True)


async def change(
    pool: Pool,
    call: Call,
    staff_id: str,
    fields: Fields,
    expected_version: str,
    roles: Collection[str],
    cause: Cause,
    encode: Callable[[Account], bytes],
    now: dt.datetime,
) -> Done:
    """Another login or name, left, or back. NOT_PERMITTED, NOT_FOUND, STALE_VERSION, INVALID_FIELDS, ACCOUNT_EXISTS."""
    policy.require_directory_writer(roles)
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return Done(stored, changed=True)
        before = await change_commands.today_alone(conn, now)
        account = await store.find_account(conn, staff_id, now.date())
        if account is None:
            raise not_found()
        _require_version(account.version, expected_version)
        changes = domain.changing(account, fields)
        answer = await _write_account(conn, before, changes, staff_id, cause, encode, now)
        await requests.keep(conn, call, answer)
    return Done(answer, changed=bool(changes))


async def regroup(
    pool: Pool,
    call: Call,
    unit_id: str,
    wish: MembershipWish,
    expected_version: str,
    roles: Collection[str],
    cause: Cause,
    encode: Callable[[Membership], bytes],
    now: dt.datetime,
) -> Done:
    """Plain memberships of a unit begin and end today.

    NOT_PERMITTED, NOT_FOUND, STALE_VERSION, INVALID_FIELDS, POST_OF_PERSONNEL, NO_PLAIN_POST, PLANNED_OTHERWISE.
    """
    policy.require_directory_writer(roles)
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return Done(stored, changed=True)
        before = await change_commands.today_alone(conn, now)
        if unit_id not in before.units:
            raise not_found()
        _require_version(domain.memberships(before)[unit_id].version, expected_version)
        domain.require_members(wish, before.staff)
        changes = domain.regrouped(before, unit_id, wish)
        made = _made(before, changes)
        await change_commands.require_plans_fit(conn, before, made)
        await _write(conn, before, made, now)
        joined, left = domain.moved(before, changes, unit_id)
        for action, staff_ids in (("membership.begun", joined), ("membership.ended", left)):
            for staff_id in staff_ids:
                await _announce(conn, action, staff_id, cause, now, {"unit_id": unit_id})
        answer = encode(domain.memberships(made)[unit_id])
        await requests.keep(conn, call, answer)
    return Done(answer, changed=bool(changes))


async def _write_account(
    conn: Connection,
    before: Organisation,
    changes: Sequence[Change],
    staff_id: str,
    cause: Cause,
    encode: Callable[[Account], bytes],
    now: dt.datetime,
) -> bytes:
    for one in changes:
        domain.require_free(before, one)
        if await vendors_store.is_vendors(conn, one.login):
            raise domain.exists("login")
        made = _made(before, [one])
        if one.kind is not ChangeKind.STAFF_ENDS:
            await change_commands.require_plans_fit(conn, before, made)
        await _write(conn, before, made, now)
        await _announce(conn, _ACTIONS[one.kind], staff_id, cause, now, {})
    account = await store.find_account(conn, staff_id, now.date())
    if account is None:
        raise RuntimeError("the account that was written is missing")
    return encode(account)


def _made(before: Organisation, changes: Sequence[Change]) -> Organisation:
    made, findings = changes_domain.after(before, changes)
    if findings:
        raise _contradiction(findings[0].problem)
    return made


async def _write(conn: Connection, before: Organisation, made: Organisation, now: dt.datetime) -> None:
    """Rows that end and begin today; what the database sees as a contradiction (a row of a later day) is refused."""
    try:
        async with conn.transaction():
            await changes_store.write(conn, changes_domain.turnovers(before, made), now.date())
    except psycopg.errors.IntegrityError as error:
        raise _contradiction(error.diag.table_name or "") from None


async def _announce(
    conn: Connection, action: str, staff_id: str, cause: Cause, now: dt.datetime, detail: dict[str, str]
) -> None:
    version = await organisation_store.next_directory_version(conn)
    told = {"about": staff_id, "effective_on": now.date().isoformat()} | detail
    await outbox.append(conn, [directory_changed(action, [staff_id], version, cause, told)], ["audit"])


def _contradiction(about: str) -> DomainError:
    return DomainError(Kind.PRECONDITION, "CHANGES_REFUSED", f"does not fit the organisation: {about}")


def _require_version(version: str, expected: str) -> None:
    if expected and expected != version:
        raise DomainError(Kind.CONFLICT, "STALE_VERSION", "it changed since it was read")
