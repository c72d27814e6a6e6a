# ruff: noqa: S608 - statements are put together from constants of this module
"""SQL of the inbox: what waits on the posts that somebody holds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chassis.db import Connection
from services.approvals.cases.domain import StepState
from services.approvals.routes.domain import StepKind


@dataclass(frozen=True)
class Waiting:
    """One line of the inbox."""

    case_id: str
    step_id: str
    document_id: str
    kind: str
    post_id: str
    post_title: str
    step_kind: StepKind
    step_state: StepState
    waiting_since: dt.datetime
    urgent: bool
    draft_number: str
    unit_id: str
    drafter: str
    decision_class: str


@dataclass(frozen=True)
class Position:
    """Where a page of the inbox ended."""

    priority: int
    waiting_since: dt.datetime
    step_id: str


# What waits on the posts of the person, counted by kind.
_OWN_WORK = """
WITH mine AS (
    SELECT DISTINCT a.post_id, p.title
    FROM appointments AS a
    INNER JOIN posts AS p ON p.post_id = a.post_id AND p.valid_from <= %(day)s AND %(day)s < p.valid_to
    WHERE a.staff_id = %(staff_id)s AND a.valid_from <= %(day)s AND %(day)s < a.valid_to
), counts AS (
    SELECT s.inbox_kind, count(*) AS n
    FROM mine
    CROSS JOIN LATERAL (
        SELECT s.inbox_kind FROM steps AS s WHERE s.post_id = mine.post_id AND s.inbox_kind IS NOT NULL
        UNION ALL
        SELECT s.inbox_kind FROM steps AS s
        WHERE s.asked_post_id = mine.post_id AND s.asked_post_id <> '' AND s.inbox_kind = 'decision'
    ) AS s
    GROUP BY s.inbox_kind
)
"""
_INBOX = (
    _OWN_WORK
    + """, page AS (
    SELECT w.step_id, w.case_id, mine.post_id, w.kind, w.state, w.inbox_kind, w.waiting_since, w.priority, mine.title
    FROM mine
    CROSS JOIN LATERAL (
        (
            SELECT s.step_id, s.case_id, s.kind, s.state, s.inbox_kind, s.waiting_since, s.priority
            FROM steps AS s
            WHERE s.post_id = mine.post_id AND s.inbox_kind IS NOT NULL
                AND (%(kinds)s::text [] = '{}' OR s.inbox_kind = ANY(%(kinds)s))
                AND (s.priority, s.waiting_since, s.step_id)
                > (%(priority)s::smallint, %(since)s::timestamptz, %(step_id)s::uuid)
            ORDER BY s.priority, s.waiting_since, s.step_id
            LIMIT %(limit)s
        )
        UNION ALL
        (
            -- 代決 was asked of this post (AP-17); a 後閲 is the decider's alone.
            SELECT s.step_id, s.case_id, s.kind, s.state, s.inbox_kind, s.waiting_since, s.priority
            FROM steps AS s
            WHERE s.asked_post_id = mine.post_id AND s.asked_post_id <> '' AND s.inbox_kind = 'decision'
                AND (%(kinds)s::text [] = '{}' OR s.inbox_kind = ANY(%(kinds)s))
                AND (s.priority, s.waiting_since, s.step_id)
                > (%(priority)s::smallint, %(since)s::timestamptz, %(step_id)s::uuid)
            ORDER BY s.priority, s.waiting_since, s.step_id
            LIMIT %(limit)s
        )
    ) AS w
    WHERE %(post_id)s = '' OR mine.post_id = %(post_id)s
    ORDER BY w.priority, w.waiting_since, w.step_id
    LIMIT %(limit)s
)
SELECT
    (SELECT json_object_agg(counts.inbox_kind, counts.n) FROM counts),
    (
        SELECT json_agg(json_build_array(
            c.case_id, page.step_id, c.document_id, page.inbox_kind, page.post_id, page.title, page.kind, page.state,
            page.waiting_since, c.urgent, c.draft_number, c.unit_id, c.drafter,
            c.decision_class
        ) ORDER BY page.priority, page.waiting_since, page.step_id)
        FROM page INNER JOIN cases AS c ON c.case_id = page.case_id
    )
"""
)
# Before every page.
START = Position(-1, dt.datetime(1, 1, 2, tzinfo=dt.UTC), "00000000-0000-0000-0000-000000000000")


async def count(conn: Connection, staff_id: str, day: dt.date) -> dict[str, int]:
    """The counts of `inbox` alone, for kinds of which something waits."""
    sql = f"{_OWN_WORK} SELECT counts.inbox_kind, counts.n FROM counts"
    cursor = await conn.execute(sql.encode(), {"staff_id": staff_id, "day": day})
    return dict(await cursor.fetchall())


async def inbox(
    conn: Connection,
    staff_id: str,
    day: dt.date,
    *,
    kinds: Sequence[str] = (),
    post_id: str = "",
    after: Position | None = None,
    limit: int = 50,
) -> tuple[list[Waiting], dict[str, int]]:
    """What waits on the posts the person holds on the day, urgent first, then oldest; and counts over all of it."""
    start = after or START
    cursor = await conn.execute(
        _INBOX,
        {
            "staff_id": staff_id,
            "day": day,
            "kinds": list(kinds),
            "post_id": post_id,
            "priority": start.priority,
            "since": start.waiting_since,
            "step_id": start.step_id,
            "limit": limit,
        },
    )
    row = await cursor.fetchone()
    counts, rows = row if row is not None else (None, None)
    return [_waiting(entry) for entry in rows or ()], counts or {}


def _waiting(entry: Sequence[Any]) -> Waiting:
    case_id, step_id, document_id, kind, post_id, post_title, step_kind, state, since, *of_case = entry
    urgent, number, unit, drafter, decision_class = of_case
    return Waiting(
        case_id,
        step_id,
        document_id,
        kind,
        post_id,
        post_title,
        StepKind(step_kind),
        StepState(state),
        dt.datetime.fromisoformat(since),
        urgent,
        number,
        unit,
        drafter,
        decision_class,
    )
