"""The task that notes for the log that a 保守時間枠 has run out. Runs in every replica; each window is noted once."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from chassis import clock
from chassis.db import Pool
from chassis.errors import DomainError
from chassis.outbox import Relay
from services.approvals.vendors import commands

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 10.0


async def run(pool: Pool, relay: Relay) -> None:
    """Until cancelled."""
    while True:
        try:
            if ended := await commands.note_ends(pool, clock.now()):
                relay.wake()
                log.info("maintenance windows ran out", extra={"count": ended})
        except DomainError as error:
            log.warning("ends of maintenance windows wait", extra={"error": error.message})
        await asyncio.sleep(LOOK_SECONDS)
