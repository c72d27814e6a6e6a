# ruff: noqa: S608 - statements are put together from constants of this module
"""All SQL about accounts of vendors and their windows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from chassis.db import Connection
from services.approvals.vendors.domain import Vendor, Window

# Held alone by who registers an account, shared by who writes a login of the staff (migration 0019).
LOGINS = 39433
LATEST = 20
_VENDOR = "vendor_id, login, full_name, company, registered_by, registered_at"
_WINDOW = (
    "window_id::text, vendor_id, opens_at, closes_at, reason, ticket, requested_by, requested_at, confirmed_by,"
    " confirmed_at, ended_by, ended_at, version"
)


async def find_open(conn: Connection, login: str, now: dt.datetime) -> tuple[Vendor, dt.datetime] | None:
    """The vendor whose login it is, and until when, while a window of theirs is open; None otherwise."""
    columns = ", ".join(f"v.{name}" for name in _VENDOR.split(", "))
    cursor = await conn.execute(
        f"SELECT {columns}, w.closes_at FROM vendors AS v INNER JOIN maintenance_windows AS w ON w.vendor_id = v.vendor_id"
        " WHERE v.login = %(login)s AND w.confirmed_at IS NOT NULL AND w.ended_at IS NULL"
        " AND w.opens_at <= %(now)s AND %(now)s < w.closes_at",
        {"login": login, "now": now},
    )
    row = await cursor.fetchone()
    return None if row is None else (Vendor(*row[:-1]), row[-1])


async def list_vendors(conn: Connection) -> list[Vendor]:
    """All accounts, by id."""
    cursor = await conn.execute(f"SELECT {_VENDOR} FROM vendors ORDER BY vendor_id")
    return [Vendor(*row) for row in await cursor.fetchall()]


async def list_windows(conn: Connection) -> list[Window]:
    """The latest windows of every account, the latest first."""
    cursor = await conn.execute(
        f"SELECT {_WINDOW} FROM maintenance_windows WHERE window_id IN (SELECT w.window_id FROM (SELECT window_id,"
        " row_number() OVER (PARTITION BY vendor_id ORDER BY opens_at DESC, window_id) AS place FROM maintenance_windows)"
        " AS w WHERE w.place <= %s) ORDER BY opens_at DESC, window_id",
        (LATEST,),
    )
    return [Window(*row) for row in await cursor.fetchall()]


async def login_is_taken(conn: Connection, login: str, day: dt.date) -> bool:
    """Whether the login is a vendor's, or somebody's of the staff on the day or later. Holds all logins until the commit."""
    await conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOGINS,))
    cursor = await conn.execute(
        "SELECT 1 FROM vendors WHERE login = %(login)s"
        " UNION ALL SELECT 1 FROM staff WHERE login = %(login)s AND %(day)s < valid_to LIMIT 1",
        {"login": login, "day": day},
    )
    return await cursor.fetchone() is not None


async def is_vendors(conn: Connection, login: str) -> bool:
    """Whether the login is a vendor's."""
    cursor = await conn.execute("SELECT 1 FROM vendors WHERE login = %s", (login,))
    return await cursor.fetchone() is not None


async def names(conn: Connection, vendor_ids: Sequence[str]) -> dict[str, str]:
    """How those of the ids that are vendors are called: name and company."""
    cursor = await conn.execute(
        "SELECT vendor_id, full_name || '（' || company || '）' FROM vendors WHERE vendor_id = ANY(%s)",
        (list(vendor_ids),),
    )
    return dict(await cursor.fetchall())


async def insert_vendor(conn: Connection, vendor: Vendor) -> bool:
    """A new account; False when there is one with this id."""
    cursor = await conn.execute(
        f"INSERT INTO vendors ({_VENDOR}) VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (vendor_id) DO NOTHING",
        tuple(vars(vendor).values()),
    )
    return cursor.rowcount == 1


async def exists(conn: Connection, vendor_id: str) -> bool:
    """Whether there is such an account."""
    cursor = await conn.execute("SELECT 1 FROM vendors WHERE vendor_id = %s", (vendor_id,))
    return await cursor.fetchone() is not None


async def windows_of(conn: Connection, vendor_id: str) -> list[Window]:
    """Every window of an account."""
    cursor = await conn.execute(f"SELECT {_WINDOW} FROM maintenance_windows WHERE vendor_id = %s", (vendor_id,))
    return [Window(*row) for row in await cursor.fetchall()]


async def insert_window(conn: Connection, window: Window) -> None:
    """As asked for."""
    values: dict[str, Any] = vars(window)
    await conn.execute(
        "INSERT INTO maintenance_windows (window_id, vendor_id, opens_at, closes_at, reason, ticket, requested_by,"
        " requested_at, version) VALUES (%(window_id)s, %(vendor_id)s, %(opens_at)s, %(closes_at)s, %(reason)s, %(ticket)s,"
        " %(requested_by)s, %(requested_at)s, %(version)s)",
        values,
    )


async def lock_window(conn: Connection, window_id: str) -> Window | None:
    """One window, locked until the commit."""
    cursor = await conn.execute(
        f"SELECT {_WINDOW} FROM maintenance_windows WHERE window_id = %s FOR UPDATE", (window_id,)
    )
    row = await cursor.fetchone()
    return None if row is None else Window(*row)


async def lock_run_out(conn: Connection, now: dt.datetime) -> list[Window]:
    """Windows whose time is up and whose end nobody has noted; what another replica is at is left to it."""
    cursor = await conn.execute(
        f"SELECT {_WINDOW} FROM maintenance_windows WHERE ended_at IS NULL AND closes_at <= %s"
        " ORDER BY closes_at, window_id FOR UPDATE SKIP LOCKED",
        (now,),
    )
    return [Window(*row) for row in await cursor.fetchall()]


async def save_window(conn: Connection, window: Window) -> None:
    """Where its life has come to; what was asked for never changes but for an earlier end."""
    values: dict[str, Any] = vars(window)
    await conn.execute(
        "UPDATE maintenance_windows SET closes_at = %(closes_at)s, confirmed_by = %(confirmed_by)s,"
        " confirmed_at = %(confirmed_at)s, ended_by = %(ended_by)s, ended_at = %(ended_at)s, version = %(version)s"
        " WHERE window_id = %(window_id)s",
        values,
    )
