"""Events out and in, exactly once in effect.

Out: `append` in the transaction of the change; the relay publishes; the row goes only when
every consumer it awaits has confirmed. In: `once` makes an event and its effect one
transaction. A message may travel many times; nothing is lost and nothing applied twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import psycopg

from chassis import clock
from chassis.db import Connection, Pool, connection, pipelined, transaction
from chassis.errors import DomainError
from kanketsu.event.v1 import envelope_pb2

log = logging.getLogger(__name__)

BATCH = 100
POLL_SECONDS = 1.0
# Access records wait this long for company. With half a second to the next checkpoint they are in it well within 2 s.
GATHER_SECONDS = 0.5
# A row that nobody confirms is sent again after twice as long as before, up to so many times the first wait: what a
# consumer that is away finds in the broker is each row a few times, not once for every half minute.
LONGEST_WAIT = 20
# A process carries its own access records, so that they stay in their order. One that has not done so by then is dead or
# stuck, and any other does.
ORPHANED_SECONDS = 3.0
ACCESS_SUBJECTS = "kanketsu.access."
MAX_PARCEL_BYTES = 256 * 1024


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
    return bool(await fresh(conn, consumer, [event_id]))


async def fresh(conn: Connection, consumer: str, event_ids: Sequence[str]) -> set[str]:
    """Claim events in the caller's transaction; returns those that were not applied before."""
    cursor = await conn.execute(
        "INSERT INTO inbox (consumer, event_id) SELECT %s, unnest(%s::uuid[]) ON CONFLICT DO NOTHING"
        " RETURNING event_id::text",
        (consumer, sorted(event_ids)),
    )
    return {row[0] for row in await cursor.fetchall()}


async def confirm(pool: Pool, consumer: str, event_ids: Sequence[str]) -> None:
    """A consumer has these events: strike it from `awaits`, and drop rows that await nobody."""
    async with connection(pool) as conn:
        await conn.execute(
            "WITH gone AS (DELETE FROM outbox WHERE event_id = ANY(%(ids)s::uuid[]) AND awaits <@ %(one)s::text[])"
            " UPDATE outbox SET awaits = array_remove(awaits, %(name)s)"
            " WHERE event_id = ANY(%(ids)s::uuid[]) AND NOT awaits <@ %(one)s::text[]",
            {"ids": list(event_ids), "one": [consumer], "name": consumer},
        )


class Relay:
    """Publishes due outbox rows. Runs in every replica; rows are claimed with SKIP LOCKED.

    `wake` after a commit makes it immediate; polling is the safety net. What is due together travels many in one
    message (`_messages`). Access records, which nobody waits for, gather for a moment (`wake_soon`), each process's own
    in the order of their numbers.
    """

    def __init__(self, pool: Pool, publisher: Publisher, resend_after: float) -> None:
        self._pool = pool
        self._publisher = publisher
        self._resend_after = resend_after
        self._wake = asyncio.Event()
        # Access records are gathering, and have gathered long enough.
        self._gathering = False
        self._gathered = False
        # Rows of access records that this process wrote and has not sent, and when it wrote them.
        self._own: dict[str, float] = {}

    def wake(self) -> None:
        """Something was committed to the outbox by this process."""
        self._wake.set()

    def wake_soon(self, event_id: str) -> None:
        """A row of access records was committed by this process; it may wait for company."""
        self._own[event_id] = time.monotonic()
        if not self._gathering:
            self._gathering = True
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._have_gathered)

    def _have_gathered(self) -> None:
        self._gathering, self._gathered = False, True
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        everything = True
        while True:
            try:
                sent = await self.relay_once(everything)
            except (DomainError, psycopg.Error, OSError, asyncio.TimeoutError) as error:
                log.warning("relay waits", extra={"error": str(error) or type(error).__name__})
                sent = 0
            if sent == BATCH:
                continue
            await clock.either(self._wake, POLL_SECONDS)
            everything = self._gathered or not self._wake.is_set()
            self._gathered = False
            self._wake.clear()

    async def relay_once(self, everything: bool = True) -> int:
        """Publish one batch, without access records that still gather unless `everything`; returns how many rows.

        The rows stay locked until they are marked. Crash before the publish: the lock goes with
        the connection and another relay takes them. Crash after it: published again, perhaps in
        other company, and the inbox refuses the second. A resend gets a new message id, because
        the broker would swallow a known one although the consumer never confirmed it.
        """
        # Later than that another process may have sent them, and in its own order.
        orphaned = time.monotonic() - ORPHANED_SECONDS
        self._own = {event_id: written for event_id, written in self._own.items() if written > orphaned}
        own = self._own if everything else {}
        async with pipelined(self._pool) as conn:
            cursor = await conn.execute(
                "SELECT outbox_id, event_id::text, subject, payload, trace_parent, attempts, awaits FROM outbox"
                " WHERE next_attempt_at <= now() AND (NOT starts_with(subject, %s) OR attempts > 0"
                " OR event_id = ANY(%s::uuid[]) OR created_at < now() - %s * interval '1 second')"
                " ORDER BY next_attempt_at, outbox_id LIMIT %s FOR UPDATE SKIP LOCKED",
                (ACCESS_SUBJECTS, list(own), ORPHANED_SECONDS, BATCH),
            )
            rows = await cursor.fetchall()
            if not rows:
                return 0
            messages = _messages([_Row(*row) for row in rows])
            results = await asyncio.gather(
                *(
                    self._publisher.publish(message.subject, message.payload, message.message_id, message.trace_parent)
                    for message in messages
                ),
                return_exceptions=True,
            )
            sent = [
                row.outbox_id
                for message, result in zip(messages, results, strict=True)
                if not isinstance(result, BaseException)
                for row in message.rows
            ]
            if sent:
                await conn.execute(
                    "UPDATE outbox SET attempts = attempts + 1,"
                    " next_attempt_at = now() + %s * least(2.0 ^ attempts, %s) * interval '1 second'"
                    " WHERE outbox_id = ANY(%s)",
                    (self._resend_after, LONGEST_WAIT, sent),
                )
        for row in rows:
            self._own.pop(row[1], None)
        failed = [result for result in results if isinstance(result, BaseException)]
        if failed:
            raise ConnectionError(f"{len(failed)} of {len(messages)} not published: {failed[0]!r}")
        return len(sent)


class _Row(NamedTuple):
    """A due outbox row."""

    outbox_id: int
    event_id: str
    subject: str
    payload: bytes
    trace_parent: str
    attempts: int
    awaits: list[str]

    @property
    def is_access(self) -> bool:
        return self.subject.startswith(ACCESS_SUBJECTS)

    @property
    def readers(self) -> tuple[str, list[str]]:
        """Rows of which this is the same are read by the same consumers, whatever each is called in the end."""
        return self.subject if self.is_access else self.subject.rpartition(".")[0], self.awaits


@dataclass
class _Message:
    """What is published: one row or several."""

    rows: list[_Row]
    # Of all payloads together.
    size: int

    @property
    def subject(self) -> str:
        return self.rows[0].subject

    @property
    def payload(self) -> bytes:
        payloads = [row.payload for row in self.rows]
        if len(payloads) == 1 or self.rows[0].is_access:
            return b"".join(payloads)
        return envelope_pb2.EventParcel(envelopes=payloads).SerializeToString()

    @property
    def trace_parent(self) -> str:
        """Of the request behind it, if there is only one."""
        parents = {row.trace_parent for row in self.rows}
        return parents.pop() if len(parents) == 1 else ""

    @property
    def message_id(self) -> str:
        """What it carries, and which attempt it is."""
        carried, attempts = ",".join(row.event_id for row in self.rows), self.rows[0].attempts
        return carried if attempts == 0 else f"{carried}.{attempts}"

    def take(self, row: _Row) -> bool:
        """Whether it had room for the row, which then travels with it."""
        if self.rows[0].readers != row.readers or self.size + len(row.payload) > MAX_PARCEL_BYTES:
            return False
        self.rows.append(row)
        self.size += len(row.payload)
        return True


def _messages(rows: Sequence[_Row]) -> list[_Message]:
    """First attempts that the same consumers read are joined while they follow each other: a record, and an event, must not
    cost a message, and the versions of an object stay in their order. A repeated row travels alone, so that one that cannot
    be read holds up no other for long."""
    messages: list[_Message] = []
    growing: dict[bool, _Message] = {}
    for row in rows:
        last = growing.get(row.is_access) if row.attempts == 0 else None
        if last is not None and last.take(row):
            continue
        message = _Message([row], len(row.payload))
        messages.append(message)
        if row.attempts == 0:
            growing[row.is_access] = message
    return messages


async def forget_inbox(pool: Pool, older_than_days: int = 30) -> int:
    """Drop inbox rows much older than any message the broker may still hold."""
    async with transaction(pool) as conn:
        cursor = await conn.execute(
            "DELETE FROM inbox WHERE received_at < now() - %s * interval '1 day'", (older_than_days,)
        )
        return cursor.rowcount
