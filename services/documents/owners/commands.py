"""Writes of 所管替え: the units as approvals announced them, and batches of what an ended unit still owns.

It is the state that says what is left, not a list of jobs: crash between two batches, and the rest moves in the next round.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from chassis import clock, outbox
from chassis.db import Connection, Pool, transaction
from chassis.outbox import Relay
from services.documents import events, rounds
from services.documents.owners import domain, store
from services.documents.owners.domain import DOCUMENT, FOLDER, RECEIPT, Ended, Owned, UnitChange

log = logging.getLogger(__name__)

# Of one transaction: an act on one of them waits at most for so many.
BATCH = 200
# Late drafts of an ended unit, and what was locked, are found then.
POLL_SECONDS = 30.0


async def follow_units(conn: Connection, units: Sequence[UnitChange], version: int) -> None:
    """What approvals announced of units, in the consumer's transaction. In what order does not matter."""
    await store.follow_units(conn, units, version)
    for one in units:
        if one.ended_on is not None and not one.heir:
            log.error("a unit ended and nobody takes over what it owns", extra={"unit_id": one.unit_id})


class Mover:
    """Moves what ended units own. One per process; `wake` after a commit makes it immediate."""

    def __init__(self, pool: Pool, relay: Relay, batch: int = BATCH) -> None:
        self._pool = pool
        self._relay = relay
        self._batch = batch
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """A unit has ended."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        await rounds.work("mover", self.move_once, self._wake, POLL_SECONDS, log)

    async def move_once(self) -> bool:
        """One batch in one transaction; whether there was anything to do. Folders first: documents are filed in them."""
        async with transaction(self._pool) as conn:
            ended = await store.next_ended(conn)
            if ended is None:
                return False
            moved = (
                await self._folders(conn, ended)
                or await self._documents(conn, ended)
                or await self._receipts(conn, ended)
            )
        self._relay.wake()
        log.info("moved to the unit that took over", extra={"unit_id": ended.unit_id, "moved": moved})
        return moved > 0

    async def _folders(self, conn: Connection, ended: Ended) -> int:
        owned = await store.lock_folders(conn, ended.unit_id, self._batch)
        if owned:
            await _announce(conn, FOLDER, owned, ended)
            await store.move_folders(conn, owned)
        return len(owned)

    async def _documents(self, conn: Connection, ended: Ended) -> int:
        owned = await store.lock_documents(conn, ended.unit_id, self._batch)
        if owned:
            await _announce(conn, DOCUMENT, owned, ended)
            await store.move_documents(conn, owned, ended)
        return len(owned)

    async def _receipts(self, conn: Connection, ended: Ended) -> int:
        owned = await store.lock_receipts(conn, ended.unit_id, self._batch)
        if owned:
            await _announce(conn, RECEIPT, owned, ended)
            await store.move_receipts(conn, owned, ended)
        return len(owned)


async def _announce(conn: Connection, kind: str, owned: Sequence[Owned], ended: Ended) -> None:
    """Who owned it stays on record; an event for each; and a line in the history of a document."""
    now = clock.now()
    cause = events.Cause(events.own_actor(), now)
    envelopes = [
        envelope
        for one in owned
        for envelope in events.envelopes(
            [domain.owner_changed(kind, one, ended)],
            aggregate=kind,
            aggregate_id=one.object_id,
            last_version=one.version,
            cause=cause,
            version_digest=one.version_digest,
        )
    ]
    await store.keep_former(conn, kind, owned, ended, now)
    await outbox.append(conn, envelopes, events.awaited_by(envelopes[0]))
    if kind == DOCUMENT:
        await store.append_histories(conn, envelopes, now)
