"""Looks for archived checkpoints to be time-stamped. Runs in every replica; nothing ever waits for it."""

from __future__ import annotations

import asyncio
import logging

from chassis import clock, telemetry
from chassis.db import Pool
from chassis.errors import DomainError
from chassis.s3 import StoreError
from services.audit.outgoing import Outgoing
from services.audit.timestamps import commands
from services.audit.timestamps.commands import Authority, NotStamped
from services.audit.vault import Altered, Vault

log = logging.getLogger(__name__)

LOOK_SECONDS = 20.0
MAX_RETRY_SECONDS = 900.0


class Stamper:
    """The time-stamps of this process."""

    def __init__(self, pool: Pool, vault: Vault, http: Outgoing, authority: Authority) -> None:
        self._pool = pool
        self._vault = vault
        self._http = http
        self._authority = authority

    async def run(self) -> None:
        """Until cancelled; after a failure it waits twice as long each time."""
        failures = 0
        while True:
            try:
                size = await commands.stamp(self._pool, self._vault, self._http, self._authority, clock.now)
                failures = 0
                if size is not None:
                    telemetry.count("timestamps")
                    log.info("a checkpoint was time-stamped", extra={"size": size})
            except (NotStamped, StoreError, Altered, DomainError) as error:
                failures += 1
                telemetry.count("timestamps.failures")
                log.warning("not time-stamped", extra={"error": str(error), "failures": failures})
            await asyncio.sleep(min(LOOK_SECONDS * 2 ** min(failures, 6), MAX_RETRY_SECONDS))
