"""Opens the review of the past month by itself: in every replica, done by one (advisory lock), once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from chassis import clock, telemetry
from chassis.db import Pool
from chassis.errors import DomainError
from services.audit.commands import LogKeys
from services.audit.review import commands

log = logging.getLogger(__name__)

LOOK_SECONDS = 300.0


class Opener:
    """Looks every few minutes; a month is looked for only when the one before is over."""

    def __init__(self, pool: Pool, keys: LogKeys, appended: Callable[[], None]) -> None:
        self._pool = pool
        self._keys = keys
        self._appended = appended

    async def run(self) -> None:
        """Until cancelled. A month that cannot be read now is looked for again: nothing was written."""
        while True:
            try:
                review_id = await commands.open_due(self._pool, self._keys, clock.now())
                if review_id is not None:
                    self._appended()
                    telemetry.count("reviews.opened")
                    log.info("opened the review of the past month", extra={"review": review_id})
            except DomainError as error:
                log.warning("the review of the past month waits", extra={"error": error.message})
            await asyncio.sleep(LOOK_SECONDS)
