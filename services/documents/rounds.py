"""How a task of this service goes on: batch after batch while there is work, then until it is woken or some time passed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import psycopg

from chassis import clock
from chassis.errors import DomainError


async def work(
    name: str, once: Callable[[], Awaitable[bool]], wake: asyncio.Event, poll_seconds: float, log: logging.Logger
) -> None:
    """Until cancelled. `once` does one batch and says whether there was anything to do; when it cannot, it is tried again."""
    while True:
        wake.clear()
        try:
            busy = await once()
        except (DomainError, psycopg.Error, OSError) as error:
            log.warning("%s waits", name, extra={"error": str(error) or type(error).__name__})
            busy = False
        if not busy:
            await clock.either(wake, poll_seconds)
