"""SQL of the tree: the logs of the years, tiles and checkpoints, which are only ever inserted, and leaves by their index."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from chassis.db import Connection
from services.audit.tlog import HASH_SIZE, TILE_WIDTH, Edge, Tile


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


async def insert_log(
    conn: Connection, log_year: int, origin: str, verifier_key: str, root: bytes, now: dt.datetime
) -> None:
    """An empty log of a year."""
    await conn.execute(
        "INSERT INTO logs (log_year, origin, verifier_key, root, opened_at) VALUES (%s, %s, %s, %s, %s)",
        (log_year, origin, verifier_key, root, now),
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
    """Keep this checkpoint for good if it is the first of its hour; whether it is. What was signed in another hour does
    not count, a later one neither: a clock that ran ahead for a time leaves no gap behind it."""
    cursor = await conn.execute(
        "INSERT INTO checkpoints (log_year, size, note, signed_at) SELECT %s, %s, %s, %s WHERE NOT EXISTS"
        " (SELECT 1 FROM checkpoints, date_trunc('hour', %s::timestamptz) AS hour"
        " WHERE log_year = %s AND signed_at >= hour AND signed_at < hour + interval '1 hour')",
        (log_year, size, note, now, now, log_year),
    )
    return cursor.rowcount == 1


async def insert_archived(conn: Connection, log_year: int, size: int, note: bytes, now: dt.datetime) -> bool:
    """Keep a checkpoint for good, whatever its hour; whether it was not kept already."""
    cursor = await conn.execute(
        "INSERT INTO checkpoints (log_year, size, note, signed_at) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (log_year, size, note, now),
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
