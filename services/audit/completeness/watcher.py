"""The task that looks for what is missing and reconciles once a day. Runs in every replica; one looks at a time."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable

from chassis import clock
from chassis.db import Pool
from chassis.errors import DomainError
from services.audit.completeness import commands
from services.audit.completeness.commands import Noticed

log = logging.getLogger(__name__)

# At most so long between two looks.
LOOK_SECONDS = 20.0
# And so long until what is missing is an alarm: a lost message is sent again after thirty seconds.
GRACE = dt.timedelta(seconds=90)
# What a report of counts speaks of has this long to arrive in the log.
SETTLE = dt.timedelta(minutes=2)


class Watcher:
    """`silence` is the time after which an open epoch is overdue: three heartbeats. Where these come more often, the
    looks do too, and the grace is half of it; longer than the defaults it never is."""

    def __init__(self, pool: Pool, silence: float, appended: Callable[[], None]) -> None:
        self._pool = pool
        self._silence = dt.timedelta(seconds=silence)
        self._appended = appended
        self._noticed = Noticed(min(GRACE, self._silence / 2))
        self._pause = min(LOOK_SECONDS, silence / 9)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._pause)
            try:
                await self._look()
            except DomainError as error:
                log.warning("completeness is looked at later", extra={"error": error.message})

    async def _look(self) -> None:
        begun, ended = await commands.watch(self._pool, self._noticed, self._silence, clock.now())
        begun += await commands.follow_chains(self._pool, clock.now())
        for alarm in begun:
            log.error("alarm", extra={"kind": alarm.kind, "subject": alarm.subject, "first": alarm.first})
        for alarm in ended:
            log.info("alarm ended", extra={"kind": alarm.kind, "subject": alarm.subject, "first": alarm.first})
        agreed = await commands.reconcile_if_due(self._pool, SETTLE, clock.now())
        if agreed is False:
            log.error("alarm", extra={"kind": commands.RECONCILIATION})
        if begun or ended or agreed is not None:
            self._appended()
