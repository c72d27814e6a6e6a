"""At midnight, and after every downtime: apply what is due, and let open steps follow their successors and 代決順位.

Runs in every replica; who comes second finds nothing to do.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging

from chassis import clock
from chassis.db import Pool
from chassis.errors import DomainError
from chassis.outbox import Relay
from services.approvals.changes import commands
from services.approvals.succession import commands as succession

log = logging.getLogger(__name__)

# Also between midnights: a case that was opened late with a post of yesterday is found then.
LOOK_SECONDS = 60.0


async def run(pool: Pool, relay: Relay, records_unit: str) -> None:
    """Until cancelled."""
    while True:
        try:
            await turn(pool, relay, clock.now(), records_unit)
        except DomainError as error:
            log.warning("change sets wait", extra={"error": error.message})
        await asyncio.sleep(seconds_to_sleep(clock.now()))


async def turn(pool: Pool, relay: Relay, now: dt.datetime, records_unit: str = "") -> None:
    """Everything that is due now."""
    await commands.apply_due(pool, now, records_unit)
    await succession.follow_successors(pool, now)
    while await succession.release_asked(pool, now):
        relay.wake()
    relay.wake()


def seconds_to_sleep(now: dt.datetime) -> float:
    """Until the next look, and never past the next midnight in Japan."""
    midnight = dt.datetime.combine(now.date() + dt.timedelta(days=1), dt.time(), tzinfo=now.tzinfo)
    return min(LOOK_SECONDS, (midnight - now).total_seconds())
