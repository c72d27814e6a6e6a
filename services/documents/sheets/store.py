# ruff: noqa: S608 - statements are put together from constants of this module
"""SQL of the sheets that are to be drawn; one function per statement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from chassis.db import Connection


@dataclass(frozen=True, slots=True)
class Job:
    """A sheet of a decision that is not drawn yet."""

    document_id: str
    content: Mapping[str, Any]
    retain_until: dt.datetime
    attempts: int


_JOB = "j.document_id::text, j.content, j.retain_until, j.attempts"


async def want(
    conn: Connection, document_id: str, content: Mapping[str, Any], retain_until: dt.datetime, now: dt.datetime
) -> None:
    """The sheet of a decision shall be drawn, saying this, and kept until then."""
    await conn.execute(
        "INSERT INTO sheet_jobs (document_id, content, retain_until, wanted_at, next_attempt_at)"
        " VALUES (%s, %s, %s, %s, now())",
        (document_id, Jsonb(dict(content)), retain_until, now),
    )


async def wanted(conn: Connection, document_id: str) -> Job | None:
    """The open job of a document."""
    cursor = await conn.execute(f"SELECT {_JOB} FROM sheet_jobs AS j WHERE j.document_id = %s", (document_id,))
    row = await cursor.fetchone()
    return None if row is None else Job(*row)


async def claim(conn: Connection, seconds: float, batch: int) -> list[Job]:
    """Jobs that are due; other processes leave them alone for so many seconds."""
    cursor = await conn.execute(
        "UPDATE sheet_jobs AS j SET attempts = j.attempts + 1, next_attempt_at = now() + %s * interval '1 second'"
        " FROM (SELECT p.document_id FROM sheet_jobs AS p WHERE p.next_attempt_at <= now()"
        " ORDER BY p.next_attempt_at LIMIT %s FOR UPDATE SKIP LOCKED) AS due WHERE j.document_id = due.document_id"
        f" RETURNING {_JOB}",
        (seconds, batch),
    )
    return [Job(*row) for row in await cursor.fetchall()]


async def postpone(conn: Connection, document_id: str, seconds: float) -> None:
    """The next attempt."""
    await conn.execute(
        "UPDATE sheet_jobs SET next_attempt_at = now() + %s * interval '1 second' WHERE document_id = %s",
        (seconds, document_id),
    )


async def finish(conn: Connection, document_id: str) -> bool:
    """The job is done; False when somebody else has done it."""
    cursor = await conn.execute("DELETE FROM sheet_jobs WHERE document_id = %s", (document_id,))
    return cursor.rowcount == 1
