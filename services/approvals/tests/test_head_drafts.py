"""課長起案 where the city has it so (AP-43 ⚙): a 室長 decides what they drafted from that very post, and nobody else does."""

from __future__ import annotations

import dataclasses

import pytest

from chassis import clock, db
from chassis.errors import DomainError
from services.approvals.cases.domain import CityRules
from services.approvals.routes.domain import build
from services.approvals.succession import store as succession
from services.approvals.tests.conftest import refused
from services.approvals.tests.test_route_forms import ASKED, FACTS, LINE, RULE, shape

CITY_RULES = CityRules(head_decides_own_draft=True)
HEAD, MEMBER = "P-040-03-01", "P-040-03-05"
SUBSIDY = {"unit_id": "U-040-03", "matter": "補助金交付", "amount": 332_000}


async def drafted(city, person, post_id, **facts):
    document_id, chosen = clock.new_id(), SUBSIDY | facts | {"drafter_post": post_id}
    plan = await city.plan(person, document_id, **chosen)
    return await city.submit(person, plan, document_id, **chosen)


async def test_a_head_decides_the_own_draft_of_that_post(city):
    """AP-43 ⚙, AP-01: the route is the one seat of the decider; it is nobody's stranded step."""
    head = await city.holder(HEAD)
    case = await head.see(await drafted(city, head, HEAD))
    assert [(step.post_id, list(step.allowed_actions)[:1]) for step in case.steps if step.kind == 2] == [
        (HEAD, ["decide"])
    ]
    async with db.connection(city.pool) as conn:
        stranded = await succession.list_stranded(conn, clock.today(), "", 200)
    assert case.case_id not in {one.case_id for one in stranded}
    case = await head.act(case, "decide", "適当と認める。")
    assert (case.state, case.decisions[-1].staff_id, case.drafter) == ("decided", head.staff_id, head.staff_id)


def test_whom_the_rule_asks_is_asked_before():
    """AP-43 ⚙, AP-07: 合議 and 審査 stand before the one seat that decides; without the city's word there is no route."""
    rule = dataclasses.replace(RULE, decision_class="head", review_posts=("P-審査",))
    facts = dataclasses.replace(FACTS, drafter="S-P-室長", drafter_post="P-室長")
    made = build([rule], LINE, "head", facts, ASKED, head_decides_own_draft=True)
    assert shape(made.steps) == [
        "1 concur P-財政",
        "1 concur P-契約",
        "1 concur P-法制",
        "2 review P-審査",
        "3 decide P-室長",
    ]
    assert made.struck == ("P-部長",)
    with pytest.raises(DomainError) as caught:
        build([rule], LINE, "head", facts, ASKED)
    assert caught.value.reason == "OWN_DRAFT"


async def test_no_other_post_and_no_other_rank(city, owner):
    """AP-43: not as 係員 by 兼務, and a 部長 has a draft of their own decided above."""
    head, director = await city.holder(HEAD), await city.holder("P-040-00-01")
    await owner.execute(
        "INSERT INTO appointments (staff_id, post_id, kind, valid_from) VALUES (%s, %s, 'concurrent', current_date - 1)",
        (head.staff_id, MEMBER),
    )
    try:
        head = await city.person(head.staff_id)
        assert (await refused(drafted(city, head, MEMBER))).reason == "OWN_DRAFT"
    finally:
        await owner.execute("DELETE FROM appointments WHERE staff_id = %s AND post_id = %s", (head.staff_id, MEMBER))
    own = {"unit_id": "U-040", "matter": "契約締結", "amount": 3_000_000}
    assert (await refused(drafted(city, director, "P-040-00-01", **own))).reason == "OWN_DRAFT"


async def test_who_comes_into_the_post_of_an_ordinary_case_does_not_decide_it(city, owner):
    """AP-43: the drafter of an ordinary case who becomes its 室長 is no 課長起案."""
    drafter = await city.person("S0072")
    case = await drafter.see(await city.circulating())
    await owner.execute(
        "INSERT INTO appointments (staff_id, post_id, kind, valid_from) VALUES ('S0072', %s, 'acting', current_date)",
        (HEAD,),
    )
    try:
        drafter = await city.person("S0072")
        decider = next(step for step in (await drafter.see(case.case_id)).steps if step.post_id == HEAD)
        assert "decide" not in decider.allowed_actions
        assert (await refused(drafter.act(case, "decide", step=decider))).reason == "OWN_DRAFT"
    finally:
        await owner.execute("DELETE FROM appointments WHERE staff_id = 'S0072' AND post_id = %s", (HEAD,))
