# ruff: noqa: S608 - statements are put together from constants
"""All SQL about decision rules and planned routes. A plan is written once and never changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

from chassis import clock
from chassis.db import Connection
from services.approvals.routes.domain import ExceptionKind, Facts, Plan, PlannedStep, Route, Rule, StepKind

# In the order of the fields of Rule.
RULE_COLUMNS = (
    "rule_id, body, unit_id, matter, amount_min, amount_max, decision_class, concurrence_posts,"
    " concurrence_after, review_posts, basis, concurrence_need, concurrence_order, provisional, rule_version_id::text"
)


def rule_of(row: Sequence[Any]) -> Rule:
    """A row of the columns of a rule, in the order of its fields; lists become tuples."""
    values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in row]
    return Rule(*values)


async def rules_for(conn: Connection, matter: str, body: str, day: dt.date) -> list[Rule]:
    """Rules of the body for the matter in force on the day."""
    cursor = await conn.execute(
        "SELECT " + RULE_COLUMNS + " FROM decision_rules"
        " WHERE matter = %s AND body = %s AND valid_from <= %s AND %s < valid_to ORDER BY rule_id",
        (matter, body, day, day),
    )
    return [rule_of(row) for row in await cursor.fetchall()]


async def rules_of_version(conn: Connection, rule_version_id: str, matter: str) -> list[Rule]:
    """Rules of a version for the matter, whether it is still in force or not."""
    cursor = await conn.execute(
        "SELECT " + RULE_COLUMNS + " FROM version_rules INNER JOIN rule_versions USING (rule_version_id)"
        " WHERE rule_version_id = %s AND matter = %s ORDER BY rule_id",
        (rule_version_id, matter),
    )
    return [rule_of(row) for row in await cursor.fetchall()]


async def insert_plan(conn: Connection, plan: Plan) -> None:
    """Store a plan."""
    facts, route = plan.facts, plan.route
    await conn.execute(
        "INSERT INTO route_plans (route_plan_id, made_by, document_id, unit_id, drafter_post, matter, amount,"
        " wished_class, decision_class, exceptional, exception, exception_reason, rule_id, basis, steps, struck,"
        " rule_version_id, planned_at, route_template_id, route_template_version)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            plan.route_plan_id,
            facts.drafter,
            facts.document_id,
            facts.unit_id,
            facts.drafter_post,
            facts.matter,
            facts.amount,
            facts.wished_class,
            route.decision_class,
            facts.exceptional,
            facts.exception or "",
            facts.exception_reason,
            route.rule_id,
            route.basis,
            Jsonb([_step_json(step) for step in route.steps]),
            list(route.struck),
            route.rule_version_id or None,
            plan.planned_at,
            *(plan.template or (None, None)),
        ),
    )


async def find_plan(conn: Connection, route_plan_id: str) -> Plan | None:
    """A stored plan."""
    cursor = await conn.execute(
        "SELECT route_plan_id::text, made_by, document_id::text, unit_id, drafter_post, matter, amount, wished_class,"
        " decision_class, exceptional, exception, exception_reason, rule_id, basis, steps, struck,"
        " coalesce(rule_version_id::text, ''), planned_at FROM route_plans WHERE route_plan_id = %s",
        (route_plan_id,),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    plan_id, made_by, document_id, unit_id, drafter_post, matter, amount, wished, decision_class, exceptional = row[:10]
    exception, reason, rule_id, basis, steps, struck, rule_version_id, planned_at = row[10:]
    kind = ExceptionKind(exception) if exception else None
    return Plan(
        plan_id,
        Facts(document_id, unit_id, made_by, drafter_post, matter, amount, wished, exceptional, kind, reason),
        Route(tuple(_step(step) for step in steps), decision_class, rule_id, basis, tuple(struck), rule_version_id),
        planned_at.astimezone(clock.JST),
    )


async def is_outdated(conn: Connection, plan: Plan, day: dt.date) -> bool:
    """Whether a plan would be another one on the day: its rule is not of the version that holds, or since the day it was
    made a unit, or a post that stands on routes, has begun, changed or ended.

    People who come and go change no plan: a seat belongs to its post (AP-40).
    """
    cursor = await conn.execute(
        "SELECT NOT EXISTS (SELECT 1 FROM decision_rules WHERE rule_version_id = %(version)s AND rule_id = %(rule)s"
        " AND valid_from <= %(day)s AND %(day)s < valid_to)"
        " OR EXISTS (SELECT 1 FROM units WHERE (valid_from > %(made)s AND valid_from <= %(day)s)"
        " OR (valid_to > %(made)s AND valid_to <= %(day)s))"
        " OR EXISTS (SELECT 1 FROM posts WHERE rank <> 'member' AND ((valid_from > %(made)s AND valid_from <= %(day)s)"
        " OR (valid_to > %(made)s AND valid_to <= %(day)s)))",
        {
            "version": plan.route.rule_version_id or None,
            "rule": plan.route.rule_id,
            "made": plan.planned_at.date(),
            "day": day,
        },
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


def _step_json(step: PlannedStep) -> dict[str, Any]:
    return {
        "kind": step.kind,
        "post_id": step.post_id,
        "group": step.group,
        "mandatory": step.mandatory,
        "basis": step.basis,
        "need": step.need,
    }


def _step(row: dict[str, Any]) -> PlannedStep:
    # Plans of before know no need.
    need = row.get("need", 0)
    return PlannedStep(StepKind(row["kind"]), row["post_id"], row["group"], row["mandatory"], row["basis"], need)
