# ruff: noqa: S608 - statements are put together from constants of this module
"""All SQL of reviews. Rules, reviews, findings and notes are only ever inserted; their state follows from them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from psycopg.rows import class_row

from chassis.db import Connection
from services.audit.review.domain import (
    LISTS,
    MAX_ENTRIES,
    Behind,
    Finding,
    Place,
    Record,
    StaffFact,
    record_of,
)

# Key of the advisory lock of whoever examines a month by itself; one database is one municipality.
EXAMINER_LOCK = 0x52455649
# Leaves read in one statement: few enough that others in this process are served between two of them.
STEP = 500


async def try_examiner_lock(conn: Connection) -> bool:
    """Take the lock until it is released or this connection ends; False while another replica has it."""
    cursor = await conn.execute("SELECT pg_try_advisory_lock(%s)", (EXAMINER_LOCK,))
    row = await cursor.fetchone()
    return bool(row and row[0])


async def release_examiner_lock(conn: Connection) -> None:
    """Give it back: the connection returns to the pool."""
    await conn.execute("SELECT pg_advisory_unlock(%s)", (EXAMINER_LOCK,))


async def be_patient(conn: Connection) -> None:
    """A month of a large city takes longer than any other question; whoever asks waits a minute."""
    await conn.execute("SET LOCAL statement_timeout = '50s'")


# --- the log ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far a year's log is examined: by its last checkpoint."""

    log_year: int
    origin: str
    size: int
    # Hex.
    root: str
    checkpoint: str


async def coverage(conn: Connection, from_year: int) -> list[Coverage]:
    """The last checkpoints of this year's log and the next: a late record of March stands in April's log."""
    cursor = await conn.execute(
        "SELECT log_year, origin, checkpoint_size, checkpoint FROM logs"
        " WHERE log_year BETWEEN %s AND %s AND checkpoint_size > 0 ORDER BY log_year",
        (from_year, from_year + 1),
    )
    return [
        # Origin, size and root are the first three lines of a checkpoint (c2sp.org/tlog-checkpoint).
        Coverage(year, origin, size, _root_of(note), note.decode())
        for year, origin, size, note in await cursor.fetchall()
    ]


def _root_of(checkpoint: bytes) -> str:
    return checkpoint.decode().split("\n")[2]


async def records(
    conn: Connection, begins: dt.datetime, ends: dt.datetime, covered: Sequence[Coverage], staff_id: str = ""
) -> AsyncIterator[Record]:
    """Leaves of a span of time in its order, as far as checkpoints cover them; of one person if named."""
    mine = " AND staff_id = %(staff_id)s" if staff_id else ""
    sizes = {one.log_year: one.size for one in covered}
    at: tuple[dt.datetime, int, int] = (begins, -1, -1)
    while True:
        cursor = await conn.execute(
            "SELECT occurred_at, log_year, leaf_index, leaf FROM entries WHERE occurred_at >= %(begins)s"
            " AND occurred_at < %(ends)s AND (occurred_at, log_year, leaf_index) > (%(at)s, %(year)s, %(index)s)"
            f"{mine} ORDER BY occurred_at, log_year, leaf_index LIMIT %(step)s",
            {
                **{"begins": begins, "ends": ends, "staff_id": staff_id, "step": STEP},
                **{"at": at[0], "year": at[1], "index": at[2]},
            },
        )
        rows = await cursor.fetchall()
        for _, year, index, leaf in rows:
            if index < sizes.get(year, 0):
                yield record_of(Place(year, index), bytes(leaf))
        if len(rows) < STEP:
            return
        at = rows[-1][:3]


async def absences(conn: Connection, before: dt.datetime) -> list[Record]:
    """Every absence that was registered or ended before then, in the order of the log."""
    cursor = await conn.execute(
        "SELECT log_year, leaf_index, leaf FROM entries WHERE action IN ('absence.registered', 'absence.ended')"
        " AND occurred_at < %s ORDER BY log_year, leaf_index",
        (before,),
    )
    return [record_of(Place(year, index), bytes(leaf)) for year, index, leaf in await cursor.fetchall()]


async def read_before(
    conn: Connection, pairs: Sequence[tuple[str, str]], actions: Iterable[str], before: dt.datetime
) -> set[tuple[str, str]]:
    """Which of these (person, document) the log has as granted readings before then."""
    found: set[tuple[str, str]] = set()
    for first in range(0, len(pairs), STEP):
        some = pairs[first : first + STEP]
        cursor = await conn.execute(
            "SELECT p.staff_id, p.document_id FROM unnest(%s::text[], %s::text[]) AS p (staff_id, document_id)"
            " WHERE EXISTS (SELECT FROM entries AS e WHERE e.document_id = p.document_id AND e.staff_id = p.staff_id"
            " AND e.occurred_at < %s AND e.outcome = 'granted' AND e.action = ANY(%s))",
            ([staff_id for staff_id, _ in some], [document_id for _, document_id in some], before, list(actions)),
        )
        found |= {(staff_id, document_id) for staff_id, document_id in await cursor.fetchall()}
    return found


async def last_logins(conn: Connection, before: dt.datetime) -> dict[str, dt.datetime]:
    """The last login of each person before then."""
    cursor = await conn.execute(
        "SELECT staff_id, max(occurred_at) FROM entries WHERE action = 'session.login' AND outcome = 'granted'"
        " AND occurred_at < %s GROUP BY staff_id",
        (before,),
    )
    return dict(await cursor.fetchall())


# A granted use by a person, with its Japanese day, as far as checkpoints cover the log.
_USES = (
    "(SELECT e.staff_id, e.unit_id, e.occurred_at, e.log_year, e.leaf_index, e.action, e.document_id,"
    " (e.occurred_at AT TIME ZONE 'Asia/Tokyo')::date AS day FROM entries AS e"
    " INNER JOIN unnest(%(years)s::int4[], %(sizes)s::int8[]) AS c (log_year, size)"
    "  ON c.log_year = e.log_year AND e.leaf_index < c.size"
    " WHERE e.occurred_at >= %(begins)s AND e.occurred_at < %(ends)s AND e.outcome = 'granted'"
    "  AND e.staff_id NOT IN ('', 'unknown') AND e.staff_id NOT LIKE 'service:%%') AS u"
)
_USES_BY_DAY = (
    "SELECT u.staff_id, u.day, count(*), (array_agg(u.unit_id ORDER BY u.occurred_at DESC))[1],"
    f" (array_agg(u.log_year ORDER BY u.occurred_at, u.log_year, u.leaf_index))[1:{MAX_ENTRIES}],"
    f" (array_agg(u.leaf_index ORDER BY u.occurred_at, u.log_year, u.leaf_index))[1:{MAX_ENTRIES}] FROM "
)
_BY_DAY = " GROUP BY u.staff_id, u.day ORDER BY u.staff_id, u.day"


async def uses_outside(
    conn: Connection,
    begins: dt.datetime,
    ends: dt.datetime,
    covered: Sequence[Coverage],
    members: Sequence[StaffFact],
) -> dict[tuple[str, dt.date], Behind]:
    """Uses on days on which the person was not on the staff."""
    spans = [(one.staff_id, *days) for one in members for days in one.employed]
    return await _uses(
        conn,
        f"{_USES_BY_DAY}{_USES} WHERE NOT EXISTS (SELECT FROM"
        " unnest(%(who)s::text[], %(first)s::date[], %(last)s::date[]) AS m (staff_id, first, last)"
        f" WHERE m.staff_id = u.staff_id AND m.first <= u.day AND u.day < m.last){_BY_DAY}",
        {**_span(begins, ends, covered), **_columns(spans)},
    )


async def uses_while_absent(
    conn: Connection,
    begins: dt.datetime,
    ends: dt.datetime,
    covered: Sequence[Coverage],
    members: Sequence[StaffFact],
) -> dict[tuple[str, dt.date], Behind]:
    """Uses of documents within an absence of the person."""
    spans = [(one.staff_id, *times) for one in members for times in one.absent]
    return await _uses(
        conn,
        f"{_USES_BY_DAY}{_USES} WHERE (u.document_id IS NOT NULL OR u.action = ANY(%(lists)s)) AND EXISTS (SELECT FROM"
        " unnest(%(who)s::text[], %(first)s::timestamptz[], %(last)s::timestamptz[]) AS m (staff_id, first, last)"
        f" WHERE m.staff_id = u.staff_id AND m.first <= u.occurred_at AND u.occurred_at < m.last){_BY_DAY}",
        {**_span(begins, ends, covered), **_columns(spans), "lists": list(LISTS)},
    )


def _span(begins: dt.datetime, ends: dt.datetime, covered: Sequence[Coverage]) -> dict[str, object]:
    years, sizes = [one.log_year for one in covered], [one.size for one in covered]
    return {"begins": begins, "ends": ends, "years": years, "sizes": sizes}


def _columns(spans: Sequence[tuple[str, object, object]]) -> dict[str, object]:
    return {name: [span[at] for span in spans] for at, name in enumerate(("who", "first", "last"))}


async def _uses(conn: Connection, statement: str, values: Mapping[str, object]) -> dict[tuple[str, dt.date], Behind]:
    cursor = await conn.execute(statement, values)
    return {
        (staff_id, day): Behind(count, [Place(*place) for place in zip(years, indexes, strict=True)], unit_id=unit_id)
        for staff_id, day, count, unit_id, years, indexes in await cursor.fetchall()
    }


async def days_found(conn: Connection, review_id: str, rule: str) -> set[tuple[str, dt.date]]:
    """(person, day) of which a rule has spoken already."""
    cursor = await conn.execute(
        "SELECT subject_id, day FROM review_findings WHERE review_id = %s AND rule = %s AND day IS NOT NULL",
        (review_id, rule),
    )
    return set(await cursor.fetchall())


async def leaves_at(conn: Connection, places: Sequence[Place]) -> list[tuple[int, int, bytes]]:
    """(year, index, leaf) of these places, in their order."""
    cursor = await conn.execute(
        "SELECT e.log_year, e.leaf_index, e.leaf FROM unnest(%s::int4[], %s::int8[]) WITH ORDINALITY"
        " AS p (log_year, leaf_index, place) JOIN entries AS e USING (log_year, leaf_index) ORDER BY p.place",
        ([place.log_year for place in places], [place.leaf_index for place in places]),
    )
    return await cursor.fetchall()


# --- rules ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RulesRow:
    """A version of the thresholds."""

    version: int
    effective_from: dt.date
    # JSON text of domain.Thresholds.
    thresholds: str
    reason: str
    changed_by: str
    changed_at: dt.datetime


_RULES = "SELECT version, effective_from, thresholds::text, reason, changed_by, changed_at FROM review_rules"


async def rules(conn: Connection) -> list[RulesRow]:
    """Every version, newest first."""
    async with conn.cursor(row_factory=class_row(RulesRow)) as cursor:
        await cursor.execute(f"{_RULES} ORDER BY version DESC")
        return await cursor.fetchall()


async def rules_for(conn: Connection, day: dt.date) -> RulesRow | None:
    """The newest version that is in effect on a day; None while nobody has set one."""
    async with conn.cursor(row_factory=class_row(RulesRow)) as cursor:
        await cursor.execute(f"{_RULES} WHERE effective_from <= %s ORDER BY version DESC LIMIT 1", (day,))
        return await cursor.fetchone()


async def insert_rules(conn: Connection, row: RulesRow) -> None:
    """A new version."""
    await conn.execute(
        "INSERT INTO review_rules (version, effective_from, thresholds, reason, changed_by, changed_at)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (row.version, row.effective_from, row.thresholds, row.reason, row.changed_by, row.changed_at),
    )


# --- reviews ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """A review and where it stands."""

    review_id: str
    month: str
    number: int
    opened_at: dt.datetime
    opened_by: str
    rules_version: int
    thresholds: str
    coverage: list[dict[str, Any]]
    counts: dict[str, Any]
    version: int
    findings: int
    open_findings: int
    staff_compared: bool
    signed_at: dt.datetime | None
    signed_by: str | None

    @property
    def state(self) -> str:
        """ "open" until the sign-off, "signed" after it."""
        return "open" if self.signed_at is None else "signed"


# The last judgement of a finding; none yet: what the record itself explains, or open.
_STATE = (
    "coalesce((SELECT n.state FROM review_notes AS n WHERE n.review_id = f.review_id AND n.number = f.number"
    " AND n.state <> '' ORDER BY n.version DESC LIMIT 1),"
    " CASE WHEN f.explained_by = '' THEN 'open' ELSE 'recorded' END)"
)
_ASSIGNEE = (
    "coalesce((SELECT n.assignee_id FROM review_notes AS n WHERE n.review_id = f.review_id AND n.number = f.number"
    " AND n.assignee_id <> '' ORDER BY n.version DESC LIMIT 1), '')"
)
_REVIEW = (
    "SELECT r.review_id::text, r.month, r.number, r.opened_at, r.opened_by, r.rules_version, r.thresholds::text,"
    " r.coverage, r.counts, (SELECT max(n.version) FROM review_notes AS n WHERE n.review_id = r.review_id) AS version,"
    " (SELECT count(*) FROM review_findings AS f WHERE f.review_id = r.review_id) AS findings,"
    f" (SELECT count(*) FROM review_findings AS f WHERE f.review_id = r.review_id AND {_STATE} = 'open')"
    " AS open_findings,"
    " EXISTS (SELECT FROM review_notes AS n WHERE n.review_id = r.review_id AND n.action = 'review.compared')"
    " AS staff_compared, s.noted_at AS signed_at, s.staff_id AS signed_by FROM reviews AS r"
    " LEFT JOIN review_notes AS s ON s.review_id = r.review_id AND s.action = 'review.signed'"
)


async def review(conn: Connection, review_id: str) -> ReviewRow | None:
    """One review."""
    async with conn.cursor(row_factory=class_row(ReviewRow)) as cursor:
        await cursor.execute(f"{_REVIEW} WHERE r.review_id = %s", (review_id,))
        return await cursor.fetchone()


async def reviews(conn: Connection, before: tuple[str, int] | None, limit: int) -> list[ReviewRow]:
    """The latest month first, and of one month the last review first."""
    after = " WHERE (r.month, r.number) < (%(month)s, %(number)s)" if before else ""
    month, number = before or ("", 0)
    async with conn.cursor(row_factory=class_row(ReviewRow)) as cursor:
        await cursor.execute(
            f"{_REVIEW}{after} ORDER BY r.month DESC, r.number DESC LIMIT %(limit)s",
            {"month": month, "number": number, "limit": limit},
        )
        return await cursor.fetchall()


async def reviews_of(conn: Connection, month: str) -> list[ReviewRow]:
    """All of one month, the last first."""
    async with conn.cursor(row_factory=class_row(ReviewRow)) as cursor:
        await cursor.execute(f"{_REVIEW} WHERE r.month = %s ORDER BY r.number DESC", (month,))
        return await cursor.fetchall()


async def has_records(conn: Connection, begins: dt.datetime, ends: dt.datetime) -> bool:
    """Whether the log has anything of this span."""
    cursor = await conn.execute(
        "SELECT EXISTS (SELECT FROM entries WHERE occurred_at >= %s AND occurred_at < %s)", (begins, ends)
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


class NewReview(NamedTuple):
    """A review as it is opened."""

    review_id: str
    month: str
    number: int
    opened_at: dt.datetime
    opened_by: str
    rules_version: int
    thresholds: str
    coverage: Sequence[Coverage]
    counts: Mapping[str, Any]


async def insert_review(conn: Connection, new: NewReview) -> None:
    """A review without findings yet."""
    covered = [
        {"log_year": one.log_year, "origin": one.origin, "size": one.size, "root": one.root}
        | {"checkpoint": one.checkpoint}
        for one in new.coverage
    ]
    await conn.execute(
        "INSERT INTO reviews (review_id, month, number, opened_at, opened_by, rules_version, thresholds, coverage,"
        " counts) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (*new[:7], json.dumps(covered), json.dumps(new.counts)),
    )


async def insert_findings(conn: Connection, review_id: str, first: int, findings: Sequence[Finding]) -> None:
    """Findings numbered from `first` on."""
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO review_findings (review_id, number, rule, subject_id, unit_id, day, document_id, count,"
            " explained_by, purposes, detail, log_years, leaf_indexes)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    *(review_id, number, one.rule, one.subject_id, one.unit_id, one.day, one.document_id, one.count),
                    *(one.explained_by, json.dumps(one.purposes), json.dumps(one.detail)),
                    *([place.log_year for place in one.places], [place.leaf_index for place in one.places]),
                )
                for number, one in enumerate(findings, start=first)
            ],
        )


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding and what it was judged to be."""

    review_id: str
    number: int
    rule: str
    subject_id: str
    unit_id: str
    day: dt.date | None
    document_id: str
    count: int
    explained_by: str
    purposes: dict[str, int]
    detail: dict[str, str]
    log_years: list[int]
    leaf_indexes: list[int]
    state: str
    assignee_id: str
    month: str

    @property
    def places(self) -> list[Place]:
        """Where the entries behind it are, the first of them."""
        return [Place(*place) for place in zip(self.log_years, self.leaf_indexes, strict=True)]


_FINDING = (
    "SELECT f.review_id::text, f.number, f.rule, f.subject_id, f.unit_id, f.day, f.document_id, f.count,"
    " f.explained_by, f.purposes, f.detail, f.log_years, f.leaf_indexes,"
    f" {_STATE} AS state, {_ASSIGNEE} AS assignee_id, r.month FROM review_findings AS f"
    " JOIN reviews AS r ON r.review_id = f.review_id"
)
_FILTERS = {
    "review_id": "f.review_id = %(review_id)s",
    "rule": "f.rule = %(rule)s",
    "unit_id": "f.unit_id = %(unit_id)s",
    "state": f"{_STATE} = %(state)s",
    # The second half finds the few that were ever assigned to this person by index.
    "assignee_id": f"{_ASSIGNEE} = %(assignee_id)s AND f.unit_id = ANY(%(unit_ids)s) AND f.review_id IN"
    " (SELECT a.review_id FROM review_notes AS a WHERE a.assignee_id = %(assignee_id)s)",
}


async def finding(conn: Connection, review_id: str, number: int) -> FindingRow | None:
    """One finding."""
    async with conn.cursor(row_factory=class_row(FindingRow)) as cursor:
        await cursor.execute(f"{_FINDING} WHERE f.review_id = %s AND f.number = %s", (review_id, number))
        return await cursor.fetchone()


async def findings(
    conn: Connection, filters: Mapping[str, Any], after: tuple[str, str, int] | None, limit: int
) -> list[FindingRow]:
    """Those that meet all filters (review_id, rule, unit_id, state; assignee_id with unit_ids), by month and number.

    `after`: month, review id and number of the last one shown.
    """
    where = [condition for name, condition in _FILTERS.items() if name in filters]
    values: dict[str, Any] = {**filters, "limit": limit}
    if after is not None:
        where.append("(r.month, f.review_id, f.number) > (%(month)s, %(after_id)s::uuid, %(number)s)")
        values |= {"month": after[0], "after_id": after[1], "number": after[2]}
    matching = f" WHERE {' AND '.join(where)}" if where else ""
    async with conn.cursor(row_factory=class_row(FindingRow)) as cursor:
        await cursor.execute(f"{_FINDING}{matching} ORDER BY r.month, f.review_id, f.number LIMIT %(limit)s", values)
        return await cursor.fetchall()


async def states_by_rule(conn: Connection, review_id: str) -> dict[str, dict[str, int]]:
    """Rule → state → how many."""
    cursor = await conn.execute(
        f"SELECT f.rule, {_STATE} AS state, count(*) FROM review_findings AS f WHERE f.review_id = %s"
        " GROUP BY f.rule, 2",
        (review_id,),
    )
    found: dict[str, dict[str, int]] = {}
    for rule, state, count in await cursor.fetchall():
        found.setdefault(rule, {})[state] = count
    return found


@dataclass(frozen=True, slots=True)
class NoteRow:
    """One thing done about a review."""

    version: int
    action: str
    noted_at: dt.datetime
    staff_id: str
    number: int = 0
    assignee_id: str = ""
    state: str = ""
    text: str = ""


async def insert_note(conn: Connection, review_id: str, note: NoteRow) -> None:
    """The next note; a version that is taken already cannot be added."""
    await conn.execute(
        "INSERT INTO review_notes (review_id, version, action, noted_at, staff_id, number, assignee_id, state, text)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *(review_id, note.version, note.action, note.noted_at, note.staff_id),
            *(note.number, note.assignee_id, note.state, note.text),
        ),
    )


async def notes(conn: Connection, review_id: str, number: int) -> list[NoteRow]:
    """What was done about a finding, or with 0 about the review as a whole; oldest first."""
    async with conn.cursor(row_factory=class_row(NoteRow)) as cursor:
        await cursor.execute(
            "SELECT version, action, noted_at, staff_id, number, assignee_id, state, text FROM review_notes"
            " WHERE review_id = %s AND number = %s ORDER BY version",
            (review_id, number),
        )
        return await cursor.fetchall()
