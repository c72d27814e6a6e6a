"""What is kept of our witnesses' answers, one transaction each, and which checkpoint the world gets."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from chassis.db import Connection, Pool, transaction
from services.audit.cosignatures import store
from services.audit.cosignatures.store import Report
from services.audit.quorum import Policy, Witness
from services.audit.tree_store import Log

# A published checkpoint that is this much behind is an alarm.
LAG = dt.timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A verified line of a witness over the checkpoint `note` (as our log signed it) of this size, and its time."""

    log_year: int
    size: int
    note: bytes
    witness: Witness
    line: bytes
    at: dt.datetime


async def keep(pool: Pool, policy: Policy, cosignature: Cosignature, now: dt.datetime) -> bool:
    """Keep it, and publish its checkpoint if that makes the policy met; whether it became published by this.

    Crash before the commit: the witness has moved on and we do not have its word; the next checkpoint gets another.
    """
    one = cosignature
    async with transaction(pool) as conn:
        await store.add_cosignature(conn, one.log_year, one.size, one.note, one.witness.key.vkey, one.line, one.at)
        await store.report(conn, Report(one.witness.key.vkey, one.log_year, one.size, now, ""))
        have = await store.witnesses_of(conn, one.log_year, one.size)
        names = {witness.name for witness in policy.witnesses.values() if witness.key.vkey in have}
        return policy.is_met(names) and await store.publish(conn, one.log_year, one.size, now)


async def keep_problem(pool: Pool, witness: Witness, log_year: int, size: int, problem: str) -> None:
    """Show people why a witness does not cosign. `size` is what it is known to have."""
    async with transaction(pool) as conn:
        await store.report(conn, Report(witness.key.vkey, log_year, size, None, problem))


async def published(conn: Connection, log: Log, policy: Policy) -> tuple[int, bytes] | None:
    """Size and note of the checkpoint that the world gets, with all its cosignatures; None if there is none yet.

    The largest that met the policy; without demands the last signed one. Lines of witnesses that left the policy are
    left out.
    """
    known = {witness.key.vkey for witness in policy.witnesses.values()}
    if not policy.demands:
        if not log.checkpoint:
            return None
        lines = await store.lines_of(conn, log.log_year, log.checkpoint_size) if known else {}
        size, note = log.checkpoint_size, log.checkpoint
    else:
        found = await store.published(conn, log.log_year)
        if found is None:
            return None
        size, note, lines = found.size, found.note, found.lines
    return size, note + b"".join(line for witness, line in lines.items() if witness in known)


async def is_lagging(conn: Connection, years: list[int], now: dt.datetime) -> bool:
    """Whether a leaf has waited for longer than LAG to be covered by a published checkpoint."""
    for year in years:
        since = await store.unpublished_since(conn, year)
        if since is not None and now - since > LAG:
            return True
    return False
