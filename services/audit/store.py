# ruff: noqa: S608 - statements are put together from constants of this module
"""All SQL of the audit service. Entries, tiles and checkpoints are only ever inserted."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import class_row

from chassis.db import Connection
from services.audit import copying
from services.audit.domain import Numbers
from services.audit.entry import Leaf
from services.audit.tlog import HASH_SIZE, TILE_WIDTH, Edge, Tile

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


async def insert_log(
    conn: Connection, log_year: int, origin: str, verifier_key: str, root: bytes, now: dt.datetime
) -> None:
    """An empty log of a year."""
    await conn.execute(
        "INSERT INTO logs (log_year, origin, verifier_key, root, opened_at) VALUES (%s, %s, %s, %s, %s)",
        (log_year, origin, verifier_key, root, now),
    )


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


async def end_sources(conn: Connection, epochs: Sequence[str]) -> None:
    """These epochs are over, although the record that says so has no number among theirs."""
    if epochs:
        await conn.execute(
            "UPDATE sources SET state = 'recovered' WHERE epoch = ANY(%s::uuid[]) AND state = 'open'", (list(epochs),)
        )


_ENDS = {"epoch.close": "closed", "epoch.recovered": "recovered"}


@dataclass(slots=True)
class _Arrival:
    """What one batch of leaves brought of one epoch."""

    first: Leaf
    last_seq: int = 0
    seen: int = 0
    state: str = "open"


async def count_sources(
    conn: Connection, leaves: Iterable[Leaf], now: dt.datetime, *, direct: bool = False, chain: str = ""
) -> None:
    """Note which numbers of which sources arrived with these (new) leaves."""
    arrivals: dict[str, _Arrival] = {}
    for leaf in leaves:
        if not leaf.epoch:
            continue
        arrival = arrivals.setdefault(leaf.epoch, _Arrival(leaf))
        arrival.last_seq = max(arrival.last_seq, leaf.seq)
        arrival.seen += 1
        arrival.state = _ENDS.get(leaf.action, arrival.state)
    if not arrivals:
        return
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO sources AS s (epoch, service, instance, last_seq, seen, opened_at, last_seen_at, state,"
            " direct, chain) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (epoch) DO UPDATE SET last_seq = greatest(s.last_seq, excluded.last_seq),"
            " seen = s.seen + excluded.seen, opened_at = least(s.opened_at, excluded.opened_at),"
            " last_seen_at = excluded.last_seen_at, chain = excluded.chain,"
            " state = CASE WHEN excluded.state = 'open' THEN s.state ELSE excluded.state END",
            [
                (
                    *(epoch, arrival.first.service, arrival.first.instance, arrival.last_seq, arrival.seen),
                    *(arrival.first.time, now, arrival.state, direct, chain),
                )
                for epoch, arrival in sorted(arrivals.items())
            ],
        )


async def count_aggregates(conn: Connection, leaves: Iterable[Leaf]) -> None:
    """Note which versions of which objects arrived with these (new) leaves."""
    rows: dict[tuple[str, str, str], list[int]] = {}
    for leaf in leaves:
        if leaf.object_version:
            row = rows.setdefault((leaf.service, leaf.object_type, leaf.object_id), [0, 0])
            row[0] = max(row[0], leaf.object_version)
            row[1] += 1
    if not rows:
        return
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO aggregates AS a (service, object_type, object_id, last_version, seen)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (service, object_type, object_id) DO UPDATE SET"
            " last_version = greatest(a.last_version, excluded.last_version), seen = a.seen + excluded.seen",
            [(*key, *row) for key, row in sorted(rows.items())],
        )


# --- the tree ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Log:
    """A year's log: the tree as far as integrated, and the last checkpoint."""

    log_year: int
    origin: str
    verifier_key: str
    size: int
    root: bytes
    edge: list[bytes]
    checkpoint: bytes
    checkpoint_size: int
    kept_size: int
    closed: bool
    final_kept: bool


_LOG = (
    "SELECT log_year, origin, verifier_key, size, root, edge, checkpoint, checkpoint_size, kept_size, closed,"
    " final_kept FROM logs"
)


async def current_log(conn: Connection) -> Log | None:
    """The newest log, None before the first leaf."""
    async with conn.cursor(row_factory=class_row(Log)) as cursor:
        await cursor.execute(f"{_LOG} ORDER BY log_year DESC LIMIT 1")
        return await cursor.fetchone()


async def lock_log(conn: Connection, log_year: int) -> Log:
    """The log, locked for integration or signing until the transaction ends."""
    async with conn.cursor(row_factory=class_row(Log)) as cursor:
        await cursor.execute(f"{_LOG} WHERE log_year = %s FOR UPDATE", (log_year,))
        log = await cursor.fetchone()
    if log is None:
        raise LookupError(f"there is no log of {log_year}")
    return log


async def log_of(conn: Connection, log_year: int) -> Log | None:
    """The log of a year."""
    async with conn.cursor(row_factory=class_row(Log)) as cursor:
        await cursor.execute(f"{_LOG} WHERE log_year = %s", (log_year,))
        return await cursor.fetchone()


async def all_logs(conn: Connection) -> list[Log]:
    """Every year's log, the newest first."""
    async with conn.cursor(row_factory=class_row(Log)) as cursor:
        await cursor.execute(f"{_LOG} ORDER BY log_year DESC")
        return await cursor.fetchall()


async def pending_logs(conn: Connection) -> list[int]:
    """Years whose log has leaves that are not integrated or not covered by a checkpoint."""
    cursor = await conn.execute(
        "SELECT log_year FROM logs l WHERE checkpoint_size < size OR EXISTS"
        " (SELECT 1 FROM entries e WHERE e.log_year = l.log_year AND e.leaf_index >= l.size) ORDER BY log_year"
    )
    return [log_year for (log_year,) in await cursor.fetchall()]


async def leaf_hashes(conn: Connection, log_year: int, first: int, limit: int) -> list[tuple[int, bytes]]:
    """(index, hash) of up to `limit` leaves from `first` on."""
    cursor = await conn.execute(
        "SELECT leaf_index, leaf_hash FROM entries WHERE log_year = %s AND leaf_index >= %s"
        " ORDER BY leaf_index LIMIT %s",
        (log_year, first, limit),
    )
    return await cursor.fetchall()


async def insert_tiles(conn: Connection, log_year: int, tiles: Sequence[tuple[Tile, bytes]]) -> None:
    """Full tiles. A tile that exists already is an error: its leaves were integrated before."""
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO tiles (log_year, level, tile_index, hashes) VALUES (%s, %s, %s, %s)",
            [(log_year, tile.level, tile.index, hashes) for tile, hashes in tiles],
        )


async def save_tree(conn: Connection, log_year: int, edge: Edge, old_size: int) -> bool:
    """Move the tree on from `old_size`; False when somebody else did."""
    cursor = await conn.execute(
        "UPDATE logs SET size = %s, root = %s, edge = %s WHERE log_year = %s AND size = %s",
        (edge.size, edge.root(), edge.saved(), log_year, old_size),
    )
    return cursor.rowcount == 1


async def save_checkpoint(conn: Connection, log_year: int, size: int, note: bytes) -> None:
    """The checkpoint now in force."""
    await conn.execute(
        "UPDATE logs SET checkpoint = %s, checkpoint_size = %s WHERE log_year = %s", (note, size, log_year)
    )


async def archive_checkpoint(conn: Connection, log_year: int, size: int, note: bytes, now: dt.datetime) -> bool:
    """Keep this checkpoint for good if it is the first of its hour; whether it is."""
    cursor = await conn.execute(
        "INSERT INTO checkpoints (log_year, size, note, signed_at) SELECT %s, %s, %s, %s WHERE NOT EXISTS"
        " (SELECT 1 FROM checkpoints WHERE log_year = %s AND signed_at >= date_trunc('hour', %s::timestamptz))",
        (log_year, size, note, now, log_year, now),
    )
    return cursor.rowcount == 1


async def note_kept(conn: Connection, log_year: int, size: int) -> None:
    """Full tiles and bundles of this many leaves lie in the object store."""
    await conn.execute("UPDATE logs SET kept_size = %s WHERE log_year = %s AND kept_size < %s", (size, log_year, size))


async def close_log(conn: Connection, log_year: int) -> None:
    """No more leaves."""
    await conn.execute("UPDATE logs SET closed = true WHERE log_year = %s", (log_year,))


async def last_closed(conn: Connection) -> Log | None:
    """The newest closed log."""
    async with conn.cursor(row_factory=class_row(Log)) as cursor:
        await cursor.execute(f"{_LOG} WHERE closed ORDER BY log_year DESC LIMIT 1")
        return await cursor.fetchone()


async def note_final_kept(conn: Connection, log_year: int) -> None:
    """The final checkpoint lies in the object store."""
    await conn.execute("UPDATE logs SET final_kept = true WHERE log_year = %s", (log_year,))


async def closed_logs_to_keep(conn: Connection) -> list[int]:
    """Years whose log is closed and whose final checkpoint is not in the object store yet."""
    cursor = await conn.execute("SELECT log_year FROM logs WHERE closed AND NOT final_kept ORDER BY log_year")
    return [log_year for (log_year,) in await cursor.fetchall()]


async def read_tiles(conn: Connection, log: Log, tiles: Sequence[Tile]) -> dict[tuple[int, int], bytes]:
    """The hashes of these tiles, each cut to its width; what does not exist is left out.

    `log` must have been read before: a partial tile comes from its edge, and one that was filled since lies in tiles.
    """
    found: dict[tuple[int, int], bytes] = {}
    stored: list[Tile] = []
    for tile in tiles:
        if tile.level < len(log.edge) and tile.index == log.size >> (8 * (tile.level + 1)):
            found[tile.level, tile.index] = log.edge[tile.level][: tile.width * HASH_SIZE]
        else:
            stored.append(tile)
    if stored:
        widths = {(tile.level, tile.index): tile.width for tile in stored}
        cursor = await conn.execute(
            "SELECT level, tile_index, hashes FROM tiles"
            " JOIN unnest(%s::int2[], %s::int8[]) AS wanted (level, tile_index) USING (level, tile_index)"
            " WHERE log_year = %s",
            ([tile.level for tile in stored], [tile.index for tile in stored], log.log_year),
        )
        for level, index, hashes in await cursor.fetchall():
            found[level, index] = hashes[: widths[level, index] * HASH_SIZE]
    return found


async def leaves(conn: Connection, log_year: int, first: int, count: int) -> list[bytes]:
    """`count` leaves from an index on, fewer at the end of the log."""
    cursor = await conn.execute(
        "SELECT leaf FROM entries WHERE log_year = %s AND leaf_index >= %s AND leaf_index < %s ORDER BY leaf_index",
        (log_year, first, first + count),
    )
    return [leaf for (leaf,) in await cursor.fetchall()]


async def bundle_entries(conn: Connection, log_year: int, bundle: Tile) -> list[bytes]:
    """The entries of one bundle, as many as its width."""
    return await leaves(conn, log_year, bundle.index * TILE_WIDTH, bundle.width)


async def all_entries(conn: Connection, log_year: int, size: int, step: int = 4 * TILE_WIDTH) -> AsyncIterator[bytes]:
    """The first `size` entries in order, read `step` at a time."""
    for first in range(0, size, step):
        for leaf in await leaves(conn, log_year, first, min(step, size - first)):
            yield leaf


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


# --- completeness -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """What arrived of one source and epoch."""

    epoch: str
    service: str
    instance: str
    last_seq: int
    seen: int
    opened_at: dt.datetime
    last_seen_at: dt.datetime
    state: str
    direct: bool
    chain: str


_SOURCE = (
    "SELECT epoch::text, service, instance, last_seq, seen, opened_at, last_seen_at, state, direct, chain FROM sources"
)


async def source(conn: Connection, epoch: str) -> Source | None:
    """One epoch."""
    async with conn.cursor(row_factory=class_row(Source)) as cursor:
        await cursor.execute(f"{_SOURCE} WHERE epoch = %s", (epoch,))
        return await cursor.fetchone()


async def last_numbers(conn: Connection, epochs: Collection[str]) -> dict[str, int]:
    """The highest number in the log of each of these epochs that has any."""
    cursor = await conn.execute(
        "SELECT epoch::text, last_seq FROM sources WHERE epoch = ANY(%s::uuid[])", (list(epochs),)
    )
    return dict(await cursor.fetchall())


async def silent_sources(conn: Connection, before: dt.datetime) -> list[Source]:
    """Open epochs of direct sources that were last heard before then."""
    async with conn.cursor(row_factory=class_row(Source)) as cursor:
        await cursor.execute(f"{_SOURCE} WHERE direct AND state = 'open' AND last_seen_at < %s LIMIT 100", (before,))
        return await cursor.fetchall()


async def list_sources(conn: Connection, limit: int) -> list[Source]:
    """Sources with missing numbers first, then those last heard."""
    async with conn.cursor(row_factory=class_row(Source)) as cursor:
        await cursor.execute(f"{_SOURCE} ORDER BY (seen <> last_seq) DESC, last_seen_at DESC LIMIT %s", (limit,))
        return await cursor.fetchall()


async def missing_numbers(conn: Connection, epoch: str, limit: int) -> list[int]:
    """The first numbers of a source that are not in the log, below the highest that is."""
    cursor = await conn.execute(
        "SELECT before + 1, seq - 1 FROM"
        " (SELECT seq, lag(seq, 1, 0::bigint) OVER (ORDER BY seq) AS before FROM entries WHERE epoch = %s) AS numbered"
        " WHERE seq > before + 1 ORDER BY seq LIMIT %s",
        (epoch, limit),
    )
    return _spelled_out(await cursor.fetchall(), limit)


async def missing_versions(conn: Connection, object_type: str, object_id: str, limit: int) -> list[int]:
    """The first versions of an object whose events are not in the log, below the highest that is."""
    cursor = await conn.execute(
        "SELECT object_version FROM entries WHERE object_type = %s AND object_id = %s AND object_version IS NOT NULL",
        (object_type, object_id),
    )
    numbers = Numbers()
    for (version,) in await cursor.fetchall():
        numbers.add(version)
    return _spelled_out(numbers.missing(), limit)


def _spelled_out(spans: Iterable[tuple[int, int]], limit: int) -> list[int]:
    numbers: list[int] = []
    for first, last in spans:
        numbers += range(first, min(last, first + limit - len(numbers) - 1) + 1)
    return numbers


async def aggregates_with_gaps(conn: Connection, limit: int) -> list[tuple[str, str]]:
    """(object type, id) of objects whose events are not all here."""
    cursor = await conn.execute(
        "SELECT object_type, object_id FROM aggregates WHERE seen <> last_version"
        " ORDER BY object_type, object_id LIMIT %s",
        (limit,),
    )
    return await cursor.fetchall()
