"""The end of a year's retention (SC-03): its searchable entries leave the database, two people answer for it, the log says so.

The tree stays: hash tiles, checkpoints, cosignatures and time-stamps of the year, so that every proof and every later year
verifies as before. The copies in the object store stay as well; only their lock has ended.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from hashlib import sha256

from chassis import clock
from chassis.db import Connection
from services.audit import commands as log_commands
from services.audit import tree_store
from services.audit.commands import LogKeys
from services.audit.entry import Leaf
from services.audit.retention import copies, store
from services.audit.tree_store import Log
from services.audit.vault import FINAL, Vault

_STAFF_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


class NotDropped(Exception):
    """Nothing was dropped. The message says why, and what has to happen first."""


async def drop_year(
    conn: Connection,
    keys: LogKeys,
    vault: Vault,
    log_year: int,
    agreed_by: Sequence[str],
    now: dt.datetime,
    new_id: Callable[[], str],
) -> store.Dropped:
    """Drop a year's entries, as the owner role, and put that into the current log in the same transaction.

    Only a closed year whose log lies whole in the object store, read and verified now, whose retention has ended by
    the setting and by the store's own lock, and with two people named who agreed. NotDropped otherwise. StoreError.
    Crash before the commit: the entries are there, and no leaf says otherwise; after it, both are done.
    """
    _require_two(agreed_by)
    log = await _closed(conn, log_year)
    await _require_ended(vault, log_year, now)
    async for problem in copies.problems(vault, log):
        raise NotDropped(f"the log of {log_year} is not whole in the object store: {problem}")
    async with conn.transaction():
        head = await log_commands.lock_head(conn, keys, now)
        if await store.dropped(conn, log_year) is not None:
            raise NotDropped(f"the entries of {log_year} have been dropped already")
        remaining = await store.drop_entries(conn, log_year)
        done = store.Dropped(log_year, now, sorted(agreed_by), remaining)
        await store.insert_dropped(conn, log_year, now, done.agreed_by, remaining)
        await log_commands.add(conn, head, [_leaf(log, done, new_id())])
    return done


def _require_two(agreed_by: Sequence[str]) -> None:
    if len(agreed_by) != 2 or len({one.casefold() for one in agreed_by}) != 2:
        raise NotDropped("two different people have to agree: give --agreed-by twice, each with a staff number")
    for one in agreed_by:
        if not _STAFF_ID.fullmatch(one):
            raise NotDropped(f"{one[:64]!r} is not a staff number")


async def _closed(conn: Connection, log_year: int) -> Log:
    log = await tree_store.log_of(conn, log_year)
    if log is None:
        raise NotDropped(f"there is no log of {log_year}")
    if not log.closed:
        raise NotDropped(f"the log of {log_year} is not closed: it closes when the next fiscal year begins")
    if not log.final_kept:
        raise NotDropped(
            f"the checkpoint that closes {log_year} is not in the object store yet: the service puts it there"
        )
    if await store.dropped(conn, log_year) is not None:
        raise NotDropped(f"the entries of {log_year} have been dropped already")
    return log


async def _require_ended(vault: Vault, log_year: int, now: dt.datetime) -> None:
    """By the setting, and by the lock that was put on when the year was closed: a shorter setting since then changes
    nothing."""
    until = vault.retained_until(log_year)
    locked = await vault.locked_until(log_year, FINAL)
    if locked is None:
        raise NotDropped(f"the log of {log_year} is not under object lock in the store; somebody has to look first")
    ends = max(until, locked)
    if now < ends:
        day = ends.astimezone(clock.JST).date().isoformat()
        raise NotDropped(f"the log of {log_year} is kept until {day}")


def _leaf(log: Log, done: store.Dropped, event_id: str) -> Leaf:
    first, second = done.agreed_by
    return Leaf(
        event_id=event_id,
        time=done.dropped_at,
        action="log.dropped",
        service="audit",
        staff_id="service:audit",
        object_type="log",
        object_id=log.origin,
        detail={
            "agreed_by.1": first,
            "agreed_by.2": second,
            "size": str(log.checkpoint_size),
            "root": log.root.hex(),
            "checkpoint": sha256(log.checkpoint).hexdigest(),
            "remaining": str(done.remaining),
        },
    )
