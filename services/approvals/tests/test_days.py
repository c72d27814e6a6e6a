"""Acts and routes on either side of a midnight in Japan: a leap day, the turn of the fiscal year, closed days."""

from __future__ import annotations

import calendar
import datetime as dt

import pytest

from chassis import clock
from chassis.requests import Call
from services.approvals.cases.domain import Action
from services.approvals.changes import commands
from services.approvals.policy import Reader
from services.approvals.routes.commands import plan_route
from services.approvals.routes.domain import Facts
from services.approvals.tests.conftest import refused
from services.approvals.tests.test_midnight import CHIEFS, CHIEFS_BACK, act, act_on, at, circulating, reviewed

NEXT_APRIL = dt.date(clock.today().year + 1, 4, 1)
LEAP_DAY = next(
    dt.date(year, 2, 29) for year in range(clock.today().year + 1, clock.today().year + 10) if calendar.isleap(year)
)
JUST_BEFORE = dt.timedelta(seconds=-1)


@pytest.mark.parametrize(
    ("now", "decision_class"),
    [(at(dt.date(2026, 4, 1)) + JUST_BEFORE, "director"), (at(dt.date(2026, 4, 1)), "head")],
)
async def test_the_rules_of_the_fiscal_year_hold_from_its_first_moment(city, now, decision_class):
    """AP-02: 補助金 of 700,000 yen, before and after the amendment of 令和8年4月1日."""
    facts = Facts(clock.new_id(), "U-040-03", "S0072", "P-040-03-05", "補助金交付", 700_000, "", False)
    call = Call("S0072", clock.new_id(), "PlanRoute", b"")
    reader = Reader("S0072", {"P-040-03-05": "U-040-03"})
    made = await plan_route(
        city.pool, call, facts, (), "", reader, lambda plan, *_: plan.route.decision_class.encode(), now
    )
    assert made.decode() == decision_class


async def test_who_holds_a_post_on_a_leap_day_acts_on_it_and_on_no_other_day(city):
    """AP-40: an appointment of [2/29, 3/1)."""
    before, on, after = [await circulating(city) for _ in range(3)]
    march = dt.date(LEAP_DAY.year, 3, 1)
    await reviewed(city, LEAP_DAY, *CHIEFS)
    await reviewed(city, march, *CHIEFS_BACK)
    await act(city, before, "S0070", at(LEAP_DAY) + JUST_BEFORE)
    await commands.apply_due(city.pool, at(LEAP_DAY))
    for moment in (at(LEAP_DAY), at(march) + JUST_BEFORE):
        assert (await refused(act(city, on, "S0070", moment))).reason == "NOT_YOUR_STEP"
    await act(city, on, "S0084", at(march) + JUST_BEFORE)
    await commands.apply_due(city.pool, at(march))
    assert (await refused(act(city, after, "S0084", at(march)))).reason == "NOT_YOUR_STEP"
    await act(city, after, "S0070", at(march))
    rows = await city.rows(
        "SELECT staff_id, acted_at FROM decisions WHERE case_id = ANY(%s::uuid[]) ORDER BY acted_at",
        [case.case_id for case in (before, on, after)],
    )
    assert rows == [
        ("S0070", at(LEAP_DAY) + JUST_BEFORE),
        ("S0084", at(march) + JUST_BEFORE),
        ("S0070", at(march)),
    ]


async def test_an_absence_until_the_end_of_march_is_over_on_the_first_of_april(city):
    """AP-14: 代決 in the last second of 3/31, not in the first of 4/1."""
    head = await city.person("S0068")
    span = {"from": clock.now(), "to": at(NEXT_APRIL)}
    await head.call("RegisterAbsence", request_id=clock.new_id(), reason_code="training", **span)
    case = await circulating(city)
    for post in ("P-040-03-03", "P-040-03-02"):
        person = await city.holder(post)
        case = await person.act(await person.see(case.case_id), "approve")
    step = case.steps[2]
    error = await refused(act_on(city, case, step, "S0069", Action.SUBSTITUTE, at(NEXT_APRIL)))
    assert (error.reason, error.metadata["holder"]) == ("NOT_ABSENT", "髙橋 誠司")
    await act_on(city, case, step, "S0069", Action.SUBSTITUTE, at(NEXT_APRIL) + JUST_BEFORE)
    rows = await city.rows("SELECT state, decided_by FROM cases WHERE case_id = %s", case.case_id)
    assert rows == [("decided", "S0069")]


async def test_a_closed_day_and_the_night_are_no_hindrance(city):
    """AP-51: on New Year's Day at three in the morning, to the second and in Japan's time."""
    case = await circulating(city)
    moment = at(dt.date(NEXT_APRIL.year, 1, 1), hours=3)
    await act(city, case, "S0070", moment)
    rows = await city.rows("SELECT acted_at FROM decisions WHERE case_id = %s", case.case_id)
    assert [acted_at.astimezone(clock.JST).isoformat() for (acted_at,) in rows] == [
        f"{NEXT_APRIL.year}-01-01T03:00:00+09:00"
    ]
