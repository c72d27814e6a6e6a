"""The task that notes for the log that a 緊急閲覧 has run out. Runs in every replica; each is noted once."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from chassis import clock
from chassis.errors import DomainError
from services.documents.breakglass import commands
from services.documents.commands import Service

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 10.0


async def run(service: Service) -> None:
    """Until cancelled."""
    while True:
        try:
            if ended := await commands.note_ends(service, clock.now()):
                log.info("break-glass ran out", extra={"count": ended})
        except DomainError as error:
            log.warning("ends of break-glass wait", extra={"error": error.message})
        await asyncio.sleep(LOOK_SECONDS)
