"""All SQL about archived checkpoints and their time-stamps. Tokens are only ever inserted."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from typing import NamedTuple

from chassis.db import Connection


class Archived(NamedTuple):
    """An archived checkpoint as it was signed."""

    log_year: int
    size: int
    note: bytes


async def try_lead(conn: Connection, lock: int) -> bool:
    """Take the advisory lock until the transaction ends; False while another replica has it."""
    cursor = await conn.execute("SELECT pg_try_advisory_xact_lock(%s)", (lock,))
    row = await cursor.fetchone()
    return bool(row and row[0])


async def newest_unstamped(conn: Connection) -> Archived | None:
    """A year's newest archived checkpoint without a token, of an earlier year first. Older ones are covered by it."""
    cursor = await conn.execute(
        "SELECT c.log_year, c.size, c.note FROM"
        " (SELECT DISTINCT ON (log_year) log_year, size, note FROM checkpoints ORDER BY log_year, size DESC) AS c"
        " WHERE NOT EXISTS (SELECT 1 FROM timestamps t WHERE t.log_year = c.log_year AND t.size = c.size)"
        " ORDER BY c.log_year LIMIT 1"
    )
    row = await cursor.fetchone()
    return None if row is None else Archived(*row)


async def insert_token(conn: Connection, log_year: int, size: int, token: bytes, stamped_at: dt.datetime) -> None:
    """Keep a token for good."""
    await conn.execute(
        "INSERT INTO timestamps (log_year, size, token, stamped_at) VALUES (%s, %s, %s, %s)",
        (log_year, size, token, stamped_at),
    )


async def archived_at(conn: Connection, log_year: int, size: int) -> bytes | None:
    """One archived checkpoint."""
    cursor = await conn.execute("SELECT note FROM checkpoints WHERE log_year = %s AND size = %s", (log_year, size))
    row = await cursor.fetchone()
    return None if row is None else bytes(row[0])


async def token_at(conn: Connection, log_year: int, size: int) -> bytes | None:
    """The token over one archived checkpoint."""
    cursor = await conn.execute("SELECT token FROM timestamps WHERE log_year = %s AND size = %s", (log_year, size))
    row = await cursor.fetchone()
    return None if row is None else bytes(row[0])


async def sizes_of(conn: Connection, log_year: int) -> list[tuple[int, bool]]:
    """Size of each archived checkpoint of a year, ascending, and whether it has a token."""
    cursor = await conn.execute(
        "SELECT size, t.size IS NOT NULL FROM checkpoints LEFT JOIN timestamps t USING (log_year, size)"
        " WHERE log_year = %s ORDER BY size",
        (log_year,),
    )
    return await cursor.fetchall()


async def first_stamped(conn: Connection, log_year: int, leaf_index: int) -> tuple[int, bytes, bytes] | None:
    """Size, checkpoint and token of the first archived checkpoint with a time-stamp that covers a leaf."""
    cursor = await conn.execute(
        "SELECT size, note, token FROM checkpoints JOIN timestamps USING (log_year, size)"
        " WHERE log_year = %s AND size > %s ORDER BY size LIMIT 1",
        (log_year, leaf_index),
    )
    return await cursor.fetchone()


async def archive_of(conn: Connection, log_year: int, up_to: int) -> AsyncIterator[tuple[int, bytes, bytes | None]]:
    """Size, checkpoint and token (None without) of everything archived of a year, up to a size, ascending."""
    cursor = await conn.execute(
        "SELECT size, note, token FROM checkpoints LEFT JOIN timestamps USING (log_year, size)"
        " WHERE log_year = %s AND size <= %s ORDER BY size",
        (log_year, up_to),
    )
    for row in await cursor.fetchall():
        yield row
