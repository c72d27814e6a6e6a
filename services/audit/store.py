# ruff: noqa: S608 - statements are put together from constants of this module
"""SQL of entries: giving numbers, appending, looking up. Entries are only ever inserted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import class_row

from chassis.db import Connection
from services.audit import copying
from services.audit.entry import Leaf

# --- appending --------------------------------------------------------------------------------------------------


class NewEntry(NamedTuple):
    """A leaf ready for the log: what it says, its bytes, its hash."""

    leaf: Leaf
    entry: bytes
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class Coordinator:
    """The log that is written now, and the number its next leaf gets."""

    log_year: int
    next_index: int
    # Whether the database, as it runs now, was compared with the head in the object store.
    compared: bool


async def lock_coordinator(conn: Connection) -> Coordinator:
    """Whoever holds this row appends; all others wait until the transaction ends."""
    async with conn.cursor(row_factory=class_row(Coordinator)) as cursor:
        await cursor.execute(
            "SELECT log_year, next_index, compared_in = this_life() AS compared FROM coordinator FOR UPDATE"
        )
        head = await cursor.fetchone()
    if head is None:
        raise LookupError("the coordinator row is gone")
    return head


async def move_coordinator(conn: Connection, log_year: int, next_index: int) -> None:
    """Give the next number."""
    await conn.execute("UPDATE coordinator SET log_year = %s, next_index = %s", (log_year, next_index))


async def mark_compared(conn: Connection) -> None:
    """From now on, until the database is started anew, numbers may be given."""
    await conn.execute("UPDATE coordinator SET compared_in = this_life()")


async def known_events(conn: Connection, event_ids: Sequence[str]) -> set[str]:
    """Which of these are in the log already."""
    cursor = await conn.execute(
        "SELECT event_id::text FROM entries WHERE event_id = ANY(%s::uuid[])", (list(event_ids),)
    )
    return {event_id for (event_id,) in await cursor.fetchall()}


# What repeats the leaf, to find it.
LEAF_COLUMNS = (
    *("event_id", "occurred_at", "epoch", "seq", "staff_id", "unit_id"),
    *("action", "outcome", "object_type", "object_id", "object_version", "document_id"),
)
_LEAF_COLUMN_LIST = ", ".join(LEAF_COLUMNS)


def columns_of(leaf: Leaf) -> tuple[object, ...]:
    """The values of LEAF_COLUMNS for a leaf."""
    return (
        UUID(leaf.event_id),
        leaf.time,
        UUID(leaf.epoch) if leaf.epoch else None,
        leaf.seq or None,
        leaf.staff_id,
        leaf.unit_id,
        leaf.action,
        leaf.outcome,
        leaf.object_type,
        leaf.object_id,
        leaf.object_version or None,
        leaf.document_id or None,
    )


async def number_of_another_year(conn: Connection, log_year: int, leaves: Iterable[Leaf]) -> tuple[str, int] | None:
    """One of these leaves' numbers (epoch, seq) that a log of another year has, None if there is none.

    Only sources that lived through a year's change can have one, so all but these are done with one look per epoch.
    """
    numbers: dict[str, list[int]] = {}
    for leaf in leaves:
        if leaf.epoch:
            numbers.setdefault(leaf.epoch, []).append(leaf.seq)
    for epoch, seqs in numbers.items():
        cursor = await conn.execute(
            "SELECT log_year FROM logs AS l WHERE log_year <> %(year)s AND EXISTS"
            " (SELECT 1 FROM entries AS e WHERE e.log_year = l.log_year AND e.epoch = %(epoch)s)",
            {"year": log_year, "epoch": epoch},
        )
        for (other,) in await cursor.fetchall():
            cursor = await conn.execute(
                "SELECT epoch::text, seq FROM entries WHERE log_year = %s AND epoch = %s AND seq = ANY(%s) LIMIT 1",
                (other, epoch, seqs),
            )
            if (taken := await cursor.fetchone()) is not None:
                return taken
    return None


# Rows on their way to the database at one time.
_COPY_STEP = 512


async def insert_entries(conn: Connection, log_year: int, first_index: int, entries: Sequence[NewEntry]) -> None:
    """Leaves at contiguous indexes."""
    columns = f"log_year, leaf_index, leaf, leaf_hash, {_LEAF_COLUMN_LIST}"
    async with (
        conn.cursor() as cursor,
        cursor.copy(f"COPY entries ({columns}) FROM STDIN (FORMAT binary)") as copy,
    ):
        await copy.write(copying.HEADER)
        for first in range(0, len(entries), _COPY_STEP):
            part = enumerate(entries[first : first + _COPY_STEP], start=first_index + first)
            await copy.write(b"".join([copying.row(log_year, index, *entry) for index, entry in part]))
        await copy.write(copying.TRAILER)


class StoredEntry(NamedTuple):
    """A row of entries; `columns` are the values of LEAF_COLUMNS."""

    leaf_index: int
    leaf: bytes
    leaf_hash: bytes
    columns: Sequence[object]


_STORED = f"SELECT leaf_index, leaf, leaf_hash, {_LEAF_COLUMN_LIST} FROM entries"


async def stored_entries(conn: Connection, log_year: int, first: int, count: int) -> list[StoredEntry]:
    """The rows that are there of `count` indexes from `first` on."""
    cursor = await conn.execute(
        f"{_STORED} WHERE log_year = %s AND leaf_index >= %s AND leaf_index < %s ORDER BY leaf_index",
        (log_year, first, first + count),
    )
    return [
        StoredEntry(index, leaf, leaf_hash, columns) for index, leaf, leaf_hash, *columns in await cursor.fetchall()
    ]


async def taken_numbers(conn: Connection, leaves: Iterable[Leaf]) -> dict[tuple[str, int], str]:
    """Of these leaves' numbers (epoch, seq) those that are in the log, with the id of the event that has each."""
    numbered = [(leaf.epoch, leaf.seq) for leaf in leaves if leaf.epoch]
    cursor = await conn.execute(
        "SELECT epoch::text, seq, event_id::text FROM entries"
        " JOIN unnest(%s::uuid[], %s::int8[]) AS asked (epoch, seq) USING (epoch, seq)",
        ([epoch for epoch, _ in numbered], [seq for _, seq in numbered]),
    )
    return {(epoch, seq): event_id for epoch, seq, event_id in await cursor.fetchall()}


# --- looking things up ------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """An entry and where it is."""

    log_year: int
    leaf_index: int
    leaf: bytes


_FOUND = "SELECT log_year, leaf_index, leaf FROM entries"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page of a list ended: entries are listed by time, newest first."""

    occurred_at: dt.datetime
    log_year: int
    leaf_index: int


_CONDITIONS = {
    "staff_id": "staff_id = %(staff_id)s",
    "unit_id": "unit_id = %(unit_id)s",
    "action": "action = %(action)s",
    "document_id": "document_id = %(document_id)s",
    "epoch": "epoch = %(epoch)s",
    "seq": "seq = %(seq)s",
    "from_time": "occurred_at >= %(from_time)s",
    "to_time": "occurred_at < %(to_time)s",
    "granted": "outcome = 'granted'",
    # The second half lets the planner take the index of refusals.
    "denied": "outcome = 'denied' AND outcome <> 'granted'",
    "failed": "outcome = 'failed' AND outcome <> 'granted'",
}


def entries_query(filters: Mapping[str, object], before: Position | None, limit: int) -> tuple[str, dict[str, object]]:
    """The statement of `find_entries`, and its values."""
    where = [_CONDITIONS[str(value) if name == "outcome" else name] for name, value in filters.items()]
    values: dict[str, object] = {**filters, "limit": limit}
    if before is not None:
        where.append("(occurred_at, log_year, leaf_index) < (%(at)s, %(at_year)s, %(at_index)s)")
        values |= {"at": before.occurred_at, "at_year": before.log_year, "at_index": before.leaf_index}
    matching = f" WHERE {' AND '.join(where)}" if where else ""
    return f"{_FOUND}{matching} ORDER BY occurred_at DESC, log_year DESC, leaf_index DESC LIMIT %(limit)s", values


async def find_entries(
    conn: Connection, filters: Mapping[str, object], before: Position | None, limit: int
) -> list[Found]:
    """Entries that meet all filters, newest first, one statement over one index.

    Filters: staff_id, unit_id, action, outcome (one of entry.OUTCOMES), document_id, epoch with seq, from_time
    (inclusive) and to_time (exclusive).
    """
    # Planned each time for its own values: what is the best walk for a busy unit is not for one of three people.
    cursor = await conn.execute(*entries_query(filters, before, limit), prepare=False)
    return [Found(*row) for row in await cursor.fetchall()]


async def entry_at(conn: Connection, log_year: int, leaf_index: int) -> Found | None:
    """One entry by its index."""
    cursor = await conn.execute(f"{_FOUND} WHERE log_year = %s AND leaf_index = %s", (log_year, leaf_index))
    row = await cursor.fetchone()
    return None if row is None else Found(*row)


async def last_event_of_document(conn: Connection, document_id: str, action: str) -> Found | None:
    """The newest event (not access) with this action about the document, in whichever year's log."""
    cursor = await conn.execute(
        f"{_FOUND} WHERE document_id = %s AND action = %s AND object_version IS NOT NULL"
        " ORDER BY occurred_at DESC, log_year DESC, leaf_index DESC LIMIT 1",
        (document_id, action),
    )
    row = await cursor.fetchone()
    return None if row is None else Found(*row)


async def index_of_number(conn: Connection, epoch: str, seq: int) -> tuple[int, str] | None:
    """Leaf index and event id of a source's record."""
    cursor = await conn.execute(
        "SELECT leaf_index, event_id::text FROM entries WHERE epoch = %s AND seq = %s", (epoch, seq)
    )
    return await cursor.fetchone()
