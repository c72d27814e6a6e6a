"""Events out and in, exactly once in effect.

Out: `append` in the transaction of the change; the relay publishes; the row goes only when
every consumer it awaits has confirmed. In: `once` makes an event and its effect one
transaction. A message may travel many times; nothing is lost and nothing applied twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import psycopg

from chassis import clock
from chassis.db import Connection, Pool, transaction
from chassis.errors import DomainError
from kanketsu.event.v1 import envelope_pb2

log = logging.getLogger(__name__)

BATCH = 100
POLL_SECONDS = 1.0


class Publisher(Protocol):
    """Publishes one message and returns when the broker has it; raises otherwise."""

    async def publish(self, subject: str, payload: bytes, message_id: str, trace_parent: str) -> None: ...


def subject_of(envelope: envelope_pb2.Envelope) -> str:
    """`kanketsu.<service>.<aggregate>.<event>`."""
    return f"kanketsu.{envelope.producer}.{envelope.aggregate}.{envelope.type.rsplit('.', 1)[-1]}"


async def append(conn: Connection, envelopes: Sequence[envelope_pb2.Envelope], awaits: Sequence[str]) -> None:
    """Append events in the caller's transaction; `awaits` names the consumers that must confirm them."""
    await conn.execute(
        "INSERT INTO outbox (event_id, subject, payload, trace_parent, awaits)"
        " SELECT e.event_id, e.subject, e.payload, e.trace_parent, %s"
        " FROM unnest(%s::uuid[], %s::text[], %s::bytea[], %s::text[])"
        " WITH ORDINALITY AS e (event_id, subject, payload, trace_parent, place) ORDER BY e.place",
        (
            list(awaits),
            [envelope.event_id for envelope in envelopes],
            [subject_of(envelope) for envelope in envelopes],
            [envelope.SerializeToString() for envelope in envelopes],
            [envelope.trace_parent for envelope in envelopes],
        ),
    )


async def insert(
    conn: Connection, *, event_id: str, subject: str, payload: bytes, trace_parent: str, awaits: Sequence[str]
) -> None:
    """One outbox row."""
    await conn.execute(
        "INSERT INTO outbox (event_id, subject, payload, trace_parent, awaits) VALUES (%s, %s, %s, %s, %s)",
        (event_id, subject, payload, trace_parent, list(awaits)),
    )


@asynccontextmanager
async def once(pool: Pool, consumer: str, event_id: str) -> AsyncIterator[Connection | None]:
    """The transaction of one event's effect, or None when it was applied before.

    Crash before the end: neither inbox row nor effect, the message comes again. Crash after:
    both, and the next delivery yields None. Either way the caller acknowledges afterwards.
    """
    async with transaction(pool) as conn:
        yield conn if await first_time(conn, consumer, event_id) else None


async def first_time(conn: Connection, consumer: str, event_id: str) -> bool:
    """Claim the event in the caller's transaction; False when it was applied before."""
    cursor = await conn.execute(
        "INSERT INTO inbox (consumer, event_id) VALUES (%s, %s) ON CONFLICT DO NOTHING", (consumer, event_id)
    )
    return cursor.rowcount == 1


async def confirm(pool: Pool, consumer: str, event_ids: Sequence[str]) -> None:
    """A consumer has these events: strike it from `awaits`, and drop rows that await nobody."""
    async with transaction(pool) as conn:
        await conn.execute(
            "UPDATE outbox SET awaits = array_remove(awaits, %s)"
            " WHERE event_id = ANY(%s::uuid[]) AND awaits <> ARRAY[%s]::text[]",
            (consumer, list(event_ids), consumer),
        )
        await conn.execute(
            "DELETE FROM outbox WHERE event_id = ANY(%s::uuid[]) AND awaits = ARRAY[%s]::text[]",
            (list(event_ids), consumer),
        )
        await conn.execute("DELETE FROM outbox WHERE event_id = ANY(%s::uuid[]) AND awaits = '{}'", (list(event_ids),))


class Relay:
    """Publishes due outbox rows. Runs in every replica; rows are claimed with SKIP LOCKED.

    `wake` after a commit makes it immediate; polling is the safety net.
    """

    def __init__(self, pool: Pool, publisher: Publisher, resend_after: float) -> None:
        self._pool = pool
        self._publisher = publisher
        self._resend_after = resend_after
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something was committed to the outbox by this process."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                sent = await self.relay_once()
            except (DomainError, psycopg.Error, OSError, asyncio.TimeoutError) as error:
                log.warning("relay waits", extra={"error": str(error) or type(error).__name__})
                sent = 0
            if sent == BATCH:
                continue
            await clock.either(self._wake, POLL_SECONDS)
            self._wake.clear()

    async def relay_once(self) -> int:
        """Publish one batch; returns how many rows were sent.

        The rows stay locked until they are marked. Crash before the publish: the lock goes with
        the connection and another relay takes them. Crash after it: published again with the same
        message id, and the inbox refuses the second. A resend gets a new message id, because the
        broker would swallow a known one although the consumer never confirmed it.
        """
        async with transaction(self._pool) as conn:
            cursor = await conn.execute(
                "SELECT outbox_id, event_id::text, subject, payload, trace_parent, attempts FROM outbox"
                " WHERE next_attempt_at <= now() ORDER BY next_attempt_at, outbox_id LIMIT %s FOR UPDATE SKIP LOCKED",
                (BATCH,),
            )
            rows = await cursor.fetchall()
            if not rows:
                return 0
            results = await asyncio.gather(
                *(
                    self._publisher.publish(subject, payload, _message_id(event_id, attempts), trace)
                    for _, event_id, subject, payload, trace, attempts in rows
                ),
                return_exceptions=True,
            )
            sent = [row[0] for row, result in zip(rows, results, strict=True) if not isinstance(result, BaseException)]
            if sent:
                await conn.execute(
                    "UPDATE outbox SET attempts = attempts + 1, next_attempt_at = now() + %s * interval '1 second'"
                    " WHERE outbox_id = ANY(%s)",
                    (self._resend_after, sent),
                )
        failed = [result for result in results if isinstance(result, BaseException)]
        if failed:
            raise ConnectionError(f"{len(failed)} of {len(rows)} not published: {failed[0]!r}")
        return len(sent)


def _message_id(event_id: str, attempts: int) -> str:
    return event_id if attempts == 0 else f"{event_id}.{attempts}"


async def forget_inbox(pool: Pool, older_than_days: int = 30) -> int:
    """Drop inbox rows much older than any message the broker may still hold."""
    async with transaction(pool) as conn:
        cursor = await conn.execute(
            "DELETE FROM inbox WHERE received_at < now() - %s * interval '1 day'", (older_than_days,)
        )
        return cursor.rowcount
