"""Access records in a service's own database: the epoch's counter and the outbox row of each batch.

The counter says what the database holds of each process's records; a crashed process's epoch is
closed with it.
"""

from __future__ import annotations

import logging

import psycopg

from chassis import clock, telemetry
from chassis.db import Connection, Pool, connection, transaction
from chassis.errors import not_recorded
from chassis.outbox import Relay, insert
from chassis.recorder import GRANTED, EpochEnded, chain_after, timestamp
from kanketsu.event.v1 import envelope_pb2

log = logging.getLogger(__name__)


# One statement, so one round trip and one commit: the counter moves and the batch is in the outbox, or neither.
_WRITE = """
    WITH moved AS (
        UPDATE record_epochs SET last_seq = %(last)s, chain = %(chain)s, seen_at = now(), state = %(state)s
        WHERE epoch = %(epoch)s AND last_seq = %(before)s AND state = 'open'
        RETURNING epoch
    )
    INSERT INTO outbox (event_id, subject, payload, trace_parent, awaits)
    SELECT %(event_id)s, %(subject)s, %(payload)s, %(trace_parent)s, '{audit}' FROM moved
"""


class DatabaseSink:
    """A service's own database: the epoch's counter and one outbox row, in one transaction."""

    def __init__(self, pool: Pool, service: str, relay: Relay) -> None:
        self._pool = pool
        self._service = service
        self._relay = relay

    async def write(self, batch: envelope_pb2.AccessRecordBatch) -> str:
        """Commit the batch. Crash before the commit: no record, and nothing was served for it."""
        first, last = batch.records[0].seq, batch.records[-1].seq
        try:
            async with connection(self._pool) as conn:
                if first == 1:
                    await conn.execute(
                        "INSERT INTO record_epochs (epoch, instance) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                        (batch.epoch, batch.instance),
                    )
                cursor = await conn.execute(
                    _WRITE,
                    {
                        "epoch": batch.epoch,
                        "before": first - 1,
                        "last": last,
                        "chain": batch.chain,
                        "state": "closed" if batch.records[-1].action == "epoch.close" else "open",
                        "event_id": batch.batch_id,
                        "subject": f"kanketsu.access.{self._service}",
                        "payload": _parcel(batch),
                        "trace_parent": telemetry.current_trace_parent(),
                    },
                )
                chain = batch.chain
                if cursor.rowcount != 1:
                    chain = await self._already_written(conn, batch.epoch, last)
        except psycopg.Error as error:
            # A table or grant that is not as it should be: nothing is served, the process goes on.
            log.exception("access records not written")
            raise not_recorded() from error
        self._relay.wake_soon(batch.batch_id)
        return chain

    async def _already_written(self, conn: Connection, epoch: str, last: int) -> str:
        """The counter is not where this process left it: a commit of ours whose answer was lost, or a recovery."""
        cursor = await conn.execute("SELECT last_seq, chain, state FROM record_epochs WHERE epoch = %s", (epoch,))
        row = await cursor.fetchone()
        if row is None or row[2] == "recovered" or row[0] != last:
            raise EpochEnded
        return str(row[1])


async def recover_epochs(pool: Pool, service: str, relay: Relay, after: float) -> int:
    """Close epochs silent for `after` seconds with what the database holds; returns how many.

    A process that was only asleep finds its epoch ended and opens a new one.
    """
    async with transaction(pool) as conn:
        cursor = await conn.execute(
            "SELECT epoch::text, instance, last_seq, chain FROM record_epochs"
            " WHERE state = 'open' AND seen_at < now() - %s * interval '1 second' FOR UPDATE SKIP LOCKED",
            (after,),
        )
        rows = await cursor.fetchall()
        recovered = []
        for epoch, instance, last_seq, chain in rows:
            record = envelope_pb2.AccessRecord(
                seq=last_seq + 1,
                event_id=clock.new_id(),
                occurred_at=timestamp(clock.now()),
                actor=envelope_pb2.Actor(staff_id=f"service:{service}"),
                action="epoch.recovered",
                object_type="epoch",
                object_id=epoch,
                outcome=GRANTED,
                detail={"last_seq": str(last_seq), "chain": chain},
            )
            batch = envelope_pb2.AccessRecordBatch(
                batch_id=clock.new_id(),
                service=service,
                instance=instance,
                epoch=epoch,
                records=[record],
                chain=chain_after(chain, record),
            )
            await conn.execute(
                "UPDATE record_epochs SET last_seq = %s, chain = %s, state = 'recovered' WHERE epoch = %s",
                (record.seq, batch.chain, epoch),
            )
            await _append_batch(conn, service, batch)
            recovered.append(batch.batch_id)
    for batch_id in recovered:
        relay.wake_soon(batch_id)
    return len(recovered)


# Epochs in one report: the newest. And how old an unconfirmed row of the outbox may be.
REPORTED_EPOCHS = 200
OVERDUE_SECONDS = 600


async def committed(pool: Pool) -> dict[str, str]:
    """What this database says of itself: the last number of each epoch of the last day, by epoch, and under
    `outbox_overdue` how many rows have waited ten minutes to be confirmed."""
    async with connection(pool) as conn:
        cursor = await conn.execute(
            "SELECT epoch::text, last_seq::text FROM record_epochs WHERE seen_at > now() - interval '25 hours'"
            " AND last_seq > 0 ORDER BY seen_at DESC LIMIT %s",
            (REPORTED_EPOCHS,),
        )
        found = dict(await cursor.fetchall())
        cursor = await conn.execute(
            "SELECT count(*)::text FROM outbox WHERE created_at < now() - %s * interval '1 second'", (OVERDUE_SECONDS,)
        )
        row = await cursor.fetchone()
    return found | {"outbox_overdue": row[0] if row else "0"}


def _parcel(batch: envelope_pb2.AccessRecordBatch) -> bytes:
    return envelope_pb2.AccessRecordParcel(batches=[batch]).SerializeToString()


async def _append_batch(conn: Connection, service: str, batch: envelope_pb2.AccessRecordBatch) -> None:
    await insert(
        conn,
        event_id=batch.batch_id,
        subject=f"kanketsu.access.{service}",
        payload=_parcel(batch),
        trace_parent=telemetry.current_trace_parent(),
        awaits=["audit"],
    )
