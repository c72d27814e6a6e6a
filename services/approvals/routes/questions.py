"""Why a plan has its decider: the rules it was made by and the organisation of its day, read and explained."""

from __future__ import annotations

import datetime as dt

from chassis.db import Connection
from chassis.errors import DomainError, FieldViolation, Kind
from services.approvals.organisation import store as organisation
from services.approvals.organisation.domain import Unit
from services.approvals.routes import store
from services.approvals.routes.domain import Facts, Line, Plan
from services.approvals.routes.why import Explanation, explain


async def line_on(conn: Connection, unit_id: str, now: dt.datetime) -> tuple[Line, dict[str, Unit]]:
    """The line of a unit as of a moment, and the units of it by id. INVALID_FIELDS for an unknown unit."""
    units, seats = await organisation.line_of(conn, unit_id, now.date(), now)
    if not units:
        raise DomainError(Kind.INVALID, "INVALID_FIELDS", "no such unit", [FieldViolation("facts.unit_id", "UNKNOWN")])
    return Line(tuple(unit.unit_id for unit in units), units[0].body, tuple(seats)), {u.unit_id: u for u in units}


async def of_facts(conn: Connection, facts: Facts, now: dt.datetime) -> tuple[Explanation, dict[str, Unit]]:
    """Why a draft with these facts would have its decider at a moment. NO_RULE, INVALID_FIELDS."""
    line, units = await line_on(conn, facts.unit_id, now)
    return explain(await store.rules_for(conn, facts.matter, line.body, now.date()), line, facts), units


async def of_plan(conn: Connection, plan: Plan) -> tuple[Explanation, dict[str, Unit]]:
    """Why a case made from this plan has its decider: as of the day it was planned, whatever changed since."""
    if not plan.route.rule_version_id:
        return await of_facts(conn, plan.facts, plan.planned_at)
    line, units = await line_on(conn, plan.facts.unit_id, plan.planned_at)
    rules = await store.rules_of_version(conn, plan.route.rule_version_id, plan.facts.matter)
    return explain(rules, line, plan.facts), units
