# ruff: noqa: S608 - statements are put together from constants of this module
"""SQL of 緊急閲覧. What it lets see is a row of `viewers`, so that visible_to stays the one answer."""

from __future__ import annotations

import datetime as dt
from typing import Any

from chassis.db import Connection
from services.documents import textrules
from services.documents.breakglass.domain import BreakGlass, Found
from services.documents.domain import BREAK_GLASS

LATEST = 100
_COLUMNS = (
    "b.break_glass_id::text, b.named, b.reason, b.hours, b.requested_by, b.requested_as, b.requested_at, b.ends_at,"
    " b.consented_by, b.consented_as, b.consented_at, coalesce(b.document_id::text, ''), b.ended_by, b.ended_at, b.version"
)
_FOUND = "SELECT d.document_id::text, d.draft_number, d.unit_id FROM documents AS d"


async def latest(conn: Connection) -> list[BreakGlass]:
    """The latest first."""
    cursor = await conn.execute(
        f"SELECT {_COLUMNS} FROM break_glass AS b ORDER BY b.requested_at DESC, b.break_glass_id LIMIT %s", (LATEST,)
    )
    return [BreakGlass(*row) for row in await cursor.fetchall()]


async def of_unit(conn: Connection, unit_id: str) -> list[BreakGlass]:
    """Those that are or were open to a document that is the unit's now, the latest first."""
    cursor = await conn.execute(
        f"SELECT {_COLUMNS} FROM break_glass AS b INNER JOIN documents AS d ON d.document_id = b.document_id"
        " WHERE d.unit_id = %s ORDER BY b.requested_at DESC, b.break_glass_id LIMIT %s",
        (unit_id, LATEST),
    )
    return [BreakGlass(*row) for row in await cursor.fetchall()]


async def insert(conn: Connection, request: BreakGlass) -> None:
    """As asked for."""
    values: dict[str, Any] = vars(request)
    await conn.execute(
        "INSERT INTO break_glass (break_glass_id, named, reason, hours, requested_by, requested_as, requested_at, ends_at,"
        " version) VALUES (%(break_glass_id)s, %(named)s, %(reason)s, %(hours)s, %(requested_by)s, %(requested_as)s,"
        " %(requested_at)s, %(ends_at)s, %(version)s)",
        values,
    )


async def lock(conn: Connection, break_glass_id: str) -> BreakGlass | None:
    """One, locked until the commit."""
    cursor = await conn.execute(
        f"SELECT {_COLUMNS} FROM break_glass AS b WHERE b.break_glass_id = %s FOR UPDATE", (break_glass_id,)
    )
    row = await cursor.fetchone()
    return None if row is None else BreakGlass(*row)


async def lock_run_out(conn: Connection, now: dt.datetime) -> list[BreakGlass]:
    """Whose time is up and whose end nobody has noted; what another replica is at is left to it."""
    cursor = await conn.execute(
        f"SELECT {_COLUMNS} FROM break_glass AS b WHERE b.ended_at IS NULL AND b.ends_at <= %s"
        " ORDER BY b.ends_at, b.break_glass_id FOR UPDATE SKIP LOCKED",
        (now,),
    )
    return [BreakGlass(*row) for row in await cursor.fetchall()]


async def save(conn: Connection, request: BreakGlass) -> None:
    """Where its life has come to; what was asked for never changes."""
    values: dict[str, Any] = vars(request)
    await conn.execute(
        "UPDATE break_glass SET consented_by = %(consented_by)s, consented_as = %(consented_as)s,"
        " consented_at = %(consented_at)s, document_id = nullif(%(document_id)s, '')::uuid, ends_at = %(ends_at)s,"
        " ended_by = %(ended_by)s, ended_at = %(ended_at)s, version = %(version)s"
        " WHERE break_glass_id = %(break_glass_id)s",
        values,
    )


async def find(conn: Connection, named: str) -> Found:
    """The one document of this id, 起案番号 or 文書番号; an empty answer for none."""
    if textrules.is_uuid(named):
        cursor = await conn.execute(f"{_FOUND} WHERE d.document_id = %s", (named,))
    else:
        cursor = await conn.execute(
            f"{_FOUND} WHERE d.draft_number = %(named)s OR d.dispatch_number = %(named)s"
            " ORDER BY d.draft_number = %(named)s DESC, d.document_id LIMIT 1",
            {"named": named},
        )
    row = await cursor.fetchone()
    return Found() if row is None else Found(*row)


async def versioned(conn: Connection, document_id: str) -> tuple[Found, int] | None:
    """The document that was opened and its version; None for none, and for a draft deleted since."""
    cursor = await conn.execute(
        "SELECT d.document_id::text, d.draft_number, d.unit_id, d.version FROM documents AS d"
        " WHERE d.document_id = nullif(%s, '')::uuid",
        (document_id,),
    )
    row = await cursor.fetchone()
    return None if row is None else (Found(*row[:3]), row[3])


async def grant(conn: Connection, request: BreakGlass) -> None:
    """Shown to the one person for the span."""
    await conn.execute(
        "INSERT INTO viewers (document_id, principal, reason, valid_from, valid_to)"
        " VALUES (%s, %s, %s, least(%s, now()), %s)",
        (request.document_id, request.principal, BREAK_GLASS, request.consented_at, request.ends_at),
    )


async def end(conn: Connection, request: BreakGlass) -> None:
    """Shown no more from now on. Where the span is over already nothing is left to end."""
    await conn.execute(
        "UPDATE viewers SET valid_to = now() WHERE document_id = nullif(%s, '')::uuid AND principal = %s AND reason = %s"
        " AND valid_to = %s AND valid_to > now()",
        (request.document_id, request.principal, BREAK_GLASS, request.ends_at),
    )


async def until(conn: Connection, document_id: str, staff_id: str) -> dt.datetime | None:
    """When the last of a person's spans on a document ends."""
    cursor = await conn.execute(
        "SELECT max(v.valid_to) FROM viewers AS v WHERE v.document_id = %s AND v.principal = %s AND v.reason = %s",
        (document_id, f"staff:{staff_id}", BREAK_GLASS),
    )
    row = await cursor.fetchone()
    return None if row is None else row[0]
