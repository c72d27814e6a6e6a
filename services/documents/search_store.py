# ruff: noqa: S608 - statements are put together from constants of this module
"""SQL of lists and searches: what a reader sees, newest first, page after page.

Every statement contains the one predicate. It begins with the index that leaves fewest rows and looks
at rows one by one until the page is full, so that it takes as long in a large unit as in a small one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from chassis.db import Connection
from services.documents import textkey
from services.documents.store import LIVE, VISIBLE
from services.documents.view_classes import is_broad


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of a list."""

    document_id: str
    title: str
    state: int
    unit_id: str
    drafter: str
    draft_number: str
    dispatch_number: str
    created_at: dt.datetime
    updated_at: dt.datetime
    personal_information: int
    case_id: str
    urgent: bool
    class_code: str
    folder_id: str
    completed_on: dt.date | None


_SUMMARY = (
    "d.document_id::text, d.title, d.state, d.unit_id, d.drafter, d.draft_number, d.dispatch_number, d.created_at,"
    " d.updated_at, d.personal_information, coalesce(d.case_id::text, ''), d.urgent, d.class_code, d.folder_id,"
    " d.completed_on"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is asked for; unset filters do not filter."""

    principals: Sequence[str]
    limit: int
    # The last document of the page before; newest first by id, which begins with the time of making.
    before: str = ""
    words: Sequence[str] = ()
    states: Sequence[int] = ()
    unit_id: str = ""
    folder_id: str = ""
    class_code: str = ""
    made_from: dt.datetime | None = None
    made_before: dt.datetime | None = None
    number: str = ""
    document_ids: Sequence[str] = ()


_FILTERS = (
    ("before", "d.document_id < %(before)s"),
    ("states", "d.state = ANY(%(states)s)"),
    # By the unit whose it was as well (RT-10).
    (
        "unit_id",
        "(d.unit_id = %(unit_id)s OR EXISTS (SELECT FROM former_owners AS w WHERE w.kind = 'document'"
        " AND w.object_id = d.document_id::text AND w.unit_id = %(unit_id)s))",
    ),
    ("folder_id", "d.folder_id = %(folder_id)s"),
    ("class_code", "d.class_code = %(class_code)s"),
    ("made_from", "d.created_at >= %(made_from)s"),
    ("made_before", "d.created_at < %(made_before)s"),
    ("document_ids", "d.document_id = ANY(%(document_ids)s::uuid[])"),
    (
        "number",
        "(d.draft_number = %(number)s OR d.dispatch_number = %(number)s OR d.document_id IN (SELECT x.document_id"
        " FROM document_receipts AS x JOIN receipts AS r ON r.receipt_id = x.receipt_id"
        " WHERE r.receipt_number = %(number)s))",
    ),
)
# How many of the newest visible documents are looked at one by one before the word index is asked.
_NEWEST = 300
# Filters that leave few documents wherever one looks, and those that leave few of a unit's.
_RARE = frozenset({"document_ids", "number", "folder_id"})
_RARE_IN_UNIT = frozenset({"states", "unit_id", "class_code"})
# Seen for another reason than being of the owner unit: an index of their own, and few for each reader ...
_OTHER = "v.reason <> 'owner_unit'"
# ... but for what is for a whole 部 or the city. That has marks in the word index, as a unit's own has.
_RARE_REASON = f"{_OTHER} AND v.reason NOT IN ('department', 'city')"


async def summaries(conn: Connection, listing: Listing) -> list[Summary]:
    """The newest visible documents that match, in one statement.

    Without words: the newest that pass the filters. With words there are two ways, and the second is only
    gone when the first did not fill the page: (1) the newest are looked at one by one, which is quick for
    words that are everywhere; (2) the word index is met with the unit's mark, and with the few documents
    seen for another reason than the unit's, which is quick for the rest. In both, rows are looked at newest
    first and only until the page is full.
    """
    given, wanted, values = _filtered(listing)
    if listing.words:
        sql = _search_statement(_newest(given, wanted, "%(newest)s"), wanted)
        values |= {
            "words": textkey.ts_query(listing.words),
            "marked_words": [textkey.ts_query(listing.words, mark) for mark in _marks(listing)],
            "newest": _NEWEST,
            "phrases": [textkey.like(word) for word in listing.words],
        }
    else:
        sql = (
            f"WITH mine AS MATERIALIZED ({_newest(given, wanted, '%(limit)s')})"
            f" SELECT {_SUMMARY} FROM documents AS d WHERE d.document_id IN (SELECT m.document_id FROM mine AS m)"
            f" AND {VISIBLE} ORDER BY d.document_id DESC LIMIT %(limit)s"
        )
    # A search is planned with its words: how common they are decides which way is quick.
    cursor = await conn.execute(sql.encode(), values, binary=True, prepare=False if listing.words else None)
    return [Summary(*row) for row in await cursor.fetchall()]


async def count(conn: Connection, listing: Listing) -> int:
    """How many `summaries` lists on its first page, for a listing without words."""
    given, wanted, values = _filtered(listing)
    cursor = await conn.execute(f"SELECT count(*) FROM ({_newest(given, wanted, '%(limit)s')}) AS n".encode(), values)
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


def _filtered(listing: Listing) -> tuple[set[str], str, dict[str, object]]:
    """The filters that are set, their condition, and the values of a statement with them."""
    given = {name for name, _ in _FILTERS if getattr(listing, name)}
    wanted = " AND ".join(["true", *(sql for name, sql in _FILTERS if name in given)])
    values: dict[str, object] = {name: getattr(listing, name) for name in given}
    for name in ("states", "document_ids"):
        if name in values:
            values[name] = list(getattr(listing, name))
    values |= {"principals": list(listing.principals), "units": _units(listing), "limit": listing.limit}
    return given, wanted, values


def _units(listing: Listing) -> list[str]:
    return [p.removeprefix("unit:") for p in listing.principals if p.startswith("unit:")]


def _marks(listing: Listing) -> list[str]:
    """What the word index is met with: the reader's units, and the wide rights that reach them."""
    return list(dict.fromkeys([*_units(listing), *filter(is_broad, listing.principals)]))


def _newest(given: set[str], wanted: str, limit: str) -> str:
    """The newest documents that the reader sees and that pass the filters, found by the index that leaves fewest.

    A document may have several live rows for one reader (two steps), so ids are made distinct before the limit.
    """
    if given & _RARE:
        return f"SELECT d.document_id FROM documents AS d WHERE {wanted} AND {VISIBLE} ORDER BY d.document_id DESC LIMIT {limit}"
    if given & _RARE_IN_UNIT:
        return (
            "SELECT u.document_id FROM ((SELECT o.document_id FROM unnest(%(units)s::text[]) AS m (unit_id)"
            " CROSS JOIN LATERAL (SELECT d.document_id FROM documents AS d WHERE d.unit_id = m.unit_id"
            f" AND {wanted} AND {VISIBLE} ORDER BY d.document_id DESC LIMIT {limit}) AS o)"
            f" UNION ({_walk(_OTHER, wanted, limit)})) AS u ORDER BY u.document_id DESC LIMIT {limit}"
        )
    return _walk("true", wanted, limit)


def _walk(reason: str, wanted: str, limit: str) -> str:
    """Each principal's newest rights, by index, until `limit` of their documents pass; merged."""
    return (
        "SELECT DISTINCT n.document_id FROM unnest(%(principals)s::text[]) AS p (principal) CROSS JOIN LATERAL ("
        f"SELECT DISTINCT ON (v.document_id) v.document_id FROM viewers AS v {_row('v')}"
        f" WHERE v.principal = p.principal AND {reason} AND {LIVE} AND {wanted}"
        f" ORDER BY v.document_id DESC LIMIT {limit}) AS n ORDER BY n.document_id DESC LIMIT {limit}"
    )


def _text(of: str) -> str:
    """The text of each row of `of`. OFFSET 0 keeps it row by row: else the planner may read every match at once."""
    return (
        "CROSS JOIN LATERAL (SELECT x.search, x.key FROM document_texts AS x"
        f" WHERE x.document_id = {of}.document_id OFFSET 0) AS t"
    )


def _row(of: str) -> str:
    """What filters look at, of each row of `of`; row by row as well."""
    return (
        "CROSS JOIN LATERAL (SELECT x.document_id, x.state, x.unit_id, x.folder_id, x.class_code, x.created_at,"
        f" x.draft_number, x.dispatch_number FROM documents AS x WHERE x.document_id = {of}.document_id OFFSET 0) AS d"
    )


def _search_statement(near: str, wanted: str) -> str:
    # Pairs of characters find candidates; the folded text decides.
    matches = "t.search @@ %(words)s::tsquery AND t.key LIKE ALL(%(phrases)s)"
    return (
        # (1)
        f"WITH near AS MATERIALIZED ({near}),"
        f" found AS MATERIALIZED (SELECT n.document_id FROM near AS n {_text('n')}"
        f" WHERE {matches} ORDER BY n.document_id DESC LIMIT %(limit)s),"
        # (2) not executed when (1) filled the page or there is nothing older to look at
        " missing AS MATERIALIZED (SELECT (SELECT count(*) FROM found) < %(limit)s"
        " AND (SELECT count(*) FROM near) >= %(newest)s AS yes),"
        " candidates AS MATERIALIZED (SELECT c.document_id FROM ("
        "SELECT t.document_id FROM unnest(%(marked_words)s::text[]) AS u (words) JOIN document_texts AS t"
        " ON t.search @@ u.words::tsquery WHERE (SELECT m.yes FROM missing AS m)"
        f" UNION SELECT v.document_id FROM viewers AS v {_text('v')} WHERE (SELECT m.yes FROM missing AS m)"
        f" AND v.principal = ANY(%(principals)s) AND {_RARE_REASON} AND {LIVE}"
        " AND t.search @@ %(words)s::tsquery) AS c ORDER BY c.document_id DESC),"
        f" rest AS MATERIALIZED (SELECT c.document_id FROM candidates AS c {_row('c')} {_text('c')}"
        f" WHERE {wanted} AND {matches} AND {VISIBLE} ORDER BY c.document_id DESC LIMIT %(limit)s)"
        f" SELECT {_SUMMARY} FROM documents AS d WHERE d.document_id IN"
        " (SELECT f.document_id FROM found AS f UNION SELECT r.document_id FROM rest AS r)"
        f" AND {VISIBLE} ORDER BY d.document_id DESC LIMIT %(limit)s"
    )
