"""All SQL about other municipalities' logs. What was cosigned is only ever inserted."""

from __future__ import annotations

import datetime as dt

from chassis.db import Connection
from services.audit.witness.domain import NOTHING_SEEN, Seen


async def lock_seen(conn: Connection, origin: str, origin_hash: str) -> Seen:
    """What was seen of a log, locked until the transaction ends; a log that nobody submitted before is noted first."""
    await conn.execute(
        "INSERT INTO witnessed_logs (origin, origin_hash) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (origin, origin_hash),
    )
    cursor = await conn.execute("SELECT size, root, note FROM witnessed_logs WHERE origin = %s FOR UPDATE", (origin,))
    row = await cursor.fetchone()
    if row is None:
        raise LookupError(f"{origin} was noted and is gone")
    return Seen(*row) if row[2] else NOTHING_SEEN


async def save_seen(conn: Connection, origin: str, seen: Seen, now: dt.datetime) -> None:
    """From now on this is the latest; the first cosignature of each size is kept for good."""
    await conn.execute(
        "UPDATE witnessed_logs SET size = %s, root = %s, note = %s WHERE origin = %s",
        (seen.size, seen.root, seen.note, origin),
    )
    await conn.execute(
        "INSERT INTO witnessed_checkpoints (origin, size, root, note, cosigned_at) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (origin, size) DO NOTHING",
        (origin, seen.size, seen.root, seen.note, now),
    )


async def latest(conn: Connection, origin_hash: str) -> bytes:
    """The latest cosigned checkpoint of a log; empty if there is none."""
    cursor = await conn.execute("SELECT note FROM witnessed_logs WHERE origin_hash = %s", (origin_hash,))
    row = await cursor.fetchone()
    return bytes(row[0]) if row else b""
