"""Locks in the object store: wanted in the transaction of the decision, applied by a task that never gives up.

COMPLIANCE retention only grows, and setting the same date again changes nothing, so every step may
be repeated after a crash. Replicas share the work: a claimed row is left alone for a minute.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging

from chassis import clock, outbox, telemetry
from chassis.db import Connection, Pool, transaction
from chassis.outbox import Relay
from services.documents import domain, events, retention, rounds, store
from services.documents.blobs import BlobError, ObjectStore, StoreRefused

log = logging.getLogger(__name__)

BATCH = 20
RENEW_BATCH = 200
CLAIM_SECONDS = 60.0
POLL_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 60.0


async def want(
    conn: Connection, document_id: str, version_digest: str, until: dt.datetime, now: dt.datetime, *, only: str = ""
) -> None:
    """Every object of the document (or `only` the one of that key) shall be kept until then: one job, in the
    caller's transaction."""
    lock_id = clock.new_id()
    await conn.execute(
        "INSERT INTO content_locks (lock_id, document_id, version_digest, retain_until, wanted_at) VALUES (%s, %s, %s, %s, %s)",
        (lock_id, document_id, version_digest, until, now),
    )
    await conn.execute(
        "INSERT INTO object_locks (lock_id, object_key, version_id, document_id, retain_until, next_attempt_at)"
        " SELECT %(lock_id)s, o.object_key, o.version_id, %(document_id)s, %(until)s, now() FROM ("
        "SELECT a.object_key, a.version_id FROM attachments AS a WHERE a.document_id = %(document_id)s"
        " UNION ALL SELECT m.object_key, m.version_id FROM manifests AS m WHERE m.document_id = %(document_id)s) AS o"
        " WHERE %(only)s = '' OR o.object_key = %(only)s",
        {"only": only, "lock_id": lock_id, "document_id": document_id, "until": until},
    )


async def renew(conn: Connection, now: dt.datetime) -> int:
    """永年 and 常用 never expire, but a lock has a date: every year it moves on to 30 years from then (RT-04, RT-05)."""
    today = domain.day_of(now)
    until = retention.lock_until(retention.PERPETUAL, today)
    cursor = await conn.execute(
        "SELECT d.document_id::text, d.version_digest FROM documents AS d WHERE d.state = 8 AND d.retention = ANY(%s)"
        " AND NOT EXISTS (SELECT FROM content_locks AS l WHERE l.document_id = d.document_id AND l.retain_until >= %s)"
        " LIMIT %s",
        ([retention.PERPETUAL, retention.PERPETUAL_USE], until, RENEW_BATCH),
    )
    rows = await cursor.fetchall()
    for document_id, version_digest in rows:
        await want(conn, document_id, version_digest, until, now)
    return len(rows)


class Locker:
    """Applies wanted locks. One per process; `wake` after a commit makes it immediate."""

    def __init__(self, pool: Pool, relay: Relay, blobs: ObjectStore) -> None:
        self._pool = pool
        self._relay = relay
        self._blobs = blobs
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something was wanted by this process."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        await rounds.work("locker", self.apply_once, self._wake, POLL_SECONDS, log)

    async def apply_once(self) -> bool:
        """One batch; whether there was anything to do.

        Crash after the store has the date and before the row says so: applied again, with no effect.
        """
        claimed = await self._claim()
        for lock_id, object_key, version_id, until, attempts in claimed:
            try:
                held = await self._hold(object_key, version_id, until)
            except BlobError as error:
                telemetry.count("locks.failed")
                log.warning("object not locked yet", extra={"error": f"{type(error).__name__} {error.code}"})
                await self._postpone(lock_id, object_key, version_id, attempts)
                continue
            await self._applied(lock_id, object_key, version_id, held)
        finished = await self._finish()
        if finished:
            self._relay.wake()
        return bool(claimed or finished)

    async def _hold(self, object_key: str, version_id: str, until: dt.datetime) -> dt.datetime:
        """The date the store holds, at least `until`. A longer one from an earlier job stays: a lock only grows."""
        try:
            return await self._blobs.retain(object_key, version_id, until)
        except StoreRefused as error:
            if error.code != "shorter":
                raise
            held = (await self._blobs.retention_of(object_key, version_id)).until
            if held is None or held < until:
                raise
            return held

    async def _claim(self) -> list[tuple[str, str, str, dt.datetime, int]]:
        async with transaction(self._pool) as conn:
            cursor = await conn.execute(
                "UPDATE object_locks AS o SET attempts = o.attempts + 1, next_attempt_at = now() + %s * interval '1 second'"
                " FROM (SELECT p.lock_id, p.object_key, p.version_id FROM object_locks AS p"
                " WHERE p.applied_until IS NULL AND p.next_attempt_at <= now() ORDER BY p.next_attempt_at LIMIT %s"
                " FOR UPDATE SKIP LOCKED) AS due WHERE o.lock_id = due.lock_id AND o.object_key = due.object_key"
                " AND o.version_id = due.version_id"
                " RETURNING o.lock_id::text, o.object_key, o.version_id, o.retain_until, o.attempts",
                (CLAIM_SECONDS, BATCH),
            )
            return [(row[0], row[1], row[2], row[3], row[4]) for row in await cursor.fetchall()]

    async def _postpone(self, lock_id: str, object_key: str, version_id: str, attempts: int) -> None:
        wait = min(0.5 * 2 ** min(attempts, 10), LONGEST_WAIT_SECONDS)
        async with transaction(self._pool) as conn:
            await conn.execute(
                "UPDATE object_locks SET next_attempt_at = now() + %s * interval '1 second'"
                " WHERE lock_id = %s AND object_key = %s AND version_id = %s",
                (wait, lock_id, object_key, version_id),
            )

    async def _applied(self, lock_id: str, object_key: str, version_id: str, held: dt.datetime) -> None:
        async with transaction(self._pool) as conn:
            await conn.execute(
                "UPDATE object_locks SET applied_until = %s WHERE lock_id = %s AND object_key = %s AND version_id = %s",
                (held, lock_id, object_key, version_id),
            )

    async def _finish(self) -> int:
        """Jobs whose objects all carry the date are done, and announced: each is an aggregate of its own."""
        async with transaction(self._pool) as conn:
            cursor = await conn.execute(
                "UPDATE content_locks AS l SET applied_at = %s FROM (SELECT c.lock_id FROM content_locks AS c"
                " WHERE c.applied_at IS NULL AND NOT EXISTS (SELECT FROM object_locks AS o"
                " WHERE o.lock_id = c.lock_id AND o.applied_until IS NULL)"
                " ORDER BY c.wanted_at LIMIT %s FOR UPDATE SKIP LOCKED) AS done WHERE l.lock_id = done.lock_id"
                " RETURNING l.lock_id::text, l.document_id::text, l.version_digest, l.retain_until,"
                " (SELECT count(*) FROM object_locks AS o WHERE o.lock_id = l.lock_id),"
                " (SELECT d.version FROM documents AS d WHERE d.document_id = l.document_id)",
                (clock.now(), BATCH),
            )
            rows = await cursor.fetchall()
            cause = events.Cause(events.own_actor(), clock.now())
            for lock_id, document_id, version_digest, until, objects, version in rows:
                envelopes = events.envelopes(
                    [domain.content_locked(document_id, until, objects)],
                    aggregate="content_lock",
                    aggregate_id=lock_id,
                    last_version=1,
                    cause=cause,
                    version_digest=version_digest,
                )
                await outbox.append(conn, envelopes, events.AUDIT)
                await store.append_history(conn, document_id, envelopes, cause.now, version=version)
        return len(rows)
