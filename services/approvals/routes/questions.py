"""Why a plan has its decider: the rules it was made by and the organisation of its day, read and explained."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from chassis.db import Connection
from chassis.errors import DomainError, FieldViolation, Kind
from services.approvals.cases.domain import Action, Case, Hall
from services.approvals.cases.turns import DISSENT_BASIS
from services.approvals.organisation import store as organisation
from services.approvals.organisation.domain import Unit, post_label
from services.approvals.routes import store
from services.approvals.routes.domain import Facts, Line, Plan
from services.approvals.routes.why import Explanation, Ruling, explain


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


async def of_case(conn: Connection, case: Case, hall: Hall) -> tuple[Explanation, dict[str, Unit]] | None:
    """Why a case has the decider it has, a 上位者裁定 included (AP-20). None for a case without a plan."""
    plan = await store.find_plan(conn, case.route_plan_id)
    if plan is None:
        return None
    found, units = await of_plan(conn, plan)
    return replace(found, ruling=_ruling(case, hall)), units


def _ruling(case: Case, hall: Hall) -> Ruling | None:
    if not case.steps or case.decider.basis != DISSENT_BASIS:
        return None
    step = case.decider
    seat, signed = hall.seats.get(step.post_id), step.holder or step.acted_for
    post = post_label(seat.unit_name, seat.title) if seat is not None else signed.post_title if signed else step.post_id
    against = [one.by for one in case.decisions if one.action is Action.DISSENT]
    labels = dict.fromkeys(post_label(by.unit_name, by.post_title) for by in against)
    return Ruling(step.post_id, post, tuple(labels))
