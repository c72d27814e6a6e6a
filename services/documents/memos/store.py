# ruff: noqa: S608 - statements are put together from constants of this module
"""SQL of 付箋. Every statement but the one that ends them is about one person's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chassis import clock
from chassis.db import Connection
from services.documents.domain import State
from services.documents.memos.domain import ON_ROUTE, Memo
from services.documents.store import LIVE, VISIBLE

_COLUMNS = "m.memo_id::text, m.document_id::text, m.staff_id, m.through, m.sealed, m.version, m.saved_at"
_THROUGH = (
    "coalesce((SELECT v.principal FROM viewers AS v WHERE v.document_id = %(document_id)s"
    f" AND v.principal = ANY(%(principals)s) AND v.reason = ANY(%(on_route)s) AND {LIVE}"
    " ORDER BY v.principal DESC LIMIT 1), '')"
)


async def read(
    conn: Connection, document_id: str, staff_id: str, principals: Sequence[str]
) -> tuple[Memo | None, bytes, bool] | None:
    """(the memo, the wrapped key of the document, whether one may be stuck now); None where the document is hidden."""
    cursor = await conn.execute(
        f"SELECT k.wrapped, d.state = %(circulating)s AND {_THROUGH} <> '', {_COLUMNS} FROM documents AS d"
        " INNER JOIN document_keys AS k ON k.document_id = d.document_id"
        " LEFT JOIN memos AS m ON m.document_id = d.document_id AND m.staff_id = %(staff_id)s"
        f" WHERE d.document_id = %(document_id)s AND {VISIBLE}",
        {
            "document_id": document_id,
            "staff_id": staff_id,
            "principals": list(principals),
            "on_route": list(ON_ROUTE),
            "circulating": int(State.CIRCULATING),
        },
    )
    row = await cursor.fetchone()
    return None if row is None else (_memo(row[2:]) if row[2] else None, bytes(row[0]), bool(row[1]))


async def through(conn: Connection, document_id: str, principals: Sequence[str]) -> str:
    """The principal through which somebody is on the route now, rather their own than a post's; "" when they are not."""
    cursor = await conn.execute(
        f"SELECT {_THROUGH}",
        {"document_id": document_id, "principals": list(principals), "on_route": list(ON_ROUTE)},
    )
    row = await cursor.fetchone()
    return str(row[0]) if row is not None else ""


async def find(conn: Connection, document_id: str, staff_id: str) -> Memo | None:
    """The person's own."""
    cursor = await conn.execute(
        f"SELECT {_COLUMNS} FROM memos AS m WHERE m.document_id = %s AND m.staff_id = %s", (document_id, staff_id)
    )
    row = await cursor.fetchone()
    return None if row is None else _memo(row)


async def put(conn: Connection, memo: Memo) -> None:
    """In the place of what the person had there."""
    await conn.execute(
        "INSERT INTO memos (memo_id, document_id, staff_id, through, sealed, version, saved_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (document_id, staff_id) DO UPDATE"
        " SET through = excluded.through, sealed = excluded.sealed, version = excluded.version,"
        " saved_at = excluded.saved_at",
        (memo.memo_id, memo.document_id, memo.staff_id, memo.through, memo.sealed, memo.version, memo.saved_at),
    )


async def delete(conn: Connection, document_id: str, staff_id: str) -> None:
    """The person's own."""
    await conn.execute("DELETE FROM memos WHERE document_id = %s AND staff_id = %s", (document_id, staff_id))


async def end(conn: Connection, document_id: str, *, circulating: bool) -> list[tuple[str, int]]:
    """Delete those whose person is not on the route any more, all of them when it ended; (memo_id, version) of each."""
    cursor = await conn.execute(
        "DELETE FROM memos AS m WHERE m.document_id = %(document_id)s AND NOT (%(circulating)s AND EXISTS ("
        "SELECT FROM viewers AS v WHERE v.document_id = m.document_id AND v.reason = ANY(%(on_route)s)"
        " AND v.principal IN (m.through, 'staff:' || m.staff_id) AND v.valid_to IS NULL))"
        " RETURNING m.memo_id::text, m.version",
        {"document_id": document_id, "circulating": circulating, "on_route": list(ON_ROUTE)},
    )
    return [(str(row[0]), int(row[1])) for row in await cursor.fetchall()]


def _memo(row: Sequence[Any]) -> Memo:
    memo_id, document_id, staff_id, principal, sealed, version, saved_at = row
    return Memo(memo_id, document_id, staff_id, principal, bytes(sealed), version, saved_at.astimezone(clock.JST))
