"""The same request_id gives the same answer: claimed and kept in the transaction of the write itself.

Answers are kept as long as anybody may still ask again, and no longer: they contain what was shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message

from chassis import interceptors
from chassis.db import Connection, Pool, transaction
from chassis.errors import DomainError, FieldViolation, Kind, invalid
from chassis.recorder import Access, Recorder, digest_of

KEPT_DAYS = 2
MAX_REQUEST_ID = 200

A = TypeVar("A", bound=Message)


@dataclass
class Call:
    """One write as asked for."""

    staff_id: str
    request_id: str
    method: str
    # sha256 over the request.
    digest: bytes
    # Whether the answer is one that was kept: it shows again what it showed then, and that is an access.
    answered_before: bool = False

    def __post_init__(self) -> None:
        if not self.request_id:
            raise invalid(FieldViolation("request_id", "REQUIRED"))
        if len(self.request_id) > MAX_REQUEST_ID or "\x00" in self.request_id:
            raise invalid(FieldViolation("request_id", "INVALID"))


async def carry_out(
    recorder: Recorder, request: Any, answer: type[A], command: Callable[[Call], Awaitable[bytes]]
) -> A:
    """Run a command for a request with a `request_id`; `command` returns the answer as bytes, new or kept.

    A kept answer is recorded as an access (I1) before it is given. INVALID_FIELDS, REQUEST_ID_REUSED.
    """
    caller = interceptors.identity()
    digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
    call = Call(caller.staff_id, request.request_id, type(request).__name__, digest)
    response = await command(call)
    if call.answered_before:
        await recorder.record(
            Access(
                actor=caller,
                action="request.repeated",
                object_type="request",
                object_id=digest_of(call.request_id),
                detail={"method": call.method},
            )
        )
    return answer.FromString(response)


async def claim(conn: Connection, call: Call) -> bytes | None:
    """None the first time; the kept answer when it was done before. REQUEST_ID_REUSED for something else.

    A second caller waits here until the first has committed or failed. Crash before the commit:
    nothing is claimed and the retry does the work.
    """
    cursor = await conn.execute(
        "INSERT INTO requests (staff_id, request_id, method, digest) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING RETURNING 1",
        (call.staff_id, call.request_id, call.method, call.digest),
    )
    return await answered(conn, call) if await cursor.fetchone() is None else None


async def answered(conn: Connection, call: Call) -> bytes | None:
    """The kept answer; REQUEST_ID_REUSED when the id was used for something else."""
    cursor = await conn.execute(
        "SELECT method, digest, response FROM requests WHERE staff_id = %s AND request_id = %s",
        (call.staff_id, call.request_id),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    if row[0] != call.method or bytes(row[1]) != call.digest:
        raise DomainError(Kind.INVALID, "REQUEST_ID_REUSED", "this request_id was used with another request")
    if row[2] is None:
        return None
    call.answered_before = True
    return bytes(row[2])


async def keep(conn: Connection, call: Call, answer: bytes) -> None:
    """The answer, for who asks again. It is kept once: the database refuses another one."""
    await conn.execute(
        "UPDATE requests SET response = %s WHERE staff_id = %s AND request_id = %s",
        (answer, call.staff_id, call.request_id),
    )


async def forget(pool: Pool) -> int:
    """Drop old ones; returns how many."""
    async with transaction(pool) as conn:
        cursor = await conn.execute(
            "DELETE FROM requests WHERE created_at < now() - %s * interval '1 day'", (KEPT_DAYS,)
        )
        return cursor.rowcount
