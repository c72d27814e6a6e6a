"""All SQL about our witnesses. Cosignatures and what was published are only ever inserted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from psycopg.rows import class_row

from chassis.db import Connection


async def try_lead(conn: Connection, lock: int) -> bool:
    """Take the advisory lock for as long as this connection lives; False while another replica has it."""
    cursor = await conn.execute("SELECT pg_try_advisory_lock(%s)", (lock,))
    row = await cursor.fetchone()
    return bool(row and row[0])


async def unpublished_years(conn: Connection) -> list[int]:
    """Years whose last signed checkpoint is larger than what is published, oldest first: at a year's change two."""
    cursor = await conn.execute(
        "SELECT l.log_year FROM logs l WHERE l.checkpoint <> '' AND l.checkpoint_size >"
        " coalesce((SELECT max(p.size) FROM published_checkpoints p WHERE p.log_year = l.log_year), -1)"
        " ORDER BY l.log_year DESC LIMIT 2"
    )
    return [year for (year,) in reversed(await cursor.fetchall())]


async def cosigned_sizes(conn: Connection, log_year: int) -> dict[str, int]:
    """Per witness key, the largest size of this year's log that it cosigned."""
    cursor = await conn.execute(
        "SELECT witness, max(size) FROM cosignatures WHERE log_year = %s GROUP BY witness", (log_year,)
    )
    return {str(witness): int(size) for witness, size in await cursor.fetchall()}


async def add_cosignature(
    conn: Connection, log_year: int, size: int, note: bytes, witness: str, line: bytes, at: dt.datetime
) -> None:
    """Keep a cosignature; the first one of a witness at a size stays."""
    await conn.execute(
        "INSERT INTO cosigned_checkpoints (log_year, size, note) VALUES (%s, %s, %s)"
        " ON CONFLICT (log_year, size) DO NOTHING",
        (log_year, size, note),
    )
    await conn.execute(
        "INSERT INTO cosignatures (log_year, size, witness, line, cosigned_at) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (log_year, size, witness) DO NOTHING",
        (log_year, size, witness, line, at),
    )


async def witnesses_of(conn: Connection, log_year: int, size: int) -> set[str]:
    """Keys of the witnesses that cosigned this checkpoint."""
    cursor = await conn.execute("SELECT witness FROM cosignatures WHERE log_year = %s AND size = %s", (log_year, size))
    return {str(witness) for (witness,) in await cursor.fetchall()}


async def publish(conn: Connection, log_year: int, size: int, now: dt.datetime) -> bool:
    """Note that a checkpoint has enough cosignatures; False if that was noted before."""
    cursor = await conn.execute(
        "INSERT INTO published_checkpoints (log_year, size, published_at) VALUES (%s, %s, %s)"
        " ON CONFLICT (log_year, size) DO NOTHING",
        (log_year, size, now),
    )
    return cursor.rowcount == 1


@dataclass(frozen=True, slots=True)
class Published:
    """The largest published checkpoint: as it was signed, and its cosignature lines by witness key."""

    size: int
    note: bytes
    lines: dict[str, bytes]


async def published(conn: Connection, log_year: int) -> Published | None:
    """The largest published checkpoint of a year, None before the first."""
    cursor = await conn.execute(
        "SELECT c.size, c.note FROM published_checkpoints p JOIN cosigned_checkpoints c USING (log_year, size)"
        " WHERE p.log_year = %s ORDER BY p.size DESC LIMIT 1",
        (log_year,),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    return Published(row[0], row[1], await lines_of(conn, log_year, row[0]))


async def lines_of(conn: Connection, log_year: int, size: int) -> dict[str, bytes]:
    """Cosignature lines of one checkpoint by witness key."""
    cursor = await conn.execute(
        "SELECT witness, line FROM cosignatures WHERE log_year = %s AND size = %s ORDER BY witness", (log_year, size)
    )
    return {str(witness): bytes(line) for witness, line in await cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class Report:
    """How a witness fares: the largest checkpoint it is known to have, its last good answer, and what was wrong."""

    witness: str
    log_year: int
    size: int
    answered_at: dt.datetime | None
    problem: str


async def report(conn: Connection, found: Report) -> None:
    """Replace a witness's report; without an answer the time of the last good one stays."""
    await conn.execute(
        "INSERT INTO witness_reports AS r (witness, log_year, size, answered_at, problem) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (witness) DO UPDATE SET log_year = excluded.log_year, size = excluded.size,"
        " answered_at = coalesce(excluded.answered_at, r.answered_at), problem = excluded.problem",
        (found.witness, found.log_year, found.size, found.answered_at, found.problem),
    )


async def reports(conn: Connection, witnesses: Collection[str]) -> dict[str, Report]:
    """The reports of these witness keys."""
    async with conn.cursor(row_factory=class_row(Report)) as cursor:
        await cursor.execute(
            "SELECT witness, log_year, size, answered_at, problem FROM witness_reports WHERE witness = ANY(%s)",
            (list(witnesses),),
        )
        return {row.witness: row for row in await cursor.fetchall()}


async def unpublished_since(conn: Connection, log_year: int) -> dt.datetime | None:
    """When a checkpoint larger than the first unpublished one was due: the time of the oldest leaf that no published
    checkpoint covers; None if all are covered."""
    cursor = await conn.execute(
        "SELECT e.occurred_at FROM entries e WHERE e.log_year = %s AND e.leaf_index ="
        " coalesce((SELECT max(p.size) FROM published_checkpoints p WHERE p.log_year = %s), 0)",
        (log_year, log_year),
    )
    row = await cursor.fetchone()
    return None if row is None else row[0]
