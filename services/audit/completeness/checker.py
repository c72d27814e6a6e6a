"""The task that checks the whole log once a day: in the replica that leads, after each start and on each Japanese day.

It reads what `python -m services.audit check` reads. Whatever it finds is an alarm; the sequencer, which looks at what it
signs by itself, goes on.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable

from chassis import clock, db
from chassis.db import Pool
from chassis.errors import DomainError
from chassis.s3 import StoreError
from services.audit import self_check, tree_store
from services.audit.completeness import commands
from services.audit.completeness.commands import Findings
from services.audit.retention import store as retention_store
from services.audit.vault import Vault

log = logging.getLogger(__name__)

# Between two looks at the calendar, and until the next try when database or store did not answer.
LOOK_SECONDS = 30.0
# It takes its time: after each bundle it rests as long as that took.
REST = 1.0


class Checker:
    """Runs in every replica; the one that leads checks."""

    def __init__(self, pool: Pool, vault: Vault, leads: asyncio.Event, appended: Callable[[], None]) -> None:
        self._pool = pool
        self._vault = vault
        self._leads = leads
        self._appended = appended

    async def run(self) -> None:
        """Until cancelled."""
        checked: dt.date | None = None
        while True:
            await self._leads.wait()
            today = clock.today()
            if checked != today:
                try:
                    await self.check()
                    checked = today
                except (DomainError, StoreError) as error:
                    log.warning("the log is checked later", extra={"error": str(error)})
            await asyncio.sleep(LOOK_SECONDS)

    async def check(self) -> None:
        """Every year's log that has its entries, the newest first; what was found of each is written before the next is begun.

        StoreError or DomainError when the object store or the database does not answer: then what is not read is no
        finding.
        """
        async with db.connection(self._pool) as conn:
            logs = [one for one in await tree_store.all_logs(conn) if one.checkpoint]
            for one in logs:
                if await retention_store.dropped(conn, one.log_year) is not None:
                    # Its retention has ended: what remains may be removed, which is no alarm.
                    continue
                findings = Findings(one.origin)
                try:
                    done = await self_check.check(conn, self._vault, one.log_year, findings.add, REST)
                    findings.leaves = done.leaves
                except ValueError as error:
                    # Not even what the rest is read by is what it was.
                    findings.add("log", f"cannot be read: {error}")
                begun, ended = await commands.note_check(self._pool, findings, clock.now())
                for alarm in begun:
                    log.error("alarm", extra={"kind": alarm.kind, "subject": alarm.subject})
                for alarm in ended:
                    log.info("alarm ended", extra={"kind": alarm.kind, "subject": alarm.subject})
                self._appended()
