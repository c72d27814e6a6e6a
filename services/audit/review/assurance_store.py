"""All SQL of what the log tells of its own month."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from psycopg.rows import class_row

from chassis.db import Connection
from services.audit.review.domain import Place, Record, record_of


async def told(conn: Connection, actions: Collection[str]) -> list[Record]:
    """The log's own leaves with these actions, of every year and as far as checkpoints cover them, in their order."""
    cursor = await conn.execute(
        "SELECT e.log_year, e.leaf_index, e.leaf FROM entries AS e"
        " INNER JOIN logs AS l ON l.log_year = e.log_year AND e.leaf_index < l.checkpoint_size"
        " WHERE e.action = ANY(%s) ORDER BY e.log_year, e.leaf_index",
        (list(actions),),
    )
    return [record_of(Place(year, index), bytes(leaf)) for year, index, leaf in await cursor.fetchall()]


async def opened_at(conn: Connection) -> dt.datetime | None:
    """When the first log was opened; None before."""
    cursor = await conn.execute("SELECT min(opened_at) FROM logs")
    row = await cursor.fetchone()
    return row[0] if row else None


@dataclass(frozen=True, slots=True)
class Kept:
    """How many there are of something in a span, the size of the last one and when; None if there are none."""

    count: int
    size: int
    last_at: dt.datetime | None


async def checkpoints(conn: Connection, begins: dt.datetime, ends: dt.datetime) -> Kept:
    """Archived checkpoints."""
    return await _kept(
        conn,
        "SELECT count(*) AS count, coalesce((array_agg(size ORDER BY signed_at DESC, size DESC))[1], 0) AS size,"
        " max(signed_at) AS last_at FROM checkpoints WHERE signed_at >= %s AND signed_at < %s",
        begins,
        ends,
    )


async def timestamps(conn: Connection, begins: dt.datetime, ends: dt.datetime) -> Kept:
    """Time-stamps over archived checkpoints, by the time the authority states."""
    return await _kept(
        conn,
        "SELECT count(*) AS count, coalesce((array_agg(size ORDER BY stamped_at DESC, size DESC))[1], 0) AS size,"
        " max(stamped_at) AS last_at FROM timestamps WHERE stamped_at >= %s AND stamped_at < %s",
        begins,
        ends,
    )


async def _kept(conn: Connection, statement: str, begins: dt.datetime, ends: dt.datetime) -> Kept:
    async with conn.cursor(row_factory=class_row(Kept)) as cursor:
        await cursor.execute(statement.encode(), (begins, ends))
        return await cursor.fetchone() or Kept(0, 0, None)


async def witnesses(conn: Connection, begins: dt.datetime, ends: dt.datetime) -> dict[str, Kept]:
    """Name of each witness → the checkpoints it cosigned."""
    cursor = await conn.execute(
        # A verifier key is <name>+<key id>+<key>.
        "SELECT split_part(witness, '+', 1), count(*), (array_agg(size ORDER BY cosigned_at DESC, size DESC))[1],"
        " max(cosigned_at) FROM cosignatures WHERE cosigned_at >= %s AND cosigned_at < %s GROUP BY 1 ORDER BY 1",
        (begins, ends),
    )
    return {name: Kept(count, size, last_at) for name, count, size, last_at in await cursor.fetchall()}
