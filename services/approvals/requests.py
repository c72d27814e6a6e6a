"""Writes that were answered already: the same request_id gets the same answer and changes nothing.

The answer is stored in the transaction of the write. A lock on the id makes a second request
that arrives meanwhile wait for the first and then find its answer.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from chassis.db import Connection
from chassis.errors import DomainError, Kind


@dataclass(frozen=True)
class Request:
    """Who asked for what: `digest` is the hex sha256 of the whole request."""

    staff_id: str
    request_id: str
    method: str
    digest: str


async def find(conn: Connection, request: Request) -> bytes | None:
    """The stored answer, None the first time. INVALID REQUEST_ID_REUSED when the id was used for something else."""
    await conn.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"{request.staff_id} {request.request_id}",)
    )
    cursor = await conn.execute(
        "SELECT method, digest, response FROM requests WHERE staff_id = %s AND request_id = %s",
        (request.staff_id, request.request_id),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    if (row[0], row[1]) != (request.method, request.digest):
        raise _reused()
    return bytes(row[2])


async def save(conn: Connection, request: Request, response: bytes, now: dt.datetime) -> None:
    """Store the answer. REQUEST_ID_REUSED when another request used the id meanwhile: the whole write is undone."""
    cursor = await conn.execute(
        "INSERT INTO requests (staff_id, request_id, method, digest, response, created_at)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1",
        (request.staff_id, request.request_id, request.method, request.digest, response, now),
    )
    if await cursor.fetchone() is None:
        raise _reused()


def _reused() -> DomainError:
    return DomainError(Kind.INVALID, "REQUEST_ID_REUSED", "this request_id was used for another request")
