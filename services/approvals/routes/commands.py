"""PlanRoute: facts, rules and organisation of the day become a stored route, shown to the drafter."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from chassis import clock, db, requests
from chassis.db import Pool
from chassis.requests import Call
from services.approvals import policy
from services.approvals.organisation import store as organisation
from services.approvals.organisation.domain import Seat, Unit
from services.approvals.routes import store
from services.approvals.routes.domain import Facts, Plan, PlannedStep, adjust, build
from services.approvals.routes.questions import line_on
from services.approvals.routes.why import Explanation, explain

Encode = Callable[[Plan, Mapping[str, Seat], Explanation, Mapping[str, Unit]], bytes]


async def plan_route(
    pool: Pool,
    call: Call,
    facts: Facts,
    adjusted: Sequence[PlannedStep],
    encode: Encode,
    now: dt.datetime,
) -> bytes:
    """Store a route made from these facts today (AP-02, AP-06, AP-15, AP-54).

    NO_RULE, POST_VACANT, OWN_DRAFT, NOT_PERMITTED for a post the drafter does not hold, INVALID_FIELDS.
    Crash before the end: no plan, and the same request makes one.
    """
    today = now.date()
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        line, units = await line_on(conn, facts.unit_id, now)
        held = await organisation.held_posts(conn, facts.drafter, today)
        drafter = policy.require_drafter_post(held, facts.unit_id, facts.drafter_post)
        facts = replace(facts, drafter_post=drafter.post_id)
        rules = await store.rules_for(conn, facts.matter, line.body, today)
        named = {post for rule in rules for post in (*rule.concurrence_posts, *rule.review_posts)}
        named |= {step.post_id for step in adjusted}
        known = {seat.post_id: seat for seat in line.seats} | await organisation.find_seats(
            conn, sorted(named), today, now
        )
        route = build(rules, line, drafter.rank, facts, known)
        if adjusted:
            route = adjust(route, adjusted, known, facts)
        plan = Plan(clock.new_id(), facts, route, now)
        response = encode(plan, known, explain(rules, line, facts), units)
        await store.insert_plan(conn, plan)
        await requests.keep(conn, call, response)
    return response
