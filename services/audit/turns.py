"""Messages of access records take their turn: a source's numbers go into the log in their order where they can.

A message may be sent again, or lie with a replica that is stuck, so that a later one comes first. It is given back and
waits at the broker until the one before it is there. A gap that does not fill holds nothing up for long: then the
record is appended without it, and the numbers between are missing. Others' messages never wait.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from google.protobuf.message import DecodeError

from chassis import db
from chassis.db import Pool
from chassis.events import Delivery
from kanketsu.event.v1 import envelope_pb2
from services.audit import domain, source_store
from services.audit.domain import Spans
from services.audit.entry import UUID_PATTERN

PATIENCE_SECONDS = 10.0
"""How long a message waits for the one before it. Longer than a crashed replica's messages take to come again."""


class Turns:
    """One per process. Remembers for how long a message has been waiting, and nothing that a crash could lose."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting_since: dict[str, float] = {}

    async def in_turn(
        self, deliveries: Sequence[Delivery], take: Callable[[Sequence[Delivery]], Awaitable[None]]
    ) -> list[Delivery]:
        """Take, in order, those whose turn it is, and those that have waited long enough; returns the others."""
        carried = [_spans(delivery) for delivery in deliveries]
        async with db.connection(self._pool) as conn:
            known = await source_store.last_numbers(conn, {epoch for spans in carried for epoch in spans})
        ready, early = domain.in_order(carried, known)
        now, held = time.monotonic(), []
        for place in early:
            if now - self._waiting_since.setdefault(deliveries[place].event_id, now) > PATIENCE_SECONDS:
                ready.append(place)
            else:
                held.append(place)
        if ready:
            await take([deliveries[place] for place in ready])
        for place in ready:
            self._waiting_since.pop(deliveries[place].event_id, None)
        return [deliveries[place] for place in held]


def _spans(delivery: Delivery) -> Spans:
    """What the message carries of each epoch. One that cannot be read waits for nobody: it fails by itself."""
    try:
        parcel = envelope_pb2.AccessRecordParcel.FromString(delivery.data)
    except DecodeError:
        return {}
    return domain.spans_of(
        (batch.epoch, record.seq)
        for batch in parcel.batches
        if batch.records and UUID_PATTERN.fullmatch(batch.epoch)
        # The first and last are enough: a batch's numbers are contiguous.
        for record in (batch.records[0], batch.records[-1])
    )
