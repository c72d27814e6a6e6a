"""The one replica that makes the tree and signs it.

Leadership is a session's advisory lock, and all work is done on that same connection: whoever loses it can no longer
commit. A second leader, should there ever be one, waits at the log's row and then finds nothing left to do.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time

import psycopg

from chassis import clock, db, telemetry
from chassis.db import Connection, Pool
from chassis.errors import DomainError
from services.audit import commands, store
from services.audit.commands import LogDamaged, LogKeys
from services.audit.note import NoteError
from services.audit.tlog import TreeError

log = logging.getLogger(__name__)

# Key of the advisory lock; one database is one municipality.
LEADER_LOCK = 0x41554449
RETRY_SECONDS = 1.0
# What is appended in this time shares one step of the tree and one signature. A checkpoint may be 2 s behind its records.
GATHER_SECONDS = 0.2
SWEEP_SECONDS = 60.0


class Sequencer:
    """Runs in every replica; one leads."""

    def __init__(self, pool: Pool, keys: LogKeys, interval: float, recover_after: float) -> None:
        self._pool = pool
        self._keys = keys
        self._interval = interval
        # A direct source that was silent this long has crashed; the same as the recorders' own rule.
        self._silence = dt.timedelta(seconds=recover_after)
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """This process appended something: no need to wait for the next look."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled: try to lead, lead while possible."""
        while True:
            try:
                async with db.connection(self._pool) as conn:
                    if await _become_leader(conn):
                        log.info("leads the sequence")
                        try:
                            await self._lead(conn)
                        finally:
                            # The lock lives as long as the connection: it must not go back to the pool.
                            await conn.close()
            except DomainError as error:
                log.warning("sequencer waits", extra={"error": error.message})
            except LogDamaged as error:
                # Records are still taken, nothing more is signed until somebody has put the database right.
                log.error("nothing is signed: the log is damaged", extra={"error": str(error)})
                telemetry.count("log.damaged")
                await asyncio.sleep(30)
            await asyncio.sleep(RETRY_SECONDS)

    async def _lead(self, conn: Connection) -> None:
        # While nobody led, perhaps nobody could write: sources get their time anew.
        next_sweep = time.monotonic() + self._silence.total_seconds()
        while True:
            # Cleared before the look, so that what is appended during it brings another one.
            self._wake.clear()
            await advance(conn, self._keys)
            if time.monotonic() >= next_sweep:
                next_sweep = time.monotonic() + min(SWEEP_SECONDS, self._silence.total_seconds() / 3)
                if await commands.recover_sources(self._pool, self._keys, self._silence, clock.now(), clock.new_id):
                    continue
            await clock.either(self._wake, self._interval)
            await asyncio.sleep(GATHER_SECONDS)


async def advance(conn: Connection, keys: LogKeys) -> None:
    """Integrate all that was appended and sign it. LogDamaged if the database does not hold what it held before."""
    try:
        for log_year in await store.pending_logs(conn):
            while await commands.integrate(conn, log_year) == commands.INTEGRATION_STEP:
                pass
            await commands.publish(conn, keys, log_year, clock.now())
    except (TreeError, NoteError, psycopg.IntegrityError) as error:
        raise LogDamaged(f"{type(error).__name__}: {error}") from error


async def _become_leader(conn: Connection) -> bool:
    """Take the lock for as long as this connection lives; False while another replica has it."""
    cursor = await conn.execute("SELECT pg_try_advisory_lock(%s)", (LEADER_LOCK,))
    row = await cursor.fetchone()
    return bool(row and row[0])
