"""The task that makes the reminders of an opening day. Runs in every replica; who comes second finds the day taken."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from chassis import clock
from chassis.db import Pool
from chassis.errors import DomainError
from services.approvals.deadlines.domain import Deadlines
from services.approvals.notices import commands
from services.approvals.notices.commands import Reminding

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 60.0


async def run(pool: Pool, deadlines: Deadlines, reminding: Reminding) -> None:
    """Until cancelled."""
    while True:
        try:
            made = await commands.remind(pool, deadlines, reminding, clock.now())
            if made:
                log.info("reminders made", extra={"count": made})
        except DomainError as error:
            log.warning("reminders wait", extra={"error": error.message})
        await asyncio.sleep(LOOK_SECONDS)
