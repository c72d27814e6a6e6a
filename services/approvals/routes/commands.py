"""PlanRoute: facts, rules and organisation of the day become a stored route, shown to the drafter."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from chassis import clock, db, requests
from chassis.db import Pool
from chassis.errors import not_found
from chassis.requests import Call
from services.approvals import policy
from services.approvals.organisation import store as organisation
from services.approvals.organisation.domain import Seat, Unit
from services.approvals.policy import Reader
from services.approvals.routes import store
from services.approvals.routes.domain import Facts, Plan, PlannedStep, adjust, build
from services.approvals.routes.questions import line_on
from services.approvals.routes.why import Explanation, explain
from services.approvals.templates import store as templates
from services.approvals.templates.domain import applied

Encode = Callable[[Plan, Mapping[str, Seat], Explanation, Mapping[str, Unit]], bytes]


async def plan_route(
    pool: Pool,
    call: Call,
    facts: Facts,
    adjusted: Sequence[PlannedStep],
    route_template_id: str,
    reader: Reader,
    encode: Encode,
    now: dt.datetime,
    *,
    head_decides_own_draft: bool = False,
) -> bytes:
    """Store a route made from these facts today (AP-02, AP-06, AP-15, AP-54), with the drafter's own steps or a template.

    NOT_FOUND for a template that is not for them, NO_RULE, POST_VACANT, OWN_DRAFT, NOT_PERMITTED for a post the drafter does not hold, INVALID_FIELDS.
    Crash before the end: no plan, and the same request makes one.
    """
    today = now.date()
    async with db.pipelined(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        line, units = await line_on(conn, facts.unit_id, now)
        held = await organisation.held_posts(conn, facts.drafter, today)
        drafter = policy.require_drafter_post(held, facts.unit_id, facts.drafter_post)
        facts = replace(facts, drafter_post=drafter.post_id)
        rules = await store.rules_for(conn, facts.matter, line.body, today)
        named = {post for rule in rules for post in (*rule.concurrence_posts, *rule.review_posts)}
        named |= {step.post_id for step in adjusted}
        template = await templates.find_template(conn, route_template_id) if route_template_id else None
        if route_template_id and (template is None or not policy.may_use(template, reader)):
            raise not_found()
        named |= {extra.post_id for extra in template.extras} if template else set()
        known = {seat.post_id: seat for seat in line.seats}
        if further := sorted(named - known.keys()):
            known |= await organisation.find_seats(conn, further, today, now)
        route = build(rules, line, drafter.rank, facts, known, head_decides_own_draft)
        if template is not None:
            adjusted = applied(route, template, known, facts.drafter_post)
        if adjusted:
            route = adjust(route, adjusted, known, facts)
        used = (template.route_template_id, template.version) if template is not None else None
        plan = Plan(clock.new_id(), facts, route, now, used)
        response = encode(plan, known, explain(rules, line, facts), units)
        await store.insert_plan(conn, plan)
        await requests.keep(conn, call, response)
    return response
