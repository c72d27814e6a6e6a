"""All SQL of the end of a year's retention. The statements that drop are the owner role's; the application has no right to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql
from psycopg.rows import class_row

from chassis.db import Connection
from services.audit import store as log_store

# What remains of a dropped year: documents are kept longer than the log, and these leaves prove that they were completed.
LASTING = ("document.completed",)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A year whose entries are gone from the database."""

    log_year: int
    dropped_at: dt.datetime
    agreed_by: list[str]
    remaining: int


async def dropped(conn: Connection, log_year: int) -> Dropped | None:
    """When a year's entries were dropped; None while they are there."""
    async with conn.cursor(row_factory=class_row(Dropped)) as cursor:
        await cursor.execute(
            "SELECT log_year, dropped_at, agreed_by, remaining FROM dropped_years WHERE log_year = %s", (log_year,)
        )
        return await cursor.fetchone()


async def drop_entries(conn: Connection, log_year: int) -> int:
    """Replace the year's part of entries by one that holds the lasting leaves alone; returns how many these are.

    Within the caller's transaction. Dropping, unlike deleting, frees the room at once and touches no other year.
    """
    part, remaining = sql.Identifier(f"entries_{log_year}"), sql.Identifier(f"remaining_{log_year}")
    columns = sql.SQL(", ").join(
        map(sql.Identifier, ("log_year", "leaf_index", "leaf", "leaf_hash", *log_store.LEAF_COLUMNS))
    )
    names = {"part": part, "remaining": remaining, "year": sql.Literal(log_year), "columns": columns}
    await conn.execute(sql.SQL("CREATE TABLE {remaining} (LIKE {part} INCLUDING ALL)").format(**names))
    cursor = await conn.execute(
        sql.SQL("INSERT INTO {remaining} ({columns}) SELECT {columns} FROM {part} WHERE action = ANY(%s)").format(
            **names
        ),
        (list(LASTING),),
    )
    count = cursor.rowcount
    for statement in (
        "ALTER TABLE entries DETACH PARTITION {part}",
        "DROP TABLE {part}",
        "ALTER TABLE {remaining} RENAME TO {part}",
        "CREATE TRIGGER entries_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {part}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        "ALTER TABLE entries ATTACH PARTITION {part} FOR VALUES IN ({year})",
    ):
        await conn.execute(sql.SQL(statement).format(**names))
    return count


async def insert_dropped(
    conn: Connection, log_year: int, now: dt.datetime, agreed_by: Sequence[str], remaining: int
) -> None:
    """From now on the year counts as dropped."""
    await conn.execute(
        "INSERT INTO dropped_years (log_year, dropped_at, agreed_by, remaining) VALUES (%s, %s, %s, %s)",
        (log_year, now, list(agreed_by), remaining),
    )
