"""SQL of what waits too long."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chassis.db import Connection
from services.approvals.cases.domain import StepState
from services.approvals.inbox.store import START, Position
from services.approvals.routes.domain import StepKind


@dataclass(frozen=True)
class Overdue:
    """A step that waits beyond its term."""

    case_id: str
    step_id: str
    document_id: str
    # "decision", "concurrence"
    kind: str
    post_id: str
    step_kind: StepKind
    step_state: StepState
    waiting_since: dt.datetime
    urgent: bool
    draft_number: str
    unit_id: str
    drafter: str


_OVERDUE = """
SELECT
    s.case_id::text, s.step_id::text, c.document_id::text, s.inbox_kind, s.post_id, s.kind, s.state, s.waiting_since,
    c.urgent, c.draft_number, c.unit_id, c.drafter
FROM cases AS c
INNER JOIN steps AS s ON s.case_id = c.case_id
WHERE
    c.state = 'circulating' AND (%(everywhere)s OR c.unit_id = ANY(ARRAY(
        SELECT unnest(%(units)s::text [])
        UNION
        -- Of units whose work came to them (RT-10).
        SELECT h.old_id FROM successors AS h WHERE h.kind = 'unit' AND unit_on(h.old_id, %(day)s) = ANY(%(units)s)
    )) OR c.document_id = ANY(ARRAY(
        -- Of a unit that was split.
        SELECT o.document_id FROM document_owners AS o WHERE o.unit_id = ANY(%(units)s)
    )))
    AND (
        (s.inbox_kind = 'decision' AND s.waiting_since < %(decision)s)
        OR (s.inbox_kind = 'concurrence' AND s.waiting_since < %(concurrence)s)
    )
    AND (s.waiting_since, s.step_id) > (%(since)s, %(step_id)s::uuid)
ORDER BY s.waiting_since, s.step_id
LIMIT %(limit)s
"""


async def overdue(
    conn: Connection,
    units: Collection[str] | None,
    before: Mapping[str, dt.datetime],
    day: dt.date,
    *,
    after: Position | None = None,
    limit: int = 50,
) -> list[Overdue]:
    """Steps of the units' cases that wait since before the moment of their kind, the longest first; None: of all units."""
    start = after or START
    cursor = await conn.execute(
        _OVERDUE,
        {
            "everywhere": units is None,
            "units": sorted(units or ()),
            "day": day,
            "decision": before["decision"],
            "concurrence": before["concurrence"],
            "since": start.waiting_since,
            "step_id": start.step_id,
            "limit": limit,
        },
    )
    return [_overdue(row) for row in await cursor.fetchall()]


def _overdue(row: Sequence[Any]) -> Overdue:
    case_id, step_id, document_id, kind, post_id, step_kind, state, since, urgent, number, unit_id, drafter = row
    return Overdue(
        case_id,
        step_id,
        document_id,
        kind,
        post_id,
        StepKind(step_kind),
        StepState(state),
        since,
        urgent,
        number,
        unit_id,
        drafter,
    )
