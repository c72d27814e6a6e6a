"""Writes on accounts of vendors and their windows (AC-09): one function, one transaction each.

Each is announced (DirectoryChanged), so that the log tells who let whom in, when and until when, and the gateway forgets
at once what it remembers. The reason given stays here; the log has the ticket.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping

from chassis import db, outbox, requests
from chassis.db import Connection, Pool
from chassis.errors import DomainError, FieldViolation, Kind, not_found
from chassis.requests import Call
from services.approvals import policy
from services.approvals.cases.envelopes import ITSELF, Cause, cause_of
from services.approvals.organisation import store as organisation
from services.approvals.organisation.envelopes import directory_changed
from services.approvals.vendors import domain, store
from services.approvals.vendors.domain import Vendor, Window

Encode = Callable[[Window], bytes]


async def register(
    pool: Pool, call: Call, vendor: Vendor, roles: Collection[str], cause: Cause, encode: Callable[[Vendor], bytes]
) -> bytes:
    """An account that stays shut. NOT_PERMITTED; ACCOUNT_EXISTS for an id or a login that is somebody's."""
    policy.require_administrator(roles)
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        if await store.login_is_taken(conn, vendor.login, vendor.registered_at.date()):
            raise _exists("login")
        if not await store.insert_vendor(conn, vendor):
            raise _exists("number")
        version = await organisation.next_directory_version(conn)
        await _announce(conn, "vendor.registered", vendor.vendor_id, version, cause, {"about": vendor.vendor_id})
        response = encode(vendor)
        await requests.keep(conn, call, response)
    return response


async def request(
    pool: Pool,
    call: Call,
    window: Window,
    longest: dt.timedelta,
    roles: Collection[str],
    cause: Cause,
    encode: Encode,
    now: dt.datetime,
) -> bytes:
    """保守時間枠, asked for by an administrator. NOT_PERMITTED, NOT_FOUND, INVALID_FIELDS."""
    policy.require_administrator(roles)
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        # One at a time, so that two cannot pass the check together.
        version = await organisation.next_directory_version(conn)
        if not await store.exists(conn, window.vendor_id):
            raise not_found()
        made = domain.requested(window, await store.windows_of(conn, window.vendor_id), longest, now)
        await store.insert_window(conn, made)
        await _tell(conn, "maintenance.requested", made, version, cause)
        response = encode(made)
        await requests.keep(conn, call, response)
    return response


async def confirm(
    pool: Pool,
    call: Call,
    window_id: str,
    expected_version: int,
    by: str,
    roles: Collection[str],
    cause: Cause,
    encode: Encode,
    now: dt.datetime,
) -> bytes:
    """Another person lets it open. NOT_PERMITTED, NOT_FOUND, STALE_VERSION, OWN_WINDOW, WINDOW_STATE."""
    policy.require_reviewer(roles)

    def change(window: Window) -> Window:
        return domain.confirmed(window, by, now)

    return await _change(pool, call, window_id, expected_version, "maintenance.confirmed", change, cause, encode)


async def end(
    pool: Pool,
    call: Call,
    window_id: str,
    expected_version: int,
    by: str,
    roles: Collection[str],
    cause: Cause,
    encode: Encode,
    now: dt.datetime,
) -> bytes:
    """It ends now, or is called off. NOT_PERMITTED, NOT_FOUND, STALE_VERSION, WINDOW_STATE."""
    policy.require_reviewer(roles)

    def change(window: Window) -> Window:
        return domain.ended(window, by, now)

    return await _change(pool, call, window_id, expected_version, "maintenance.ended", change, cause, encode)


async def note_ends(pool: Pool, now: dt.datetime) -> int:
    """Windows whose time is up stand in the log as ended; returns how many. They were shut before, by the clock."""
    async with db.transaction(pool) as conn:
        over = await store.lock_run_out(conn, now)
        for window in over:
            made = domain.run_out(window, ITSELF.staff_id, now)
            await store.save_window(conn, made)
            version = await organisation.next_directory_version(conn)
            await _tell(conn, "maintenance.ended", made, version, cause_of(ITSELF))
    return len(over)


async def _change(
    pool: Pool,
    call: Call,
    window_id: str,
    expected_version: int,
    action: str,
    change: Callable[[Window], Window],
    cause: Cause,
    encode: Encode,
) -> bytes:
    """One change of a window that stands, announced."""
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        found = await store.lock_window(conn, window_id)
        if found is None:
            raise not_found()
        policy.require_version(found.version, expected_version)
        made = change(found)
        await store.save_window(conn, made)
        await _tell(conn, action, made, await organisation.next_directory_version(conn), cause)
        response = encode(made)
        await requests.keep(conn, call, response)
    return response


async def _tell(conn: Connection, action: str, window: Window, version: int, cause: Cause) -> None:
    detail = {
        "about": window.window_id,
        "staff_id": window.vendor_id,
        "from": window.opens_at.isoformat(),
        "to": window.closes_at.isoformat(),
        "ticket": window.ticket,
    }
    await _announce(conn, action, window.vendor_id, version, cause, detail)


async def _announce(
    conn: Connection, action: str, vendor_id: str, version: int, cause: Cause, detail: Mapping[str, str]
) -> None:
    await outbox.append(conn, [directory_changed(action, [vendor_id], version, cause, detail)], ["audit"])


def _exists(name: str) -> DomainError:
    return DomainError(
        Kind.EXISTS, "ACCOUNT_EXISTS", f"another account has this {name}", [FieldViolation(name, "EXISTS_ALREADY")]
    )
