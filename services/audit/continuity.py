"""Is this database as new as the log? After every start it is compared with the head in the object store.

A restored backup, or a standby that missed the last transactions, would give numbers again that were given already. So
no number is given before the comparison, and a database that is behind stays behind until `restore` has brought back
from the object store what was signed. It never signs a fork; it says what to do.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from chassis.db import Connection
from services.audit import archive, commands, source_store, store, tlog, tree_store
from services.audit.commands import LogBehind, LogDamaged, LogKeys
from services.audit.entry import EntryError, Leaf, decode
from services.audit.note import NoteError, open_checkpoint
from services.audit.policy import DIRECT_SOURCES
from services.audit.store import Coordinator, NewEntry
from services.audit.tlog import ENTRIES, TILE_WIDTH, Edge, Tile, TreeError
from services.audit.vault import FINAL, Vault

HINT = "`python -m services.audit restore` brings back what was signed"


class NotRestored(Exception):
    """Database and object store do not fit together, and nothing was changed. The message says what to do."""


async def compare(conn: Connection, keys: LogKeys, vault: Vault) -> None:
    """The database continues the head: from now on, until it is started anew, numbers may be given.

    LogBehind if it is older than the head, LogDamaged if the head is lost or of another history. StoreError.
    """
    head = await vault.head(fresh=True)
    async with conn.transaction():
        coordinator = await store.lock_coordinator(conn)
        if not coordinator.log_year:
            if head is not None:
                raise LogBehind(f"the database has no log, the object store has its head; {HINT}")
        else:
            while await commands.integrate(conn, coordinator.log_year) == commands.INTEGRATION_STEP:
                pass
            log = await tree_store.lock_log(conn, coordinator.log_year)
            if head is not None:
                try:
                    await commands.require_head(conn, keys, log, head.note)
                except LogBehind as behind:
                    raise LogBehind(f"the database was restored from an older backup: {behind}; {HINT}") from behind
            elif log.checkpoint_size or await tree_store.last_closed(conn) is not None:
                raise LogDamaged(f"the object store has lost the head of the log; {HINT}")
        await store.mark_compared(conn)


@dataclass(frozen=True, slots=True)
class Restored:
    """What was brought back: leaves into the database, or the head into the object store."""

    leaves: int
    head: bool


async def restore(
    conn: Connection, keys: LogKeys, vault: Vault, now: dt.datetime, new_id: Callable[[], str]
) -> Restored:
    """Bring database and object store to the same point of the log, and record that as a leaf.

    Leaves that were signed come back from the object store, bundle by bundle, and must lead to exactly the signed root.
    A head that is lost or older than the database's last checkpoint is put back. NotRestored if they belong to
    different histories: then nothing is changed. Crash in between: nothing was changed, or only the head was put back.
    """
    head = await vault.head(fresh=True)
    try:
        async with conn.transaction():
            at = await store.lock_coordinator(conn)
            found = 0
            if head is not None:
                head_year = commands.head_year(head.note)
                for log_year in [*(year for year in await vault.closed_years() if year < head_year), head_year]:
                    if log_year < at.log_year:
                        continue
                    if log_year > at.log_year:
                        at = await commands.open_log(conn, keys, log_year, now)
                    target = head.note if log_year == head_year else await vault.kept(log_year, FINAL)
                    if target is None:
                        raise NotRestored(f"the final checkpoint of {log_year} is not in the object store")
                    at, more = await _bring_back(conn, keys, vault, at, target, now)
                    found += more
                    await _catch_up(conn, vault, log_year)
                    if log_year != head_year:
                        await tree_store.save_checkpoint(conn, log_year, at.next_index, target)
                        await tree_store.close_log(conn, log_year)
            if not at.log_year:
                raise NotRestored("there is no log, neither in the database nor in the object store")
            put_back = await _put_head_back(conn, keys, vault, at.log_year)
            await commands.add(conn, at, [_record(keys, at, found, put_back, now, new_id())])
            await store.mark_compared(conn)
    except (LogDamaged, NoteError, TreeError, EntryError) as error:
        raise NotRestored(str(error)) from error
    return Restored(found, put_back)


async def _bring_back(
    conn: Connection, keys: LogKeys, vault: Vault, at: Coordinator, target: bytes, now: dt.datetime
) -> tuple[Coordinator, int]:
    """The leaves from the database's last one to those of the checkpoint `target`."""
    checkpoint = open_checkpoint(target, keys.of(at.log_year).verifier)
    while await commands.integrate(conn, at.log_year) == commands.INTEGRATION_STEP:
        pass
    log = await tree_store.lock_log(conn, at.log_year)
    edge = Edge.restore(log.size, log.edge)
    for index in range(log.size // TILE_WIDTH, (checkpoint.size + TILE_WIDTH - 1) // TILE_WIDTH):
        bundle = Tile(ENTRIES, index, tlog.width_at(checkpoint.size, ENTRIES, index))
        content = await vault.kept(at.log_year, bundle.path) or await vault.shown(at.log_year, bundle.path)
        if content is None:
            raise NotRestored(f"{at.log_year}/{bundle.path} is not in the object store")
        entries = tlog.decode_bundle(content)[max(0, log.size - index * TILE_WIDTH) :]
        fresh = [NewEntry(decode(entry), entry, tlog.leaf_hash(entry)) for entry in entries]
        await store.insert_entries(conn, at.log_year, edge.size, fresh)
        edge.extend(entry.leaf_hash for entry in fresh)
        leaves = [entry.leaf for entry in fresh]
        await source_store.count_aggregates(conn, leaves)
        for direct in (False, True):
            of_kind = [leaf for leaf in leaves if (leaf.service in DIRECT_SOURCES) is direct]
            await source_store.count_sources(conn, of_kind, now, direct=direct)
    if edge.size > checkpoint.size:
        await commands.require_continuation(conn, log, checkpoint)
    elif edge.size == checkpoint.size and edge.root() != checkpoint.root:
        raise NotRestored(
            f"the database holds records of {checkpoint.origin} that are not those the log signed; restore an older backup"
        )
    if edge.size < checkpoint.size:
        raise NotRestored(f"the object store holds {edge.size} of the {checkpoint.size} signed leaves")
    await store.move_coordinator(conn, at.log_year, edge.size)
    while await commands.integrate(conn, at.log_year) == commands.INTEGRATION_STEP:
        pass
    return Coordinator(at.log_year, edge.size, at.compared), edge.size - log.size


async def _catch_up(conn: Connection, vault: Vault, log_year: int) -> None:
    """The archived checkpoints that the backup did not know."""
    log = await tree_store.log_of(conn, log_year)
    if log is not None:
        await archive.catch_up(conn, vault, log)


async def _put_head_back(conn: Connection, keys: LogKeys, vault: Vault, log_year: int) -> bool:
    """The database's last checkpoint as head, where the head is lost or older; whether it was."""
    log = await tree_store.lock_log(conn, log_year)
    head = await vault.head()
    if head is None:
        await commands.require_continuation(conn, log, open_checkpoint(log.checkpoint, keys.of(log_year).verifier))
    elif commands.head_year(head.note) == log_year:
        older = open_checkpoint(head.note, keys.of(log_year).verifier)
        await commands.require_continuation(conn, log, older)
        if older.size >= log.checkpoint_size:
            return False
    else:
        await commands.require_head(conn, keys, log, head.note)
        return False
    await vault.move_head(head, log.checkpoint)
    return True


def _record(keys: LogKeys, at: Coordinator, found: int, put_back: bool, now: dt.datetime, event_id: str) -> Leaf:
    return Leaf(
        event_id=event_id,
        time=now,
        action="backup.restored",
        service="audit",
        staff_id="service:audit",
        object_type="log",
        object_id=keys.of(at.log_year).name,
        detail={"leaves": str(found), "size": str(at.next_index), "head": "put_back" if put_back else "unchanged"},
    )
