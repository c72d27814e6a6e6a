"""SQL of steps: the rows that are inserted and changed, and what one of them says."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

from chassis.db import Connection
from services.approvals.cases.decision_store import signature_of
from services.approvals.cases.domain import Case, Step, StepState, inbox_kind, waiting_since
from services.approvals.routes.domain import StepKind


async def insert_steps(conn: Connection, case: Case, steps: Sequence[tuple[int, Step]]) -> None:
    """New steps at their places."""
    await conn.execute(
        "INSERT INTO steps (step_id, case_id, kind, state, step_group, place, post_id, mandatory, basis, need,"
        " activated_at, acted_at, round, holder, asked_post_id, added_by, inbox_kind, waiting_since, priority)"
        " SELECT n.step_id, %s, n.kind, n.state, n.step_group, n.place, n.post_id, n.mandatory, n.basis,"
        " n.need, n.activated_at, n.acted_at, n.round, n.holder, n.asked_post_id, n.added_by, n.inbox_kind,"
        " n.waiting_since, %s"
        " FROM jsonb_to_recordset(%s) AS n (step_id uuid, kind text, state text, step_group smallint,"
        " place smallint, post_id text, mandatory boolean, basis text, need smallint,"
        " activated_at timestamptz, acted_at timestamptz, round smallint, holder jsonb, asked_post_id text,"
        " added_by uuid, inbox_kind text, waiting_since timestamptz)",
        (case.case_id, 0 if case.urgent else 1, Jsonb([step_row(case, step, place) for place, step in steps])),
    )


def step_row(case: Case, step: Step, place: int) -> dict[str, Any]:
    """What the statements about steps take."""
    since = waiting_since(case, step)
    return {
        "step_id": step.step_id,
        "kind": step.kind,
        "state": step.state,
        "step_group": step.group,
        "place": place,
        "post_id": step.post_id,
        "mandatory": step.mandatory,
        "basis": step.basis,
        "need": step.need,
        "activated_at": _text(step.activated_at),
        "acted_at": _text(step.acted_at),
        "round": step.round,
        "holder": None if step.holder is None else dataclasses.asdict(step.holder),
        "acted_for": None if step.acted_for is None else dataclasses.asdict(step.acted_for),
        "asked_post_id": step.asked_post_id,
        "added_by": step.added_by or None,
        "inbox_kind": inbox_kind(case, step) or None,
        "waiting_since": _text(since),
    }


def step_of(row: dict[str, Any]) -> Step:
    """The step that a row of the loading statement says."""
    return Step(
        step_id=row["step_id"],
        kind=StepKind(row["kind"]),
        state=StepState(row["state"]),
        group=row["group"],
        post_id=row["post_id"],
        mandatory=row["mandatory"],
        basis=row["basis"],
        need=row["need"],
        activated_at=_moment(row["activated_at"]),
        acted_at=_moment(row["acted_at"]),
        round=row["round"],
        holder=signature_of(row["holder"]) if row["holder"] else None,
        acted_for=signature_of(row["acted_for"]) if row["acted_for"] else None,
        asked_post_id=row["asked_post_id"],
        added_by=row["added_by"] or "",
    )


def _text(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)
