"""Everything that writes to the log, one transaction each.

Appending gives numbers (any replica, one at a time, through the coordinator row). Integrating makes the tree of what
was appended, publishing signs it, closing ends a year (the one replica that leads). Each step killed anywhere and run
again gives the same bytes: numbers are given once, tiles and roots follow from them, and Ed25519 is deterministic.

Nothing is signed that does not continue the head in the object store, which no restore of the database brings back.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256

import psycopg

from chassis import telemetry
from chassis.db import Connection, Pool, transaction
from chassis.errors import DomainError, FieldViolation, Kind
from chassis.s3 import StoreConflict, StoreError
from services.audit import domain, source_store, store, tlog, tree_store
from services.audit.domain import EPOCH_ENDS, NUMBER_TAKEN
from services.audit.entry import EntryError, Leaf, encode
from services.audit.export import checkpoint_path
from services.audit.note import (
    Checkpoint,
    SigningKey,
    open_checkpoint,
    parse_checkpoint,
    parse_note,
    sign_checkpoint,
)
from services.audit.store import Coordinator, NewEntry
from services.audit.tlog import ENTRIES, TILE_WIDTH, Tile
from services.audit.tree_store import Log
from services.audit.vault import FINAL, Altered, Vault

# Leaves integrated in one transaction.
INTEGRATION_STEP = 8192
# Tiles and bundles on their way to the object store at one time.
KEEP_STEP = 16


class LogKeys:
    """The log's signing key under the name of each year's log."""

    def __init__(self, prefix: str, pem: bytes) -> None:
        self.prefix = prefix
        self._pem = pem
        self.of = lru_cache(maxsize=4)(self._of)

    def _of(self, log_year: int) -> SigningKey:
        return SigningKey.from_pem(domain.origin(self.prefix, log_year), self._pem)


# --- appending --------------------------------------------------------------------------------------------------


async def append(pool: Pool, keys: LogKeys, leaves: Sequence[Leaf], now: dt.datetime) -> int:
    """Put leaves into the log, in this order, each exactly once; returns how many were new.

    INVALID_FIELDS if one cannot be a leaf: then none is appended. Crash before the commit: none is in the log and no
    number was given. After it: all are, and appending them again is a no-op.

    A number of a source that another record has (its database was restored, or somebody forges) is not given twice, and
    the record is not lost: it comes in without a number, and says which one it claimed.
    """
    try:
        return await _append(pool, keys, leaves, now)
    except (psycopg.errors.UniqueViolation, NumberTaken):
        telemetry.count("numbers.taken")
    async with transaction(pool) as conn:
        taken = await store.taken_numbers(conn, leaves)
    return await _append(pool, keys, list(_without_taken(leaves, taken)), now)


class NumberTaken(Exception):
    """Another record of the log has this number of a source, where no constraint of the database reaches."""


async def _append(pool: Pool, keys: LogKeys, leaves: Sequence[Leaf], now: dt.datetime) -> int:
    entries = _prepare(leaves)
    async with transaction(pool) as conn:
        head = await lock_head(conn, keys, now)
        fresh = await _sequence(conn, head, entries)
        await source_store.count_sources(conn, fresh, now)
        # The claim that an epoch is over counts, whatever number it came with.
        ended = [leaf.object_id for leaf in fresh if leaf.reason == NUMBER_TAKEN and leaf.action in EPOCH_ENDS]
        await source_store.end_sources(conn, ended)
    telemetry.count("leaves", len(fresh))
    return len(fresh)


def _without_taken(leaves: Sequence[Leaf], taken: Mapping[tuple[str, int], str]) -> Iterator[Leaf]:
    """The leaves; those whose number another event has, in the log or before them in the list, without it."""
    owners = dict(taken)
    for leaf in leaves:
        number = (leaf.epoch, leaf.seq)
        if not leaf.epoch or owners.setdefault(number, leaf.event_id) == leaf.event_id:
            yield leaf
            continue
        claimed = f"{leaf.service}.{leaf.instance}/{leaf.epoch}/{leaf.seq}"
        yield replace(
            leaf, epoch="", instance="", seq=0, reason=NUMBER_TAKEN, detail={**leaf.detail, "claimed": claimed}
        )


@dataclass(frozen=True, slots=True)
class DirectBatch:
    """Records of a source without a database: numbers contiguous and ascending, and the source's claims about them."""

    epoch: str
    leaves: Sequence[Leaf]
    # Chain value after the last record, as the source computed it.
    chain: str
    # The same, from these records and the chain value before them.
    chain_from: Callable[[str], str]


async def append_direct(pool: Pool, keys: LogKeys, batch: DirectBatch, now: dt.datetime) -> tuple[int, str]:
    """Put a direct source's records into the log; returns the last one's leaf index and the chain now in force.

    The same records again: the same answer, with the chain of the first time. SEQUENCE_BROKEN if the numbers do not
    follow the last ones, the chain is another, or the epoch has ended: the source goes on in a new epoch.
    """
    entries = _prepare(batch.leaves)
    first, last = batch.leaves[0], batch.leaves[-1]
    async with transaction(pool) as conn:
        head = await lock_head(conn, keys, now)
        source = await source_store.source(conn, batch.epoch)
        if source is not None and last.seq <= source.last_seq:
            written = await store.index_of_number(conn, batch.epoch, last.seq)
            if written is None or written[1] != last.event_id:
                raise _broken("these numbers belong to other records")
            return written[0], source.chain
        expected, chain = (1, "") if source is None else (source.last_seq + 1, source.chain)
        if source is not None and not (source.direct and source.state == "open"):
            raise _broken("the epoch has ended")
        if first.seq != expected:
            raise _broken(f"number {first.seq} does not follow {expected - 1}")
        if batch.chain != batch.chain_from(chain):
            raise _broken("the chain does not fit the records")
        fresh = await _sequence(conn, head, entries)
        if len(fresh) != len(entries):
            raise _broken("records of this batch are in the log under other numbers")
        await source_store.count_sources(conn, fresh, now, direct=True, chain=batch.chain)
    telemetry.count("leaves", len(fresh))
    return head.next_index + len(fresh) - 1, batch.chain


async def recover_sources(
    pool: Pool, keys: LogKeys, silent_for: dt.timedelta, now: dt.datetime, new_id: Callable[[], str]
) -> int:
    """Close the epochs of direct sources that crashed, with what the log holds; returns how many.

    A source that was only asleep is refused with SEQUENCE_BROKEN and opens a new epoch.
    """
    async with transaction(pool) as conn:
        head = await lock_head(conn, keys, now)
        silent = await source_store.silent_sources(conn, now - silent_for)
        endings = [
            Leaf(
                event_id=new_id(),
                time=now,
                action="epoch.recovered",
                service=source.service,
                instance=source.instance,
                epoch=source.epoch,
                seq=source.last_seq + 1,
                staff_id="service:audit",
                object_type="epoch",
                object_id=source.epoch,
                detail={"last_seq": str(source.last_seq), "chain": source.chain},
            )
            for source in silent
        ]
        fresh = await _sequence(conn, head, _prepare(endings))
        await source_store.count_sources(conn, fresh, now, direct=True)
    return len(fresh)


def _prepare(leaves: Sequence[Leaf]) -> list[NewEntry]:
    entries = []
    for position, leaf in enumerate(leaves):
        try:
            entry = encode(leaf)
        except EntryError as error:
            raise malformed(f"records[{position}]", error) from error
        entries.append(NewEntry(leaf, entry, tlog.leaf_hash(entry)))
    return entries


async def lock_head(conn: Connection, keys: LogKeys, now: dt.datetime) -> Coordinator:
    """The coordinator, locked; the very first leaf opens the first log. Later years are opened by `turn_year`.

    UNAVAILABLE NOT_RECORDED until the database, since it was started, has been compared with the head in the object
    store: a number might be given that an older life of this database has given already.
    """
    head = await store.lock_coordinator(conn)
    if not head.compared:
        raise not_compared()
    return head if head.log_year else await open_log(conn, keys, domain.fiscal_year(now.date()), now)


async def open_log(conn: Connection, keys: LogKeys, log_year: int, now: dt.datetime) -> Coordinator:
    """An empty log, from now on the one that is written. The coordinator is locked by this transaction."""
    verifier = keys.of(log_year).verifier
    await tree_store.insert_log(conn, log_year, verifier.name, verifier.vkey, tlog.EMPTY_ROOT, now)
    await store.move_coordinator(conn, log_year, 0)
    return Coordinator(log_year, 0, True)


async def add(conn: Connection, head: Coordinator, leaves: Sequence[Leaf]) -> None:
    """Leaves of the log's own, within a transaction that has locked the coordinator."""
    await _sequence(conn, head, _prepare(leaves))


async def _sequence(conn: Connection, head: Coordinator, entries: Sequence[NewEntry]) -> list[Leaf]:
    """Give numbers to the entries that are new; returns their leaves. The coordinator is locked by this transaction."""
    once = {entry.leaf.event_id: entry for entry in entries}
    known = await store.known_events(conn, list(once))
    fresh = [entry for event_id, entry in once.items() if event_id not in known]
    if fresh:
        taken = await store.number_of_another_year(conn, head.log_year, [entry.leaf for entry in fresh])
        if taken is not None:
            raise NumberTaken(f"number {taken[1]} of epoch {taken[0]} is in the log of another year")
        await store.insert_entries(conn, head.log_year, head.next_index, fresh)
        await store.move_coordinator(conn, head.log_year, head.next_index + len(fresh))
    leaves = [entry.leaf for entry in fresh]
    await source_store.count_aggregates(conn, leaves)
    return leaves


def not_compared() -> DomainError:
    """The database was started anew and may be an older one: no number is given yet."""
    return DomainError(
        Kind.UNAVAILABLE, "NOT_RECORDED", "the log has not been compared with its head in the object store yet"
    )


def malformed(field: str, error: EntryError) -> DomainError:
    """A record that cannot be a leaf: the field for programs, the reason for the log of operations."""
    return DomainError(Kind.INVALID, "INVALID_FIELDS", f"{field}: {error}", [FieldViolation(field, "MALFORMED")])


def _broken(message: str) -> DomainError:
    return DomainError(Kind.PRECONDITION, "SEQUENCE_BROKEN", message)


# --- the tree ---------------------------------------------------------------------------------------------------


class LogDamaged(Exception):
    """Database or object store do not hold what they held before. Nothing more is signed until somebody has looked."""


class LogBehind(LogDamaged):
    """The database is older than the head in the object store: it was restored. `restore` brings it up to the head."""


class ClockAhead(Exception):
    """The clock is more than a year past the log that is written: no year is turned, since a closed one opens never
    again."""


class Fenced(Exception):
    """Another process signs. This one stops and looks again."""


async def integrate(conn: Connection, log_year: int) -> int:
    """Carry appended leaves into the tree; returns how many.

    Crash before the commit: the tree is where it was, the next run makes the same tiles. LogDamaged if a leaf is gone.
    """
    async with conn.transaction():
        log = await tree_store.lock_log(conn, log_year)
        rows = await tree_store.leaf_hashes(conn, log_year, log.size, INTEGRATION_STEP)
        if not rows:
            return 0
        for expected, (index, _) in enumerate(rows, start=log.size):
            if index != expected:
                raise LogDamaged(f"leaf {expected} of {log.origin} is gone")
        edge = _tree(log)
        filled = edge.extend(leaf_hash for _, leaf_hash in rows)
        await tree_store.insert_tiles(conn, log_year, filled)
        await tree_store.save_tree(conn, log_year, edge, log.size)
    return len(rows)


def _tree(log: Log) -> tlog.Edge:
    """The tree's edge, which must give the root that was stored with it."""
    edge = tlog.Edge.restore(log.size, log.edge)
    if edge.root() != log.root:
        raise LogDamaged(f"the root of {log.origin} does not fit its tiles")
    return edge


async def publish(conn: Connection, keys: LogKeys, vault: Vault, log_year: int, now: dt.datetime) -> int | None:
    """Sign a checkpoint over the integrated tree; returns its size, None when the last one covers it already.

    First everything full goes to the object store under lock, then the head there moves by compare and swap, then the
    first checkpoint of an hour goes there under lock as well, then the database follows. So of two that sign only the one
    that moved the head leaves its checkpoint for good. Crash in between: the head is ahead by a checkpoint over leaves
    that the database has; the next run signs the same bytes, or more, and archives what it signs.

    LogDamaged if the tree does not continue the last checkpoint or the head, the key is not the log's, or something else
    lies where a copy belongs. Fenced if another process moved the head. StoreError: nothing is signed without its
    outside memory.
    """
    await keep_full(conn, vault, log_year)
    async with conn.transaction():
        log = await tree_store.lock_log(conn, log_year)
        if log.checkpoint_size == log.size:
            return None
        key = keys.of(log_year)
        if key.verifier.vkey != log.verifier_key:
            raise LogDamaged(f"the signing key is not that of {log.origin}")
        _tree(log)
        if log.checkpoint_size:
            await require_continuation(conn, log, open_checkpoint(log.checkpoint, key.verifier))
        head = await vault.head()
        if head is None:
            if log.checkpoint_size or await tree_store.last_closed(conn) is not None:
                raise LogDamaged("the object store has lost the head of the log")
        else:
            await require_head(conn, keys, log, head.note)
        note = sign_checkpoint(log.origin, log.size, log.root, key)
        for path, content in await _last_bundle(conn, log):
            await vault.show(log_year, path, content)
        if head is None or head.note != note:
            try:
                await vault.move_head(head, note)
            except StoreConflict as conflict:
                raise Fenced(f"another process moved the head of {log.origin}") from conflict
        if await tree_store.archive_checkpoint(conn, log_year, log.size, note, now):
            await _keep(vault, log_year, checkpoint_path(log.size), note)
        await tree_store.save_checkpoint(conn, log_year, log.size, note)
    return log.size


async def require_head(conn: Connection, keys: LogKeys, log: Log, head: bytes) -> None:
    """The head is a checkpoint of this log that its tree continues, or, before its first, the final one of the log
    before it. LogBehind if this database is older than the head, LogDamaged for everything else."""
    log_year = head_year(head)
    checkpoint = open_checkpoint(head, keys.of(log_year).verifier)
    if log_year == log.log_year:
        if checkpoint.size < log.checkpoint_size:
            raise LogDamaged(f"the head in the object store is of {checkpoint.size} leaves, older than the database's")
        await require_continuation(conn, log, checkpoint)
        return
    if log_year > log.log_year:
        raise LogBehind(f"the head in the object store is of {checkpoint.origin}, the database's log of {log.origin}")
    before = await tree_store.last_closed(conn)
    if log.checkpoint_size or before is None or before.checkpoint != head:
        raise LogDamaged(
            f"the head in the object store is of {checkpoint.origin}, which is not the log before this one"
        )


def head_year(head: bytes) -> int:
    """The fiscal year of a checkpoint, not believed yet. NoteError if it is none."""
    return domain.year_of(parse_checkpoint(parse_note(head).text).origin)


async def require_continuation(conn: Connection, log: Log, older: Checkpoint) -> None:
    """The tree has the older one's leaves as its first. LogBehind if it is shorter, LogDamaged if they are others."""
    if older.size > log.size:
        raise LogBehind(f"{log.origin} has {log.size} leaves here; {older.size} were signed")
    tiles = await tree_store.read_tiles(conn, log, tlog.tiles_for([(0, older.size)], log.size))
    if tlog.root_at(older.size, tiles) != older.root:
        raise LogDamaged(f"the tree of {log.origin} does not continue its checkpoint of {older.size}")


async def keep_full(conn: Connection, vault: Vault, log_year: int) -> None:
    """Put every full tile and bundle that is not there yet into the object store, under lock.

    Crash in between: what was written is written again, with the same bytes. LogDamaged if others lie there.
    """
    log = await tree_store.log_of(conn, log_year)
    if log is None:
        raise LookupError(f"there is no log of {log_year}")
    paths = [
        Tile(level, index)
        for level in (ENTRIES, *range(tlog.levels_at(log.size)))
        for index in range(tlog.full_tiles(log.kept_size, level), tlog.full_tiles(log.size, level))
    ]
    for first in range(0, len(paths), KEEP_STEP):
        step = paths[first : first + KEEP_STEP]
        contents = await _contents(conn, log, step)
        try:
            async with asyncio.TaskGroup() as group:
                for tile, content in zip(step, contents, strict=True):
                    group.create_task(_keep(vault, log_year, tile.path, content))
        except* (LogDamaged, StoreError) as failed:
            # Damage is told first: a request that failed beside it is made again.
            raise min(failed.exceptions, key=lambda one: isinstance(one, StoreError)) from failed
    if paths:
        await tree_store.note_kept(conn, log_year, log.size)


async def _keep(vault: Vault, log_year: int, path: str, content: bytes) -> None:
    """Into the object store under lock, once. LogDamaged if something else lies there, whoever wrote it."""
    try:
        await vault.keep(log_year, path, content)
    except Altered as altered:
        raise LogDamaged(str(altered)) from altered


async def _contents(conn: Connection, log: Log, tiles: Sequence[Tile]) -> list[bytes]:
    """The bytes of full bundles, which follow on each other, and of full tiles: one statement for either. LogDamaged if
    the database does not have all of it."""
    bundles = [tile.index for tile in tiles if tile.level == ENTRIES]
    first = bundles[0] if bundles else 0
    leaves = await tree_store.leaves(conn, log.log_year, first * TILE_WIDTH, len(bundles) * TILE_WIDTH)
    hashes = await tree_store.read_tiles(conn, log, [tile for tile in tiles if tile.level != ENTRIES])
    if len(leaves) != len(bundles) * TILE_WIDTH or len(hashes) != len(tiles) - len(bundles):
        raise LogDamaged(f"leaves or tiles of {log.origin} are gone, among them of {tiles[0].path} to {tiles[-1].path}")
    found = []
    for tile in tiles:
        at = (tile.index - first) * TILE_WIDTH
        found.append(
            tlog.encode_bundle(leaves[at : at + TILE_WIDTH])
            if tile.level == ENTRIES
            else hashes[tile.level, tile.index]
        )
    return found


async def _last_bundle(conn: Connection, log: Log) -> list[tuple[str, bytes]]:
    """Path and bytes of a tree's partial bundle; none where the last one is full. Partial tiles follow from it.
    LogDamaged if the database does not have all of its leaves."""
    bundle = Tile(ENTRIES, log.size // TILE_WIDTH, log.size % TILE_WIDTH)
    if not bundle.width:
        return []
    entries = await tree_store.bundle_entries(conn, log.log_year, bundle)
    if len(entries) != bundle.width:
        raise LogDamaged(f"leaves of {log.origin} are gone: {bundle.path} would have {len(entries)}")
    return [(bundle.path, tlog.encode_bundle(entries))]


async def tidy(conn: Connection, vault: Vault) -> None:
    """Withdraw the partial bundles of earlier checkpoints from the object store; whoever read there has had its time."""
    log = await tree_store.current_log(conn)
    if log is not None:
        await vault.withdraw_all_but(log.log_year, {path for path, _ in await _last_bundle(conn, log)})


# --- the year's change ------------------------------------------------------------------------------------------


async def turn_year(
    conn: Connection, keys: LogKeys, vault: Vault, now: dt.datetime, new_id: Callable[[], str]
) -> int | None:
    """When the fiscal year has changed: sign and archive the old log's final checkpoint, close it, and open the new log with a
    leaf that names that checkpoint. Returns the new year, None while the old one lasts.

    Nobody appends meanwhile, so no leaf is between the two. Crash before the commit: the old log goes on, the head is
    at most one checkpoint ahead. A clock that was set back does not bring an old year back, and one that is further
    ahead than the year after turns none: ClockAhead.
    """
    log_year = domain.fiscal_year(now.date())
    async with conn.transaction():
        head = await store.lock_coordinator(conn)
        if not 0 < head.log_year < log_year or not head.compared:
            return None
        if log_year > head.log_year + 1:
            raise ClockAhead(f"the clock says {now.isoformat()}; the log that is written is of {head.log_year}")
        while await integrate(conn, head.log_year) == INTEGRATION_STEP:
            pass
        await publish(conn, keys, vault, head.log_year, now)
        await tree_store.close_log(conn, head.log_year)
        old = await tree_store.lock_log(conn, head.log_year)
        if await tree_store.insert_archived(conn, old.log_year, old.checkpoint_size, old.checkpoint, now):
            await _keep(vault, old.log_year, checkpoint_path(old.checkpoint_size), old.checkpoint)
        opening = Leaf(
            event_id=new_id(),
            time=now,
            action="log.opened",
            service="audit",
            staff_id="service:audit",
            object_type="log",
            object_id=domain.origin(keys.prefix, log_year),
            detail={
                "previous": old.origin,
                "previous_size": str(old.checkpoint_size),
                "previous_root": old.root.hex(),
                "previous_checkpoint": sha256(old.checkpoint).hexdigest(),
            },
        )
        await add(conn, await open_log(conn, keys, log_year, now), [opening])
    return log_year


async def keep_final(conn: Connection, vault: Vault, log_year: int) -> None:
    """A closed log's final checkpoint, and what is partial under it, into the object store under lock.

    Crash in between: done again with the same bytes. LogDamaged if others lie there.
    """
    log = await tree_store.log_of(conn, log_year)
    if log is None or not log.closed:
        raise LookupError(f"the log of {log_year} is not closed")
    partials = [(tile.path, content) for tile, content in tlog.Edge.restore(log.size, log.edge).partials()]
    for path, content in [*await _last_bundle(conn, log), *partials]:
        await _keep(vault, log_year, path, content)
    await _keep(vault, log_year, FINAL, log.checkpoint)
    await tree_store.note_final_kept(conn, log_year)
