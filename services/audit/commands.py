"""Everything that writes to the log, one transaction each.

Appending gives numbers (any replica, one at a time, through the coordinator row). Integrating makes the tree of what
was appended, publishing signs it (the one replica that leads). Each step killed anywhere and run again gives the same
bytes: numbers are given once, tiles and roots follow from them, and Ed25519 is deterministic.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from chassis import telemetry
from chassis.db import Connection, Pool, transaction
from chassis.errors import DomainError, FieldViolation, Kind
from services.audit import domain, store, tlog
from services.audit.entry import EntryError, Leaf, encode
from services.audit.note import SigningKey, open_checkpoint, sign_checkpoint
from services.audit.store import Coordinator, Log, NewEntry

# Leaves integrated in one transaction.
INTEGRATION_STEP = 8192


class LogKeys:
    """The log's signing key under the name of each year's log."""

    def __init__(self, prefix: str, pem: bytes) -> None:
        self._prefix = prefix
        self._pem = pem
        self.of = lru_cache(maxsize=4)(self._of)

    def _of(self, log_year: int) -> SigningKey:
        return SigningKey.from_pem(domain.origin(self._prefix, log_year), self._pem)


# --- appending --------------------------------------------------------------------------------------------------


async def append(pool: Pool, keys: LogKeys, leaves: Sequence[Leaf], now: dt.datetime) -> int:
    """Put leaves into the log, in this order, each exactly once; returns how many were new.

    INVALID_FIELDS if one cannot be a leaf: then none is appended. Crash before the commit: none is in the log and no
    number was given. After it: all are, and appending them again is a no-op.
    """
    entries = _prepare(leaves)
    async with transaction(pool) as conn:
        head = await _lock_head(conn, keys, now)
        fresh = await _sequence(conn, head, entries)
        await store.count_sources(conn, fresh, now)
    telemetry.count("leaves", len(fresh))
    return len(fresh)


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
        head = await _lock_head(conn, keys, now)
        source = await store.source(conn, batch.epoch)
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
        await store.count_sources(conn, fresh, now, direct=True, chain=batch.chain)
    telemetry.count("leaves", len(fresh))
    return head.next_index + len(fresh) - 1, batch.chain


async def recover_sources(
    pool: Pool, keys: LogKeys, silent_for: dt.timedelta, now: dt.datetime, new_id: Callable[[], str]
) -> int:
    """Close the epochs of direct sources that crashed, with what the log holds; returns how many.

    A source that was only asleep is refused with SEQUENCE_BROKEN and opens a new epoch.
    """
    async with transaction(pool) as conn:
        head = await _lock_head(conn, keys, now)
        silent = await store.silent_sources(conn, now - silent_for)
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
        await store.count_sources(conn, fresh, now, direct=True)
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


async def _lock_head(conn: Connection, keys: LogKeys, now: dt.datetime) -> Coordinator:
    """The coordinator, locked; with the first leaf of a fiscal year a new log begins."""
    head = await store.lock_coordinator(conn)
    # A clock that was set back must not reopen the log of an earlier year.
    log_year = max(head.log_year, domain.fiscal_year(now.date()))
    if log_year == head.log_year:
        return head
    verifier = keys.of(log_year).verifier
    await store.insert_log(conn, log_year, verifier.name, verifier.vkey, tlog.EMPTY_ROOT, now)
    await store.move_coordinator(conn, log_year, 0)
    return Coordinator(log_year, 0)


async def _sequence(conn: Connection, head: Coordinator, entries: Sequence[NewEntry]) -> list[Leaf]:
    """Give numbers to the entries that are new; returns their leaves. The coordinator is locked by this transaction."""
    once = {entry.leaf.event_id: entry for entry in entries}
    known = await store.known_events(conn, list(once))
    fresh = [entry for event_id, entry in once.items() if event_id not in known]
    if fresh:
        await store.insert_entries(conn, head.log_year, head.next_index, fresh)
        await store.move_coordinator(conn, head.log_year, head.next_index + len(fresh))
    leaves = [entry.leaf for entry in fresh]
    await store.count_aggregates(conn, leaves)
    return leaves


def malformed(field: str, error: EntryError) -> DomainError:
    """A record that cannot be a leaf: the field for programs, the reason for the log of operations."""
    return DomainError(Kind.INVALID, "INVALID_FIELDS", f"{field}: {error}", [FieldViolation(field, "MALFORMED")])


def _broken(message: str) -> DomainError:
    return DomainError(Kind.PRECONDITION, "SEQUENCE_BROKEN", message)


# --- the tree ---------------------------------------------------------------------------------------------------


class LogDamaged(Exception):
    """The database does not hold what it held before. Nothing more is signed until somebody has looked."""


async def integrate(conn: Connection, log_year: int) -> int:
    """Carry appended leaves into the tree; returns how many.

    Crash before the commit: the tree is where it was, the next run makes the same tiles. LogDamaged if a leaf is gone.
    """
    async with conn.transaction():
        log = await store.lock_log(conn, log_year)
        rows = await store.leaf_hashes(conn, log_year, log.size, INTEGRATION_STEP)
        if not rows:
            return 0
        for expected, (index, _) in enumerate(rows, start=log.size):
            if index != expected:
                raise LogDamaged(f"leaf {expected} of {log.origin} is gone")
        edge = _tree(log)
        filled = edge.extend(leaf_hash for _, leaf_hash in rows)
        await store.insert_tiles(conn, log_year, filled)
        await store.save_tree(conn, log_year, edge, log.size)
    return len(rows)


def _tree(log: Log) -> tlog.Edge:
    """The tree's edge, which must give the root that was stored with it."""
    edge = tlog.Edge.restore(log.size, log.edge)
    if edge.root() != log.root:
        raise LogDamaged(f"the root of {log.origin} does not fit its tiles")
    return edge


async def publish(conn: Connection, keys: LogKeys, log_year: int, now: dt.datetime) -> int | None:
    """Sign a checkpoint over the integrated tree; returns its size, None when the last one covers it already.

    Crash before the commit: nobody saw the signature, and the next one over the same tree is the same bytes.
    LogDamaged if the tree does not continue the last checkpoint's, or the key is not the log's.
    """
    async with conn.transaction():
        log = await store.lock_log(conn, log_year)
        if log.checkpoint_size == log.size:
            return None
        key = keys.of(log_year)
        if key.verifier.vkey != log.verifier_key:
            raise LogDamaged(f"the signing key is not that of {log.origin}")
        _tree(log)
        if log.checkpoint_size:
            last = open_checkpoint(log.checkpoint, key.verifier)
            tiles = await store.read_tiles(conn, log, tlog.tiles_for([(0, last.size)], log.size))
            if tlog.root_at(last.size, tiles) != last.root:
                raise LogDamaged(f"the tree of {log.origin} does not continue its checkpoint of {last.size}")
        note = sign_checkpoint(log.origin, log.size, log.root, key)
        await store.save_checkpoint(conn, log_year, log.size, note, now)
    return log.size
