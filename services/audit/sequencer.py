"""The one replica that makes the tree and signs it.

Leadership is a session's advisory lock, and all work is done on that same connection: whoever loses it can no longer
commit. A second leader, should there ever be one, waits at the log's row and then finds nothing left to do; one on
another copy of the database loses the race for the head in the object store.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from chassis import clock, db, telemetry
from chassis.db import Connection, Pool
from chassis.errors import DomainError
from chassis.s3 import StoreError
from services.audit import archive, commands, continuity, domain, tree_store
from services.audit.commands import ClockAhead, Fenced, LogDamaged, LogKeys
from services.audit.note import NoteError
from services.audit.tlog import TreeError
from services.audit.vault import Vault

log = logging.getLogger(__name__)

# Key of the advisory lock; one database is one municipality.
LEADER_LOCK = 0x41554449
RETRY_SECONDS = 1.0
DAMAGED_SECONDS = 10.0
# Two checkpoints begin at least this far apart: what is appended meanwhile shares one step of the tree, one signature and
# the requests to the store. A checkpoint may be 2 s behind its records.
SIGN_EVERY_SECONDS = 0.5
SWEEP_SECONDS = 60.0


class Sequencer:
    """Runs in every replica; one leads."""

    def __init__(self, pool: Pool, keys: LogKeys, vault: Vault, interval: float, recover_after: float) -> None:
        self._pool = pool
        self._keys = keys
        self._vault = vault
        self._interval = interval
        # A direct source that was silent this long has crashed; the same as the recorders' own rule.
        self._silence = dt.timedelta(seconds=recover_after)
        self._wake = asyncio.Event()
        # While this process leads and the database may give numbers.
        self.leads = asyncio.Event()

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
                            self.leads.clear()
                            # The lock lives as long as the connection: it must not go back to the pool.
                            await conn.close()
            except (DomainError, StoreError, Fenced) as error:
                # Records are still taken; without the head in the object store nothing is signed.
                log.warning("sequencer waits", extra={"error": str(error)})
                telemetry.count("log.waits", reason=type(error).__name__)
            except LogDamaged as error:
                # Nothing more is signed until somebody has put things right; what to do is in the message.
                log.error("nothing is signed: the log is damaged", extra={"error": str(error)})
                telemetry.count("log.damaged")
                await asyncio.sleep(DAMAGED_SECONDS)
            await asyncio.sleep(RETRY_SECONDS)

    async def _lead(self, conn: Connection) -> None:
        with _damage():
            await continuity.compare(conn, self._keys, self._vault)
            if (current := await tree_store.current_log(conn)) is not None:
                await archive.catch_up(conn, self._vault, current)
        self.leads.set()
        turned = 0
        # While nobody led, perhaps nobody could write: sources get their time anew.
        next_sweep = time.monotonic() + self._silence.total_seconds()
        while True:
            began = time.monotonic()
            # Cleared before the look, so that what is appended during it brings another one.
            self._wake.clear()
            await advance(conn, self._keys, self._vault)
            if turned != (year := domain.fiscal_year(clock.today())):
                await self._turn_year(conn)
                turned = year
            if time.monotonic() >= next_sweep:
                next_sweep = time.monotonic() + min(SWEEP_SECONDS, self._silence.total_seconds() / 3)
                await commands.tidy(conn, self._vault)
                if await commands.recover_sources(self._pool, self._keys, self._silence, clock.now(), clock.new_id):
                    continue
            await clock.either(self._wake, self._interval)
            await asyncio.sleep(max(0.0, began + SIGN_EVERY_SECONDS - time.monotonic()))

    async def _turn_year(self, conn: Connection) -> None:
        with _damage():
            try:
                year = await commands.turn_year(conn, self._keys, self._vault, clock.now(), clock.new_id)
                if year is not None:
                    log.info("a new fiscal year's log was opened", extra={"log_year": year})
            except ClockAhead as error:
                # The log of before goes on and is signed; somebody has to look at the clock.
                log.error("no new fiscal year's log is opened", extra={"error": str(error)})
                telemetry.count("log.not_turned")
            for closed in await tree_store.closed_logs_to_keep(conn):
                await commands.keep_final(conn, self._vault, closed)


async def advance(conn: Connection, keys: LogKeys, vault: Vault) -> None:
    """Integrate all that was appended and sign it. LogDamaged if database or store do not hold what they held before."""
    with _damage():
        for log_year in await tree_store.pending_logs(conn):
            while await commands.integrate(conn, log_year) == commands.INTEGRATION_STEP:
                pass
            await commands.publish(conn, keys, vault, log_year, clock.now())


@contextmanager
def _damage() -> Iterator[None]:
    """What can only come from a database or a store that was tampered with, as LogDamaged."""
    try:
        yield
    except (TreeError, NoteError, psycopg.IntegrityError) as error:
        raise LogDamaged(f"{type(error).__name__}: {error}") from error


async def _become_leader(conn: Connection) -> bool:
    """Take the lock for as long as this connection lives; False while another replica has it."""
    cursor = await conn.execute("SELECT pg_try_advisory_lock(%s)", (LEADER_LOCK,))
    row = await cursor.fetchone()
    return bool(row and row[0])
