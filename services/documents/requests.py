"""The same request_id gives the same answer: claimed and kept in the transaction of the write itself."""

from __future__ import annotations

from dataclasses import dataclass

from chassis.db import Connection
from chassis.errors import DomainError, FieldViolation, Kind, invalid

KEPT_DAYS = 2
MAX_REQUEST_ID = 200


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


async def claim(conn: Connection, call: Call) -> bytes | None:
    """None the first time; the stored answer when it was done before.

    A second caller waits here until the first has committed or failed. Crash before the commit:
    nothing is claimed and the retry does the work.
    """
    cursor = await conn.execute(
        "INSERT INTO requests (staff_id, request_id, method, digest) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (call.staff_id, call.request_id, call.method, call.digest),
    )
    return None if cursor.rowcount == 1 else await answered(conn, call)


async def answered(conn: Connection, call: Call) -> bytes | None:
    """The stored answer; REQUEST_ID_REUSED when the id was used for something else."""
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


async def keep(conn: Connection, call: Call, object_id: str, answer: bytes) -> None:
    """The answer, for who asks again."""
    await conn.execute(
        "UPDATE requests SET object_id = %s, response = %s WHERE staff_id = %s AND request_id = %s",
        (object_id or None, answer, call.staff_id, call.request_id),
    )


async def forget(conn: Connection) -> int:
    """Drop old ones; their answers contain texts, so they are not kept longer than retries need."""
    cursor = await conn.execute("DELETE FROM requests WHERE created_at < now() - %s * interval '1 day'", (KEPT_DAYS,))
    return cursor.rowcount
