# ruff: noqa: S608 - statements are put together from constants of this module
"""All SQL about open steps and the posts that take them over.

Ended and vacant posts are few; their open steps are found by post (index `steps_open`), never by reading all steps.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from chassis.db import Connection
from services.approvals.cases.domain import Case, StepState
from services.approvals.routes.domain import StepKind
from services.approvals.succession.domain import MOVABLE

# As in the index `steps_open`.
_OPEN = "s.state IN (" + ", ".join(f"'{state}'" for state in sorted(MOVABLE)) + ")"
_ENDED = "SELECT p.post_id FROM posts AS p GROUP BY p.post_id HAVING max(p.valid_to) <= %(day)s"


async def ended_with_steps(conn: Connection, day: dt.date) -> list[str]:
    """Posts that are over on the day and still have open steps."""
    cursor = await conn.execute(
        f"SELECT e.post_id FROM ({_ENDED}) AS e"
        f" WHERE EXISTS (SELECT 1 FROM steps AS s WHERE s.post_id = e.post_id AND {_OPEN}) ORDER BY 1",
        {"day": day},
    )
    return [row[0] for row in await cursor.fetchall()]


async def successors_on(conn: Connection, kind: str, day: dt.date) -> dict[str, str]:
    """Old id → new id, as of the day; the latest counts for an id that ended twice."""
    cursor = await conn.execute(
        "SELECT DISTINCT ON (old_id) old_id, new_id FROM successors WHERE kind = %s AND effective_on <= %s"
        " ORDER BY old_id, effective_on DESC",
        (kind, day),
    )
    return dict(await cursor.fetchall())


async def living_posts(conn: Connection, day: dt.date) -> set[str]:
    """Posts that exist on the day."""
    cursor = await conn.execute("SELECT post_id FROM posts WHERE valid_from <= %s AND %s < valid_to", (day, day))
    return {row[0] for row in await cursor.fetchall()}


async def lock_cases_of(conn: Connection, post_ids: Sequence[str], after: str, limit: int) -> tuple[list[str], str]:
    """Lock up to `limit` cases with open steps of these posts, by id, those after `after`.

    Returns what was locked and the last id looked at ("" at the end). A case that somebody else has locked, an act or
    another replica, is left to the next round: nobody waits for anybody.
    """
    cursor = await conn.execute(
        f"SELECT DISTINCT s.case_id FROM steps AS s WHERE s.post_id = ANY(%s) AND {_OPEN}"
        " AND s.case_id > %s::uuid ORDER BY 1 LIMIT %s",
        (list(post_ids), after or "00000000-0000-0000-0000-000000000000", limit),
    )
    found = [str(row[0]) for row in await cursor.fetchall()]
    cursor = await conn.execute(
        "SELECT case_id::text FROM cases WHERE case_id = ANY(%s::uuid []) ORDER BY case_id FOR UPDATE SKIP LOCKED",
        (found,),
    )
    return [row[0] for row in await cursor.fetchall()], found[-1] if len(found) == limit else ""


@dataclass(frozen=True)
class StepMove:
    """An open step that goes from one post to another."""

    case_id: str
    step_id: str
    from_post: str
    to_post: str
    # "" when it followed the successor.
    reason: str
    moved_by: str


async def save_moves(conn: Connection, cases: Sequence[Case], moves: Sequence[StepMove], now: dt.datetime) -> None:
    """Write moved steps of locked cases, in three statements however many there are."""
    rows = Jsonb([vars(move) for move in moves])
    await conn.execute(
        "UPDATE steps AS s SET post_id = n.to_post, asked_post_id = ''"
        " FROM jsonb_to_recordset(%s) AS n (step_id uuid, to_post text) WHERE s.step_id = n.step_id",
        (rows,),
    )
    await _save_versions(conn, cases)
    await conn.execute(
        "INSERT INTO step_moves (case_id, step_id, from_post, to_post, reason, moved_by, moved_at)"
        " SELECT case_id, step_id, from_post, to_post, reason, moved_by, %s FROM jsonb_to_recordset(%s)"
        " AS n (case_id uuid, step_id uuid, from_post text, to_post text, reason text, moved_by text)",
        (now, rows),
    )


async def lock_asked_out_of_order(conn: Connection, day: dt.date, limit: int) -> list[str]:
    """Lock up to `limit` cases whose decider's 代決 was asked of a post that has no rank on the day (AP-13)."""
    cursor = await conn.execute(
        "SELECT c.case_id::text FROM cases AS c INNER JOIN steps AS s ON s.case_id = c.case_id"
        " WHERE s.inbox_kind IS NOT NULL AND s.asked_post_id <> '' AND s.kind = 'decide' AND s.asked_post_id NOT IN ("
        "SELECT b.substitute_post_id FROM substitutes_on(s.post_id, c.route_plan_id, %s) AS b)"
        " ORDER BY c.case_id LIMIT %s FOR UPDATE OF c SKIP LOCKED",
        (day, limit),
    )
    return [row[0] for row in await cursor.fetchall()]


async def save_released(conn: Connection, cases: Sequence[Case]) -> None:
    """Of locked cases: nobody is asked for 代決 any more."""
    await conn.execute(
        "UPDATE steps AS s SET asked_post_id = '' WHERE s.step_id = ANY(%s::uuid [])",
        ([case.decider.step_id for case in cases],),
    )
    await _save_versions(conn, cases)


async def _save_versions(conn: Connection, cases: Sequence[Case]) -> None:
    """The number of the last event of each case."""
    await conn.execute(
        "UPDATE cases AS c SET version = n.version"
        " FROM unnest(%s::uuid [], %s::bigint []) AS n (case_id, version) WHERE c.case_id = n.case_id",
        ([case.case_id for case in cases], [case.version for case in cases]),
    )


async def open_steps_of(conn: Connection, post_ids: Sequence[str]) -> Mapping[str, int]:
    """How many open steps each of these posts has; those without are missing."""
    cursor = await conn.execute(
        f"SELECT s.post_id, count(*) FROM steps AS s WHERE s.post_id = ANY(%s) AND {_OPEN} GROUP BY s.post_id",
        (list(post_ids),),
    )
    return dict(await cursor.fetchall())


@dataclass(frozen=True)
class Stranded:
    """An open step that nobody can act on: by numbers and ids, never by title."""

    case_id: str
    step_id: str
    document_id: str
    draft_number: str
    unit_id: str
    kind: StepKind
    state: StepState
    # "post_ended", "vacant", "own_draft"
    cause: str
    post_id: str
    # As it was called last.
    post_title: str
    unit_name: str
    # The day on which the post ended; None when it did not.
    ended_on: dt.date | None
    decision_class: str
    version: int


_STRANDED = f"""
WITH lost AS (
    SELECT s.step_id, s.case_id, s.kind, s.state, s.post_id, 'post_ended' AS cause
    FROM ({_ENDED}) AS e INNER JOIN steps AS s ON s.post_id = e.post_id AND {_OPEN}
    UNION ALL
    -- Whose turn has come at a post that exists and that nobody holds.
    SELECT s.step_id, s.case_id, s.kind, s.state, s.post_id, 'vacant'
    FROM posts AS p INNER JOIN steps AS s ON s.post_id = p.post_id AND s.inbox_kind IS NOT NULL AND {_OPEN}
    WHERE p.valid_from <= %(day)s AND %(day)s < p.valid_to AND NOT EXISTS (
        SELECT FROM appointments AS a
        WHERE a.post_id = p.post_id AND a.valid_from <= %(day)s AND %(day)s < a.valid_to
    )
    UNION ALL
    -- A drafter, or who submitted in their place, who was appointed to the post that decides (AP-43).
    SELECT s.step_id, s.case_id, s.kind, s.state, s.post_id, 'own_draft'
    FROM (
        SELECT a.post_id, min(a.staff_id) AS staff_id FROM appointments AS a
        WHERE a.valid_from <= %(day)s AND %(day)s < a.valid_to
        GROUP BY a.post_id HAVING count(*) = 1
    ) AS h
    INNER JOIN steps AS s ON s.post_id = h.post_id AND s.kind = 'decide' AND s.state IN ('waiting', 'active', 'held')
    INNER JOIN cases AS c ON c.case_id = s.case_id
    INNER JOIN route_plans AS r ON r.route_plan_id = c.route_plan_id AND h.staff_id IN (c.drafter, r.made_by)
        -- 課長起案, where the city has it so.
        AND NOT (s.post_id = r.drafter_post AND r.steps -> -1 ->> 'post_id' = r.drafter_post)
)
SELECT
    l.case_id::text, l.step_id::text, c.document_id::text, c.draft_number, c.unit_id, l.kind, l.state, l.cause,
    l.post_id, coalesce(p.title, l.post_id), coalesce(u.name, ''),
    CASE WHEN l.cause = 'post_ended' THEN p.valid_to END, c.decision_class, c.version
FROM lost AS l
INNER JOIN cases AS c ON c.case_id = l.case_id AND c.state IN ('circulating', 'decided')
LEFT JOIN LATERAL (
    SELECT q.title, q.unit_id, q.valid_from, q.valid_to FROM posts AS q
    WHERE q.post_id = l.post_id AND q.valid_from <= %(day)s ORDER BY q.valid_from DESC LIMIT 1
) AS p ON true
LEFT JOIN LATERAL (
    SELECT v.name FROM units AS v WHERE v.unit_id = p.unit_id ORDER BY v.valid_from DESC LIMIT 1
) AS u ON true
WHERE l.step_id > %(after)s::uuid
ORDER BY l.step_id
LIMIT %(limit)s
"""


async def list_stranded(conn: Connection, day: dt.date, after: str, limit: int) -> list[Stranded]:
    """Steps without an addressee on the day, oldest first (ids are sortable by time)."""
    cursor = await conn.execute(
        _STRANDED, {"day": day, "after": after or "00000000-0000-0000-0000-000000000000", "limit": limit}
    )
    return [
        Stranded(
            case_id=row[0],
            step_id=row[1],
            document_id=row[2],
            draft_number=row[3],
            unit_id=row[4],
            kind=StepKind(row[5]),
            state=StepState(row[6]),
            cause=row[7],
            post_id=row[8],
            post_title=row[9],
            unit_name=row[10],
            ended_on=row[11],
            decision_class=row[12],
            version=row[13],
        )
        for row in await cursor.fetchall()
    ]
