# ruff: noqa: S608 - statements are put together from constants of this module
"""The SQL of provisioning that the organisation and planned changes do not have already."""

from __future__ import annotations

import datetime as dt

from chassis.db import Connection
from services.approvals.provisioning.domain import Account

_LATEST = """
WITH latest AS (
    SELECT DISTINCT ON (staff_id) staff_id, name, kana, login, email, %(day)s < valid_to AS active
    FROM staff WHERE valid_from <= %(day)s AND (staff_id = %(staff_id)s OR %(staff_id)s = '')
    ORDER BY staff_id, valid_from DESC
), found AS (
    SELECT a.staff_id, a.name, a.kana, a.login, a.email, a.active FROM latest AS a
    WHERE (%(login)s = '' OR (
        a.login = %(login)s
        AND (a.active OR NOT EXISTS (SELECT 1 FROM latest AS b WHERE b.login = %(login)s AND b.active))
    )) AND (%(active)s::boolean IS NULL OR a.active = %(active)s)
)
"""
_ACCOUNTS = """
SELECT f.staff_id, f.name, f.kana, f.login, f.email, f.active, coalesce((
    SELECT json_agg(DISTINCT jsonb_build_array(u.unit_id, u.name))
    FROM appointments AS a
    INNER JOIN posts AS p ON p.post_id = a.post_id AND p.valid_from <= %(day)s AND %(day)s < p.valid_to
    INNER JOIN units AS u ON u.unit_id = p.unit_id AND u.valid_from <= %(day)s AND %(day)s < u.valid_to
    WHERE a.staff_id = f.staff_id AND f.active AND a.valid_from <= %(day)s AND %(day)s < a.valid_to
), '[]'::json)
FROM found AS f ORDER BY f.staff_id OFFSET %(offset)s LIMIT %(limit)s
"""


async def list_accounts(
    conn: Connection, day: dt.date, *, staff_id: str, login: str, active: bool | None, offset: int, limit: int
) -> tuple[list[Account], int]:
    """Accounts as of the day, by staff id, and how many there are in all."""
    values = {
        "day": day,
        "staff_id": staff_id,
        "login": login,
        "active": active,
        "offset": offset,
        "limit": limit,
    }
    cursor = await conn.execute(_LATEST + "SELECT count(*) FROM found", values)
    row = await cursor.fetchone()
    cursor = await conn.execute(_LATEST + _ACCOUNTS, values)
    found = [
        Account(number, name, kana, own_login, email, is_active, tuple((unit_id, unit) for unit_id, unit in units))
        for number, name, kana, own_login, email, is_active, units in await cursor.fetchall()
    ]
    return found, row[0] if row is not None else 0


async def find_account(conn: Connection, staff_id: str, day: dt.date) -> Account | None:
    """One account; None for who never was on the staff."""
    found, _ = await list_accounts(conn, day, staff_id=staff_id, login="", active=None, offset=0, limit=1)
    return found[0] if staff_id and found else None
