"""All SQL of completeness: what is missing, which alarms stand, what was counted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from psycopg.rows import class_row

from chassis.db import Connection
from services.audit.completeness.chains import Chain
from services.audit.completeness.domain import Alarm, Commitment, Count

# Rows looked at in one round: beyond this many alarms of a kind nobody reads them one by one.
MOST = 100


# --- alarms -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """An alarm as it is kept."""

    kind: str
    subject: str
    first_number: int
    last_number: int
    since: dt.datetime
    until: dt.datetime | None


async def standing(conn: Connection, kinds: Collection[str]) -> list[Alarm]:
    """Alarms of these kinds that have not ended."""
    cursor = await conn.execute(
        "SELECT kind, subject, first_number, last_number FROM alarms WHERE until IS NULL AND kind = ANY(%s)",
        (list(kinds),),
    )
    return [Alarm(*row) for row in await cursor.fetchall()]


async def newest_alarms(conn: Connection, limit: int) -> list[Standing]:
    """Those that stand first, then the newest."""
    async with conn.cursor(row_factory=class_row(Standing)) as cursor:
        await cursor.execute(
            "SELECT kind, subject, first_number, last_number, since, until FROM alarms"
            " ORDER BY (until IS NULL) DESC, since DESC, alarm_id DESC LIMIT %s",
            (limit,),
        )
        return await cursor.fetchall()


async def begin(conn: Connection, alarms: Iterable[Alarm], now: dt.datetime) -> None:
    """From now on they stand."""
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO alarms (kind, subject, first_number, last_number, since) VALUES (%s, %s, %s, %s, %s)",
            [(one.kind, one.subject, one.first, one.last, now) for one in alarms],
        )


async def end(conn: Connection, alarms: Iterable[Alarm], now: dt.datetime) -> None:
    """They stand no longer."""
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "UPDATE alarms SET until = %s WHERE until IS NULL AND kind = %s AND subject = %s"
            " AND first_number = %s AND last_number = %s",
            [(now, one.kind, one.subject, one.first, one.last) for one in alarms],
        )


async def source_gaps(conn: Connection) -> list[Alarm]:
    """Spans of numbers that are not in the log, below the highest of their source that is."""
    cursor = await conn.execute(
        "SELECT s.service || '.' || s.instance || '/' || s.epoch, n.before + 1, n.seq - 1 FROM"
        " (SELECT epoch, service, instance FROM sources WHERE seen <> last_seq ORDER BY last_seen_at DESC LIMIT %s) AS s"
        " CROSS JOIN LATERAL (SELECT e.seq, lag(e.seq, 1, 0::bigint) OVER (ORDER BY e.seq) AS before"
        " FROM entries AS e WHERE e.epoch = s.epoch) AS n WHERE n.seq > n.before + 1 ORDER BY s.epoch, n.seq LIMIT %s",
        (MOST, MOST),
    )
    return [Alarm("source.gap", *row) for row in await cursor.fetchall()]


async def object_gaps(conn: Connection) -> list[Alarm]:
    """Spans of versions of objects whose events are not in the log, below the highest that is."""
    cursor = await conn.execute(
        "SELECT a.service || '.' || a.object_type || '/' || a.object_id, n.before + 1, n.object_version - 1 FROM"
        " (SELECT service, object_type, object_id FROM aggregates WHERE seen <> last_version LIMIT %s) AS a"
        " CROSS JOIN LATERAL (SELECT e.object_version,"
        " lag(e.object_version, 1, 0::bigint) OVER (ORDER BY e.object_version) AS before FROM entries AS e"
        " WHERE e.object_type = a.object_type AND e.object_id = a.object_id AND e.object_version IS NOT NULL) AS n"
        " WHERE n.object_version > n.before + 1 ORDER BY a.object_id, n.object_version LIMIT %s",
        (MOST, MOST),
    )
    return [Alarm("object.gap", *row) for row in await cursor.fetchall()]


async def overdue_sources(conn: Connection, before: dt.datetime) -> list[Alarm]:
    """Open epochs that were last heard before then."""
    cursor = await conn.execute(
        "SELECT service || '.' || instance || '/' || epoch FROM sources WHERE state = 'open' AND last_seen_at < %s"
        " ORDER BY last_seen_at DESC LIMIT %s",
        (before, MOST),
    )
    return [Alarm("source.overdue", subject) for (subject,) in await cursor.fetchall()]


# --- the canary --------------------------------------------------------------------------------------------------


async def leaves_of(conn: Connection, staff_id: str, since: dt.datetime) -> list[bytes]:
    """What somebody did since then, oldest first."""
    cursor = await conn.execute(
        "SELECT leaf FROM entries WHERE staff_id = %s AND occurred_at >= %s ORDER BY occurred_at, log_year, leaf_index",
        (staff_id, since),
    )
    return [leaf for (leaf,) in await cursor.fetchall()]


async def records_at(conn: Connection, numbers: Sequence[tuple[str, int]]) -> dict[tuple[str, int], list[bytes]]:
    """The leaves under each of these numbers (epoch, seq); none where the log has no such record."""
    found: dict[tuple[str, int], list[bytes]] = {number: [] for number in numbers}
    cursor = await conn.execute(
        "SELECT r.epoch, r.seq, e.leaf FROM unnest(%s::text[], %s::int8[]) AS r (epoch, seq)"
        " JOIN entries AS e ON e.epoch = r.epoch::uuid AND e.seq = r.seq",
        ([epoch for epoch, _ in found], [seq for _, seq in found]),
    )
    for epoch, seq, leaf in await cursor.fetchall():
        found[epoch, seq].append(leaf)
    return found


async def serving_gateways(conn: Connection) -> dict[str, tuple[str, dt.datetime]]:
    """Epoch → name, and since when, of the gateways that have not ended."""
    cursor = await conn.execute(
        "SELECT epoch::text, service || '.' || instance || '/' || epoch, opened_at FROM sources"
        " WHERE service = 'gateway' AND state = 'open'"
    )
    return {epoch: (name, opened_at) for epoch, name, opened_at in await cursor.fetchall()}


# --- chains of sources -------------------------------------------------------------------------------------------


async def to_follow(conn: Connection) -> list[str]:
    """Epochs with records that were not compared with the chain yet, none of which is missing. Who is heard no more
    comes first."""
    cursor = await conn.execute(
        "SELECT epoch::text FROM sources WHERE chained_seq < last_seq AND seen = last_seq ORDER BY last_seen_at LIMIT %s",
        (MOST,),
    )
    return [epoch for (epoch,) in await cursor.fetchall()]


async def chain_of(conn: Connection, epoch: str) -> tuple[str, Chain]:
    """The source's name, and how far its chain was followed."""
    cursor = await conn.execute(
        "SELECT service || '.' || instance || '/' || epoch, chained_seq, chained, vouched_seq FROM sources"
        " WHERE epoch = %s",
        (epoch,),
    )
    [(name, *chain)] = await cursor.fetchall()
    return name, Chain(*chain)


async def records_after(conn: Connection, epoch: str, seq: int, limit: int) -> list[tuple[int, bytes]]:
    """Number and leaf of a source's records that follow this number."""
    cursor = await conn.execute(
        "SELECT seq, leaf FROM entries WHERE epoch = %s AND seq > %s ORDER BY seq LIMIT %s", (epoch, seq, limit)
    )
    return await cursor.fetchall()


async def save_chain(conn: Connection, epoch: str, chain: Chain) -> None:
    """What was compared is not compared again."""
    await conn.execute(
        "UPDATE sources SET chained_seq = %s, chained = %s, vouched_seq = %s WHERE epoch = %s",
        (chain.seq, chain.value, chain.vouched, epoch),
    )


# --- the daily reconciliation -----------------------------------------------------------------------------------


class Place(NamedTuple):
    """A leaf of the log, over all years."""

    log_year: int
    leaf_index: int


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Up to which leaf each side has been counted, and how the last time ended."""

    records_year: int
    records_index: int
    reports_year: int
    reports_index: int
    done_at: dt.datetime | None
    agreed: bool | None


_RECONCILED = "SELECT records_year, records_index, reports_year, reports_index, done_at, agreed FROM reconciled"


async def last_reconciliation(conn: Connection) -> Reconciled:
    """How far we are."""
    async with conn.cursor(row_factory=class_row(Reconciled)) as cursor:
        await cursor.execute(_RECONCILED)
        found = await cursor.fetchone()
    if found is None:
        raise LookupError("the row of reconciled is gone")
    return found


async def lock_reconciliation(conn: Connection) -> Reconciled:
    """The same, and nobody else reconciles until the transaction ends."""
    await conn.execute("SELECT 1 FROM reconciled FOR UPDATE")
    return await last_reconciliation(conn)


async def save_reconciliation(
    conn: Connection, records: Place, reports: Place, now: dt.datetime, *, agreed: bool
) -> None:
    """What was counted is not counted again."""
    await conn.execute(
        "UPDATE reconciled SET records_year = %s, records_index = %s, reports_year = %s, reports_index = %s,"
        " done_at = %s, agreed = %s",
        (*records, *reports, now, agreed),
    )


async def last_leaf(conn: Connection) -> Place:
    """The newest leaf; (0, -1) in an empty log."""
    cursor = await conn.execute(
        "SELECT log_year, leaf_index FROM entries ORDER BY log_year DESC, leaf_index DESC LIMIT 1"
    )
    row = await cursor.fetchone()
    return Place(*row) if row else Place(0, -1)


async def granted_between(
    conn: Connection, after: Place, last: Place, actions: Sequence[str]
) -> list[tuple[str, str, int]]:
    """(epoch, action, how many) of granted accesses in this part of the log."""
    cursor = await conn.execute(
        "SELECT epoch::text, action, count(*) FROM entries WHERE (log_year, leaf_index) > (%s, %s)"
        " AND (log_year, leaf_index) <= (%s, %s) AND epoch IS NOT NULL AND outcome = 'granted' AND action = ANY(%s)"
        " GROUP BY epoch, action",
        (*after, *last, list(actions)),
    )
    return await cursor.fetchall()


async def reports_after(conn: Connection, after: Place) -> list[tuple[int, int, bytes]]:
    """(year, index, leaf) of the reports of counts after this leaf, in the order of the log."""
    cursor = await conn.execute(
        "SELECT log_year, leaf_index, leaf FROM entries WHERE action = 'count.reported'"
        " AND (log_year, leaf_index) > (%s, %s) ORDER BY log_year, leaf_index",
        after,
    )
    return await cursor.fetchall()


async def recent_reports(conn: Connection, since: dt.datetime) -> list[bytes]:
    """The leaves of reports made since then, oldest first."""
    cursor = await conn.execute(
        "SELECT leaf FROM entries WHERE action = 'count.reported' AND occurred_at >= %s ORDER BY occurred_at", (since,)
    )
    return [leaf for (leaf,) in await cursor.fetchall()]


async def add_counts(conn: Connection, added: Mapping[tuple[str, str], tuple[int, int, int]]) -> None:
    """(epoch, kind) → how many more were recorded, answered, opened."""
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO counts AS c (epoch, kind, recorded, answered, opened) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (epoch, kind) DO UPDATE SET recorded = c.recorded + excluded.recorded,"
            " answered = c.answered + excluded.answered, opened = c.opened + excluded.opened",
            [(*key, *amounts) for key, amounts in sorted(added.items())],
        )


async def add_commitments(conn: Connection, claims: Mapping[str, tuple[str, int]]) -> None:
    """Epoch → (service, last number) as its database reported; the highest stays."""
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO commitments AS c (epoch, service, last_seq) VALUES (%s, %s, %s)"
            " ON CONFLICT (epoch) DO UPDATE SET last_seq = greatest(c.last_seq, excluded.last_seq)",
            [(epoch, *claim) for epoch, claim in sorted(claims.items())],
        )


async def disagreeing_counts(conn: Connection) -> list[Count]:
    """Of which more was answered or opened than recorded."""
    cursor = await conn.execute(
        "SELECT coalesce(s.service || '.' || s.instance || '/', '') || c.epoch, c.kind, c.recorded, c.answered, c.opened"
        " FROM counts AS c LEFT JOIN sources AS s ON s.epoch::text = c.epoch"
        " WHERE c.answered > c.recorded OR c.opened > c.recorded ORDER BY c.epoch, c.kind LIMIT %s",
        (MOST,),
    )
    return [Count(*row) for row in await cursor.fetchall()]


async def disagreeing_commitments(conn: Connection) -> list[Commitment]:
    """Of which the log lacks something that was committed."""
    cursor = await conn.execute(
        "SELECT c.service || coalesce('.' || s.instance, '') || '/' || c.epoch, c.last_seq, coalesce(s.last_seq, 0),"
        " coalesce(s.seen, 0) FROM commitments AS c LEFT JOIN sources AS s USING (epoch)"
        " WHERE s.epoch IS NULL OR s.last_seq < c.last_seq OR s.seen <> s.last_seq ORDER BY c.epoch LIMIT %s",
        (MOST,),
    )
    return [Commitment(*row) for row in await cursor.fetchall()]


async def totals(conn: Connection) -> dict[str, tuple[int, int, int]]:
    """Kind → (recorded, answered, opened) over all sources."""
    cursor = await conn.execute(
        "SELECT kind, sum(recorded)::bigint, sum(answered)::bigint, sum(opened)::bigint FROM counts GROUP BY kind"
    )
    return {kind: (recorded, answered, opened) for kind, recorded, answered, opened in await cursor.fetchall()}


async def try_lead(conn: Connection, key: int) -> bool:
    """Whether this transaction is the one that watches now."""
    cursor = await conn.execute("SELECT pg_try_advisory_xact_lock(%s)", (key,))
    row = await cursor.fetchone()
    return bool(row and row[0])


async def be_patient(conn: Connection) -> None:
    """Counting a day may take longer than any request."""
    await conn.execute("SET LOCAL statement_timeout = '60s'")
