"""Counts that are kept beside the records, for the daily reconciliation: whoever hands content out counts for itself.

A process reports its counts as an access record of its own (`count.reported`), so that the log holds both sides. The
counts of a process that is killed are lost: then fewer were counted than recorded, never more.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping

from chassis.errors import DomainError
from chassis.identity import Identity
from chassis.recorder import Access, Recorder

log = logging.getLogger(__name__)

REPORT_SECONDS = 300.0
# Names in one report; a leaf has an end.
MAX_NAMES = 300


class Tally:
    """What was counted since the last report, by name."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, name: str, amount: int = 1) -> None:
        """Count."""
        self._counts[name] += amount

    def count(self, name: str) -> int:
        """How many since the last report."""
        return self._counts[name]

    async def report(self, recorder: Recorder, service: str, what: str) -> None:
        """Record up to 300 of the counts as `count.reported` of `what`.

        When that fails they are gone: the record may have been written all the same, and to count twice would be a
        false alarm, to count less is explained. UNAVAILABLE NOT_RECORDED.
        """
        taken = dict(self._counts.most_common(MAX_NAMES))
        if not taken:
            return
        # Taken first: what is counted while the record is written belongs to the next report.
        self._counts.subtract(taken)
        self._counts = +self._counts
        await report(recorder, service, what, {name: str(amount) for name, amount in taken.items()})


async def report(recorder: Recorder, service: str, what: str, detail: Mapping[str, str]) -> None:
    """One record `count.reported`; `what` says who counted: "answered", "opened" or "committed"."""
    actor = Identity(staff_id=f"service:{service}", tenant="")
    await recorder.record(
        Access(actor=actor, action="count.reported", object_type="count", object_id=what, detail=detail)
    )


async def report_for_ever(tally: Tally, recorder: Recorder, service: str, what: str) -> None:
    """Until cancelled."""
    while True:
        await asyncio.sleep(REPORT_SECONDS)
        try:
            await tally.report(recorder, service, what)
        except DomainError as error:
            log.warning("counts are lost", extra={"error": error.message})
