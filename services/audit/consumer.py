"""What arrives from the broker becomes leaves: access records of the services, and their events.

One transaction per batch of messages. A message that cannot be a leaf stops no other: it is tried alone and ends in
the dead letters, while its outbox row stays, unconfirmed. Receipts go out after the commit, also for duplicates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from google.protobuf.message import DecodeError
from opentelemetry.trace import SpanKind

from chassis import clock, telemetry
from chassis.broker import Broker
from chassis.db import Pool
from chassis.errors import DomainError, Kind
from chassis.events import MAX_FAILURES, Consumer, Delivery
from kanketsu.event.v1 import envelope_pb2
from services.audit import commands
from services.audit.commands import LogKeys
from services.audit.entry import EntryError, Leaf
from services.audit.intake import leaf_of_event, leaves_of_parcel
from services.audit.turns import Turns

# Messages taken at one time: one carries a thousand records or a hundred events or, sent again, a few.
BATCH = 64
# Bytes of them per transaction.
BYTES = 1024 * 1024
# What a replica took before it died comes again after this; until then its numbers are missing.
ACK_WAIT_SECONDS = 5.0


def consumers(
    broker: Broker,
    pool: Pool,
    keys: LogKeys,
    appended: Callable[[], None],
    turn: asyncio.Event | None = None,
    max_failures: int = MAX_FAILURES,
) -> list[Consumer]:
    """The two consumers of this service; `appended` is called after each commit.

    They consume while `turn` is set: one replica at a time, so that the numbers of a source and the versions of an
    object come into the log in their order. (Two at a time would still lose and double nothing.)
    """

    async def take(deliveries: Sequence[Delivery], read: Callable[[bytes], list[Leaf]]) -> None:
        leaves: list[Leaf] = []
        for delivery in deliveries:
            leaves += _read(delivery, read)
            # A full message takes milliseconds to read: the others of this process have their turn in between.
            await asyncio.sleep(0)
        await commands.append(pool, keys, leaves, clock.now())
        appended()
        for delivery in deliveries:
            if delivery.trace_parent:
                # The end of the journey of each request that travelled in this batch.
                with telemetry.span("audit.logged", kind=SpanKind.CONSUMER, parent=delivery.trace_parent):
                    pass

    turns = Turns(pool)

    async def take_parcels(deliveries: Sequence[Delivery]) -> None:
        for some in _by_size(deliveries):
            await take(some, leaves_of_parcel)

    async def take_access(deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        return await turns.in_turn(deliveries, take_parcels)

    async def take_events(deliveries: Sequence[Delivery]) -> None:
        for some in _by_size(deliveries):
            await take(some, lambda data: [leaf_of_event(envelope_pb2.Envelope.FromString(data))])

    return [
        Consumer(
            broker,
            stream="ACCESS",
            durable="audit-access",
            subjects=["kanketsu.access.>"],
            handle=take_access,
            batch=BATCH,
            receipt_as="audit",
            max_failures=max_failures,
            ack_wait=ACK_WAIT_SECONDS,
            turn=turn,
        ),
        Consumer(
            broker,
            stream="EVENTS",
            durable="audit-events",
            subjects=["kanketsu.documents.>", "kanketsu.approvals.>"],
            handle=take_events,
            batch=BATCH,
            receipt_as="audit",
            max_failures=max_failures,
            ack_wait=ACK_WAIT_SECONDS,
            turn=turn,
        ),
    ]


def _by_size(deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """In their order, as many together as a transaction should hold: one holds a record or a thousand."""
    some: list[Delivery] = []
    size = 0
    for delivery in deliveries:
        if some and size + len(delivery.data) > BYTES:
            yield some
            some, size = [], 0
        some.append(delivery)
        size += len(delivery.data)
    if some:
        yield some


def _read(delivery: Delivery, read: Callable[[bytes], list[Leaf]]) -> list[Leaf]:
    try:
        return read(delivery.data)
    except (DecodeError, EntryError) as error:
        raise DomainError(Kind.INVALID, "INVALID_FIELDS", f"{delivery.event_id}: {error}") from error
