"""SQL of decisions: the rows that are inserted, and what one of them says."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

from chassis.db import Connection
from services.approvals.cases.domain import Action, Decision, Signature, WalkAround
from services.approvals.organisation.domain import AppointmentKind

# Of one case; `save` makes it part of its one statement.
INSERT_DECISIONS = """
INSERT INTO decisions (
    decision_id, case_id, step_id, action, round, staff_id, staff_name, post_id, post_title, unit_id, unit_name,
    appointment, comment, acted_at, version_digest, access_record, acknowledged, carried_from, bulk, walk_around
)
SELECT
    decision_id, %(case_id)s, step_id, action, round, staff_id, staff_name, post_id, post_title, unit_id,
    unit_name, appointment, comment, acted_at, version_digest, access_record, acknowledged, carried_from, bulk, walk_around
FROM jsonb_to_recordset(%(decisions)s) AS n (
    decision_id uuid, step_id uuid, action text, round smallint, staff_id text, staff_name text, post_id text,
    post_title text, unit_id text, unit_name text, appointment text, comment text, acted_at timestamptz,
    version_digest text, access_record text, acknowledged uuid [], carried_from uuid, bulk boolean, walk_around jsonb
)
"""


async def insert_decisions(conn: Connection, case_id: str, decisions: Sequence[Decision]) -> None:
    """Acts carried from an earlier case (AP-30), in their order."""
    rows = [decision_row(decision) for decision in decisions]
    await conn.execute(INSERT_DECISIONS, {"case_id": case_id, "decisions": Jsonb(rows)})


def decision_row(decision: Decision) -> dict[str, Any]:
    """What INSERT_DECISIONS takes."""
    walk = decision.walk_around
    return dataclasses.asdict(decision.by) | {
        "decision_id": decision.decision_id,
        "step_id": decision.step_id or None,
        "action": decision.action,
        "round": decision.round,
        "comment": decision.comment,
        "acted_at": decision.acted_at.isoformat(),
        "version_digest": decision.version_digest,
        "access_record": decision.access_record,
        "acknowledged": list(decision.acknowledged),
        "carried_from": decision.carried_from or None,
        "bulk": decision.bulk,
        "walk_around": None if walk is None else dataclasses.asdict(walk) | {"decided_at": walk.decided_at.isoformat()},
    }


def decision_of(row: dict[str, Any]) -> Decision:
    """The act that a row of the loading statement says."""
    return Decision(
        row["decision_id"],
        row["step_id"] or "",
        Action(row["action"]),
        row["round"],
        signature_of(row["by"]),
        row["comment"],
        dt.datetime.fromisoformat(row["acted_at"]),
        row["version_digest"],
        row["access_record"],
        tuple(row["acknowledged"]),
        row["carried_from"] or "",
        row["bulk"],
        _walk_around(row["walk_around"]),
    )


def _walk_around(row: dict[str, Any] | None) -> WalkAround | None:
    if row is None:
        return None
    decided_at = dt.datetime.fromisoformat(row["decided_at"])
    return WalkAround(signature_of(row["decider"]), decided_at, row["evidence_sha256"])


def signature_of(row: dict[str, str]) -> Signature:
    """Who acted, as they were then."""
    return Signature(
        row["staff_id"],
        row["staff_name"],
        row["post_id"],
        row["post_title"],
        row["unit_id"],
        row["unit_name"],
        AppointmentKind(row["appointment"]),
    )
