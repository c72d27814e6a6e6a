# ruff: noqa: S608 - statements are put together from constants of this module
"""SQL of cases: one statement loads a case whole, a few save what changed.

A case is loaded together with the posts it concerns as they are held now, so that an act needs the
same few trips to the database however long the route is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

from chassis.db import Connection
from chassis.errors import DomainError, Kind
from services.approvals.cases.decision_store import INSERT_DECISIONS, decision_of, decision_row, insert_decisions
from services.approvals.cases.domain import Case, CaseState, Drafter, Hall, Move, inbox_kind
from services.approvals.cases.step_store import insert_steps, step_of, step_row
from services.approvals.organisation.domain import AppointmentKind, called, post_label, signing_title
from services.approvals.organisation.store import SEATS, find_seats, own_post, seat_of

# What a post was called on the day of a move: [unit, title].
_CALLED = """(
    SELECT json_build_array(coalesce(u.name, ''), p.title)
    FROM posts AS p
    LEFT JOIN LATERAL (
        SELECT v.name FROM units AS v WHERE v.unit_id = p.unit_id AND v.valid_from <= n.day
        ORDER BY v.valid_from DESC LIMIT 1
    ) AS u ON true
    WHERE p.post_id = m.{post} AND p.valid_from <= n.day ORDER BY p.valid_from DESC LIMIT 1
)"""

_LOAD = (
    """
SELECT
    c.case_id::text, c.document_id::text, c.state, c.version_digest, c.drafter, c.drafter_post,
    owner_on(c.document_id, c.unit_id, %(day)s), c.decision_class, c.draft_number, c.urgent, c.exceptional, c.route_plan_id::text,
    c.rule_id, c.basis, c.opened_at, c.decided_at, c.decided_by, c.reason, c.version, c.designated,
    EXISTS (SELECT FROM completed_documents AS e WHERE e.document_id = c.document_id),
    coalesce((SELECT r.made_by FROM route_plans AS r WHERE r.route_plan_id = c.route_plan_id), ''),
    coalesce((
        SELECT r.drafter_post FROM route_plans AS r
        WHERE r.route_plan_id = c.route_plan_id AND r.steps -> -1 ->> 'post_id' = r.drafter_post
    ), ''),
    coalesce((SELECT a.staff_id FROM assignees AS a WHERE a.document_id = c.document_id), ''),
    c.opinions_key,
    (
        SELECT json_agg(json_build_object(
            'step_id', s.step_id, 'kind', s.kind, 'state', s.state, 'group', s.step_group, 'post_id', s.post_id,
            'mandatory', s.mandatory, 'basis', s.basis, 'activated_at', s.activated_at, 'acted_at', s.acted_at,
            'round', s.round, 'holder', s.holder, 'acted_for', s.acted_for, 'asked_post_id', s.asked_post_id,
            'need', s.need, 'added_by', s.added_by
        ) ORDER BY s.kind = 'inform', s.step_group, s.place)
        FROM steps AS s WHERE s.case_id = c.case_id
    ),
    (
        SELECT json_agg(json_build_object(
            'decision_id', d.decision_id, 'step_id', d.step_id, 'action', d.action, 'round', d.round,
            'by', json_build_object(
                'staff_id', d.staff_id, 'staff_name', d.staff_name, 'post_id', d.post_id,
                'post_title', d.post_title, 'unit_id', d.unit_id, 'unit_name', d.unit_name,
                'appointment', d.appointment
            ),
            'comment', d.comment, 'acted_at', d.acted_at, 'version_digest', d.version_digest,
            'access_record', d.access_record, 'acknowledged', d.acknowledged, 'carried_from', d.carried_from,
            'bulk', d.bulk,
            'walk_around', d.walk_around
        ) ORDER BY d.number)
        FROM decisions AS d WHERE d.case_id = c.case_id
    ),
    (
        SELECT json_agg(json_build_array(
            m.step_id, m.from_post, m.to_post, m.reason, m.moved_by, m.moved_at,
            (SELECT t.name FROM staff AS t WHERE t.staff_id = m.moved_by ORDER BY t.valid_from DESC LIMIT 1),
            """
    + _CALLED.format(post="from_post")
    + ", "
    + _CALLED.format(post="to_post")
    + """
        ) ORDER BY m.number)
        FROM step_moves AS m
        CROSS JOIN LATERAL (SELECT (m.moved_at AT TIME ZONE 'Asia/Tokyo')::date AS day) AS n
        WHERE m.case_id = c.case_id
    ),
    (
        WITH wanted (post_id) AS (
            SELECT s.post_id FROM steps AS s WHERE s.case_id = c.case_id
            UNION
            SELECT c.drafter_post
            UNION
            -- Whose document it is acts from whatever post they hold in the owner unit (AP-42).
            SELECT p.post_id FROM posts AS p INNER JOIN appointments AS a ON a.post_id = p.post_id
            WHERE p.unit_id = owner_on(c.document_id, c.unit_id, %(day)s) AND p.valid_from <= %(day)s AND %(day)s < p.valid_to
                AND a.valid_from <= %(day)s AND %(day)s < a.valid_to AND a.staff_id = coalesce(
                    (SELECT g.staff_id FROM assignees AS g WHERE g.document_id = c.document_id), c.drafter
                )
            UNION
            SELECT b.substitute_post_id FROM steps AS s
            CROSS JOIN LATERAL substitutes_on(s.post_id, c.route_plan_id, %(day)s) AS b
            WHERE s.case_id = c.case_id AND s.kind = 'decide'
        )
        SELECT json_agg(seat) FROM ("""
    + SEATS
    + """) AS seat
    ),
    ARRAY(
        SELECT b.substitute_post_id FROM steps AS s
        CROSS JOIN LATERAL substitutes_on(s.post_id, c.route_plan_id, %(day)s) AS b
        WHERE s.case_id = c.case_id AND s.kind = 'decide'
        ORDER BY b.place
    ),
    (
        SELECT json_build_array(coalesce(s.name, ''), coalesce(p.title, ''), coalesce(u.name, ''), coalesce(p.rank, ''),
            coalesce(a.kind, 'main'), """
    + own_post("o.day")
    + """)
        FROM (SELECT (c.opened_at AT TIME ZONE 'Asia/Tokyo')::date AS day) AS o
        -- As they were called last until then: a drafter may have left before the 担当者 submitted it (AP-42).
        LEFT JOIN LATERAL (
            SELECT n.name FROM staff AS n WHERE n.staff_id = c.drafter AND n.valid_from <= o.day
            ORDER BY n.valid_from DESC LIMIT 1
        ) AS s ON true
        LEFT JOIN LATERAL (
            SELECT n.title, n.unit_id, n.rank FROM posts AS n WHERE n.post_id = c.drafter_post AND n.valid_from <= o.day
            ORDER BY n.valid_from DESC LIMIT 1
        ) AS p ON true
        LEFT JOIN LATERAL (
            SELECT n.name FROM units AS n WHERE n.unit_id = p.unit_id AND n.valid_from <= o.day
            ORDER BY n.valid_from DESC LIMIT 1
        ) AS u ON true
        LEFT JOIN appointments AS a ON a.staff_id = c.drafter AND a.post_id = c.drafter_post
            AND a.valid_from <= o.day AND o.day < a.valid_to
    ),
    EXISTS (SELECT 1 FROM change_sets AS p WHERE p.state = 'reviewed' AND p.effective_on <= %(day)s)
FROM cases AS c
"""
)


async def lock(conn: Connection, case_id: str) -> None:
    """Wait for and take the case. What is loaded afterwards is the truth until the commit (AP-32)."""
    await conn.execute("SELECT 1 FROM cases WHERE case_id = %s FOR UPDATE", (case_id,))


async def load(conn: Connection, case_id: str, day: dt.date, now: dt.datetime) -> tuple[Case, Hall] | None:
    """The case and its posts as held now; None when there is none.

    UNAVAILABLE REORGANISING between midnight and the moment a change set of the day is applied: until then it cannot be
    said who holds what. The same statement looks at both, so what it says of the posts is true of the day.
    """
    cursor = await conn.execute(_LOAD + "WHERE c.case_id = %(case_id)s", {"case_id": case_id, "day": day, "now": now})
    row = await cursor.fetchone()
    return None if row is None else _settled(row)


async def load_many(
    conn: Connection, case_ids: Sequence[str], day: dt.date, now: dt.datetime
) -> list[tuple[Case, Hall]]:
    """These cases, by id. UNAVAILABLE REORGANISING as for one."""
    cursor = await conn.execute(
        _LOAD + "WHERE c.case_id = ANY(%(case_ids)s::uuid []) ORDER BY c.case_id",
        {"case_ids": list(case_ids), "day": day, "now": now},
    )
    return [_settled(row) for row in await cursor.fetchall()]


async def load_latest(conn: Connection, document_id: str, day: dt.date, now: dt.datetime) -> tuple[Case, Hall] | None:
    """The latest case of a document."""
    cursor = await conn.execute(
        _LOAD + "WHERE c.case_id = (SELECT l.case_id FROM cases AS l WHERE l.document_id = %(document_id)s"
        " ORDER BY l.opened_at DESC, l.case_id DESC LIMIT 1)",
        {"document_id": document_id, "day": day, "now": now},
    )
    row = await cursor.fetchone()
    return None if row is None else _case(row)


async def load_of_document(
    conn: Connection, document_id: str, day: dt.date, now: dt.datetime
) -> list[tuple[Case, Hall]]:
    """Every case of a document, the latest first."""
    cursor = await conn.execute(
        _LOAD + "WHERE c.document_id = %(document_id)s ORDER BY c.opened_at DESC, c.case_id DESC",
        {"document_id": document_id, "day": day, "now": now},
    )
    return [_case(row) for row in await cursor.fetchall()]


async def load_replaced(conn: Connection, document_id: str) -> Case | None:
    """The case that a resubmission follows: the latest that circulated, when it went back to the drafter."""
    cursor = await conn.execute(
        _LOAD + "WHERE c.case_id = (SELECT l.case_id FROM cases AS l WHERE l.document_id = %(document_id)s"
        " AND l.state <> 'refused' ORDER BY l.opened_at DESC, l.case_id DESC LIMIT 1) AND c.state = 'sent_back'",
        # Only the case is asked for, so the day of its posts does not matter.
        {"document_id": document_id, "day": dt.date.max, "now": dt.datetime.max.replace(tzinfo=dt.UTC)},
    )
    row = await cursor.fetchone()
    return None if row is None else _case(row)[0]


async def keep_assignee(conn: Connection, document_id: str, staff_id: str, version: int) -> None:
    """Whose document it is from its `version` on; an older announcement changes nothing, so order is not needed."""
    await conn.execute(
        "INSERT INTO assignees AS a (document_id, staff_id, version) VALUES (%s, %s, %s)"
        " ON CONFLICT (document_id) DO UPDATE SET staff_id = excluded.staff_id, version = excluded.version"
        " WHERE a.version < excluded.version",
        (document_id, staff_id, version),
    )


async def keep_owner(conn: Connection, document_id: str, unit_id: str, version: int) -> None:
    """Whose the document is from its `version` on; an older announcement changes nothing."""
    await conn.execute(
        "INSERT INTO document_owners AS o (document_id, unit_id, version) VALUES (%s, %s, %s)"
        " ON CONFLICT (document_id) DO UPDATE SET unit_id = excluded.unit_id, version = excluded.version"
        " WHERE o.version < excluded.version",
        (document_id, unit_id, version),
    )


async def note_completed(conn: Connection, document_id: str) -> None:
    """The document of these cases is completed; that never ends."""
    await conn.execute(
        "INSERT INTO completed_documents (document_id) VALUES (%s) ON CONFLICT DO NOTHING", (document_id,)
    )


async def hall_of(conn: Connection, post_ids: Sequence[str], day: dt.date, now: dt.datetime) -> Hall:
    """These posts as held now."""
    return Hall(await find_seats(conn, post_ids, day, now))


async def insert(conn: Connection, case: Case) -> None:
    """A new case with its steps."""
    await conn.execute(
        "INSERT INTO cases (case_id, document_id, state, version_digest, drafter, drafter_post, unit_id,"
        " decision_class, draft_number, urgent, exceptional, route_plan_id, rule_id, basis, opened_at, reason, version,"
        " designated, opinions_key) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            case.case_id,
            case.document_id,
            case.state,
            case.version_digest,
            case.drafter,
            case.drafter_post,
            case.unit_id,
            case.decision_class,
            case.draft_number,
            case.urgent,
            case.exceptional,
            case.route_plan_id,
            case.rule_id,
            case.basis,
            case.opened_at,
            case.reason,
            case.version,
            case.designated,
            case.opinions_key,
        ),
    )
    await insert_steps(conn, case, list(enumerate(case.steps)))
    if case.decisions:
        await insert_decisions(conn, case.case_id, case.decisions)


_SAVE = (
    """
WITH changed AS (
    UPDATE steps AS s
    SET
        kind = n.kind, state = n.state, step_group = n.step_group, basis = n.basis, activated_at = n.activated_at,
        acted_at = n.acted_at, round = n.round, holder = n.holder, acted_for = n.acted_for,
        asked_post_id = n.asked_post_id, inbox_kind = n.inbox_kind, waiting_since = n.waiting_since
    FROM jsonb_to_recordset(%(steps)s) AS n (
        step_id uuid, kind text, state text, step_group smallint, basis text, activated_at timestamptz,
        acted_at timestamptz, round smallint, holder jsonb, acted_for jsonb, asked_post_id text, inbox_kind text,
        waiting_since timestamptz
    )
    WHERE s.step_id = n.step_id
), decided AS ("""
    + INSERT_DECISIONS
    + """)
UPDATE cases
SET
    state = %(state)s, decided_at = %(decided_at)s, decided_by = %(decided_by)s, reason = %(reason)s,
    version = %(version)s
WHERE case_id = %(case_id)s
"""
)


# 上位者裁定: a step becomes or ceases to be the decider while it waits, whatever comes of it in the same act.
_TURN = """
UPDATE steps AS s
SET kind = n.kind, state = 'waiting', basis = n.basis
FROM jsonb_to_recordset(%(steps)s) AS n (step_id uuid, kind text, basis text)
WHERE s.step_id = n.step_id AND s.kind <> n.kind
"""


async def save(conn: Connection, before: Case, after: Case) -> None:
    """Write what changed, in one statement, or two when another decides. The case is locked, so nothing else can have changed it."""
    old = {step.step_id: (step, inbox_kind(before, step)) for step in before.steps}
    steps = [
        step_row(after, step, place)
        for place, step in enumerate(after.steps)
        if step.step_id in old and old[step.step_id] != (step, inbox_kind(after, step))
    ]
    # The place is only where it came in: within its group, the latest stands last.
    added = list(enumerate((step for step in after.steps if step.step_id not in old), start=len(before.steps)))
    decisions = [decision_row(decision) for decision in after.decisions[len(before.decisions) :]]
    if before.steps and after.decider.step_id != before.decider.step_id:
        await conn.execute(_TURN, {"steps": Jsonb(steps)})
    await conn.execute(
        _SAVE,
        {
            "steps": Jsonb(steps),
            "decisions": Jsonb(decisions),
            "case_id": after.case_id,
            "state": after.state,
            "decided_at": after.decided_at,
            "decided_by": after.decided_by,
            "reason": after.reason,
            "version": after.version,
        },
    )
    if added:
        await insert_steps(conn, after, added)


# In the order of the columns of _LOAD.
_PLAIN = (
    "case_id",
    "document_id",
    "state",
    "version_digest",
    "drafter",
    "drafter_post",
    "unit_id",
    "decision_class",
    "draft_number",
    "urgent",
    "exceptional",
    "route_plan_id",
    "rule_id",
    "basis",
    "opened_at",
    "decided_at",
    "decided_by",
    "reason",
    "version",
    "designated",
    "completed",
    "submitter",
    "own_post",
    "assignee",
    "opinions_key",
)


def _settled(row: tuple[Any, ...]) -> tuple[Case, Hall]:
    """The case, unless a change set of the day is still to be applied."""
    if row[-1]:
        raise DomainError(Kind.UNAVAILABLE, "REORGANISING", "a change set of today is being applied")
    return _case(row)


def _case(row: tuple[Any, ...]) -> tuple[Case, Hall]:
    steps, decisions, moves, seats, substitutes, drafter, _ = row[len(_PLAIN) :]
    plain = dict(zip(_PLAIN, row[: len(_PLAIN)], strict=True))
    plain["state"] = CaseState(plain["state"])
    case = Case(
        **plain,
        steps=tuple(step_of(step) for step in steps or ()),
        decisions=tuple(decision_of(decision) for decision in decisions or ()),
        moves=tuple(_move(*move) for move in moves or ()),
    )
    hall = {seat["post_id"]: seat_of(seat) for seat in seats or ()}
    held = {post: seat for post, seat in hall.items() if seat.rank}
    return case, Hall(held, tuple(substitutes), _drafter(*drafter))


def _drafter(name: str, title: str, unit_name: str, rank: str, kind: str, own_post: Sequence[str] | None) -> Drafter:
    own = called(*own_post) if own_post else ""
    return Drafter(name, signing_title(AppointmentKind(kind), title, called(unit_name, title, rank), own), unit_name)


def _move(
    step_id: str,
    from_post: str,
    to_post: str,
    reason: str,
    moved_by: str,
    moved_at: str,
    name: str | None,
    from_called: list[str] | None,
    to_called: list[str] | None,
) -> Move:
    before = post_label(*from_called) if from_called else from_post
    after = post_label(*to_called) if to_called else to_post
    return Move(step_id, before, after, reason, moved_by, name or "", dt.datetime.fromisoformat(moved_at))
