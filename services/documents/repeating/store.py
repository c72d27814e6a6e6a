# ruff: noqa: S608 - statements are put together from constants
"""SQL of 引用起案: which draft was made from which document, and in which folder the next one goes."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.db import Connection
from services.documents.domain import Folder
from services.documents.store import VISIBLE

MAX_REPEATED = 50


async def cite(conn: Connection, document_id: str, source_id: str) -> None:
    """The draft was made from the source; this never changes."""
    await conn.execute("INSERT INTO citations (document_id, source_id) VALUES (%s, %s)", (document_id, source_id))


async def sources(conn: Connection, document_id: str, principals: Sequence[str]) -> list[str]:
    """What it was made from, if the reader may see that (AC-03)."""
    cursor = await conn.execute(
        "SELECT d.document_id::text FROM citations AS c JOIN documents AS d ON d.document_id = c.source_id"
        f" WHERE c.document_id = %(document_id)s AND {VISIBLE}",
        {"document_id": document_id, "principals": list(principals)},
    )
    return [str(row[0]) for row in await cursor.fetchall()]


async def repeated(conn: Connection, document_id: str, principals: Sequence[str]) -> list[str]:
    """What was made from it, as far as the reader may see it, newest first (AC-03)."""
    cursor = await conn.execute(
        "SELECT d.document_id::text FROM citations AS c JOIN documents AS d ON d.document_id = c.document_id"
        f" WHERE c.source_id = %(document_id)s AND {VISIBLE} ORDER BY c.document_id DESC LIMIT %(limit)s",
        {"document_id": document_id, "principals": list(principals), "limit": MAX_REPEATED},
    )
    return [str(row[0]) for row in await cursor.fetchall()]


async def folder_of(conn: Connection, unit_id: str, fiscal_year: int, class_code: str) -> Folder | None:
    """The unit's folder of a class in a year: the first of several."""
    cursor = await conn.execute(
        "SELECT folder_id, unit_id, fiscal_year, class_code, name, retention FROM folders"
        " WHERE unit_id = %s AND fiscal_year = %s AND class_code = %s ORDER BY folder_id LIMIT 1",
        (unit_id, fiscal_year, class_code),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    names = ("folder_id", "unit_id", "fiscal_year", "class_code", "name", "retention")
    return Folder(**dict(zip(names, row, strict=True)))
