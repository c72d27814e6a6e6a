"""SQL of where records come from: which numbers of which sources arrived, which versions of which objects, and the gaps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from chassis.db import Connection
from services.audit.domain import Numbers
from services.audit.entry import Leaf


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
