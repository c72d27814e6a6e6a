"""SQL of the export: leaves in order as far as signed checkpoints cover them, and how far a receiver has them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import NamedTuple

from psycopg.rows import class_row

from chassis.db import Connection


class Covered(NamedTuple):
    """A leaf under a signed checkpoint, and where it is."""

    log_year: int
    origin: str
    leaf_index: int
    occurred_at: dt.datetime
    leaf: bytes


_COVERED = (
    "SELECT e.log_year, l.origin, e.leaf_index, e.occurred_at, e.leaf FROM entries e"
    " JOIN logs l ON l.log_year = e.log_year AND e.leaf_index < l.checkpoint_size"
)


async def leaves_from(conn: Connection, log_year: int, first: int, limit: int) -> list[Covered]:
    """Up to `limit` leaves of a year from index `first` on, in their order."""
    cursor = await conn.execute(
        f"{_COVERED} WHERE e.log_year = %s AND e.leaf_index >= %s ORDER BY e.leaf_index LIMIT %s",
        (log_year, first, limit),
    )
    return [Covered(*row) for row in await cursor.fetchall()]


async def leaves_of_time(
    conn: Connection, since: dt.datetime | None, until: dt.datetime | None, after: Covered | None, limit: int
) -> list[Covered]:
    """Up to `limit` leaves of a time (`since` inclusive, `until` exclusive), oldest first, after another one."""
    values: dict[str, object] = {"since": since, "until": until, "limit": limit}
    where = ["true"]
    if since is not None:
        where.append("e.occurred_at >= %(since)s")
    if until is not None:
        where.append("e.occurred_at < %(until)s")
    if after is not None:
        where.append("(e.occurred_at, e.log_year, e.leaf_index) > (%(at)s, %(year)s, %(index)s)")
        values |= {"at": after.occurred_at, "year": after.log_year, "index": after.leaf_index}
    cursor = await conn.execute(
        f"{_COVERED} WHERE {' AND '.join(where)} ORDER BY e.occurred_at, e.log_year, e.leaf_index LIMIT %(limit)s",
        values,
    )
    return [Covered(*row) for row in await cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a receiver has: everything before this leaf."""

    log_year: int
    next_index: int


async def cursor_of(conn: Connection, receiver: str) -> Cursor | None:
    """Where a receiver is, None for one that is new."""
    async with conn.cursor(row_factory=class_row(Cursor)) as cursor:
        await cursor.execute("SELECT log_year, next_index FROM siem_receivers WHERE receiver = %s", (receiver,))
        return await cursor.fetchone()


async def insert_receiver(conn: Connection, receiver: str, begin: Cursor, now: dt.datetime) -> None:
    """A receiver that has nothing yet."""
    await conn.execute(
        "INSERT INTO siem_receivers (receiver, log_year, next_index, begun_at, moved_at) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (receiver, begin.log_year, begin.next_index, now, now),
    )


async def move(conn: Connection, receiver: str, old: Cursor, new: Cursor, now: dt.datetime) -> bool:
    """The receiver has more. False when it is no longer where it was: somebody else moved it."""
    cursor = await conn.execute(
        "UPDATE siem_receivers SET log_year = %s, next_index = %s, moved_at = %s"
        " WHERE receiver = %s AND log_year = %s AND next_index = %s",
        (new.log_year, new.next_index, now, receiver, old.log_year, old.next_index),
    )
    return cursor.rowcount == 1


async def year_after(conn: Connection, at: Cursor) -> int | None:
    """The year of the next log once the receiver has all of a closed one, None before."""
    cursor = await conn.execute(
        "SELECT min(n.log_year) FROM logs n, logs l WHERE l.log_year = %s AND l.closed AND l.checkpoint_size <= %s"
        " AND n.log_year > l.log_year",
        (at.log_year, at.next_index),
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def behind(conn: Connection, at: Cursor) -> int:
    """Leaves under signed checkpoints that a receiver does not have."""
    cursor = await conn.execute(
        "SELECT coalesce(sum(checkpoint_size - CASE WHEN log_year = %s THEN %s ELSE 0 END), 0)::int8 FROM logs"
        " WHERE log_year >= %s",
        (at.log_year, at.next_index, at.log_year),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def lock_push(conn: Connection, key: int) -> bool:
    """Hold the push for as long as this connection lives; False while another replica has it."""
    cursor = await conn.execute("SELECT pg_try_advisory_lock(%s)", (key,))
    row = await cursor.fetchone()
    return bool(row and row[0])
