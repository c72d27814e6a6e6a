"""A submitted document opens its case exactly once, and only with the plan made for it."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from chassis import clock
from kanketsu.documents.v1 import events_pb2 as documents_pb2
from services.approvals import consumer
from services.approvals.tests.conftest import DIGEST, snapshot_of, submitted

DRAFTER = "S0072"
FACTS = {"unit_id": "U-040-03", "matter": "補助金交付", "amount": 332_000}


async def event_of(city, **change):
    """A submission that fits its plan, but for the changes."""
    drafter, document_id = await city.person(DRAFTER), clock.new_id()
    plan = await city.plan(drafter, document_id, **FACTS, decision_class="head")
    fields = {
        "document_id": document_id,
        "case_id": clock.new_id(),
        "route_plan_id": plan.route_plan_id,
        "version_digest": DIGEST,
        "draft_number": "箕市第12号",
        "unit_id": "U-040-03",
        "drafter": DRAFTER,
        "drafter_post": "P-040-03-05",
        "matter": "補助金交付",
        "amount": 332_000,
        "has_amount": True,
        "decision_class": "head",
    }
    return documents_pb2.DocumentSubmitted(**(fields | change))


async def test_a_submission_opens_the_case(city):
    event = await event_of(city, urgent=True)
    await consumer.on_submitted(city.pool, city.relay, submitted(event, DRAFTER))
    case = await (await city.person(DRAFTER)).see(event.case_id)
    assert (case.state, case.version_digest, case.draft_number, case.urgent) == (
        "circulating",
        DIGEST,
        "箕市第12号",
        True,
    )
    assert (case.rule_id, case.basis) == ("R-SH-003", "箕面市事務決裁規程第7条第1項第3号")
    envelopes = await city.envelopes(event.case_id)
    assert [e.action for e in envelopes] == ["case.opened", "step.activated"]
    assert envelopes[0].actor.staff_id == DRAFTER


async def test_the_same_event_twice_or_at_once_opens_one_case(city):
    """I8."""
    envelope = submitted(await event_of(city), DRAFTER)
    await asyncio.gather(*(consumer.on_submitted(city.pool, city.relay, envelope) for _ in range(4)))
    case_id = documents_pb2.DocumentSubmitted.FromString(envelope.payload).case_id
    assert await city.rows("SELECT count(*) FROM cases WHERE case_id = %s", case_id) == [(1,)]
    assert len(await city.envelopes(case_id)) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"document_id": "019aafde-0000-7000-8000-00000000000a"},
        {"unit_id": "U-040-02"},
        {"drafter": "S0073"},
        {"matter": "契約締結"},
        {"amount": 332_001},
        {"has_amount": False, "amount": 0},
        {"decision_class": "director"},
        {"route_plan_id": "019aafde-0000-7000-8000-00000000000b"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_plan_of_other_facts_is_refused_and_the_document_goes_back(city, change):
    """AP-02: nobody slips a cheaper document's route under a dearer one."""
    event = await event_of(city, **change)
    await consumer.on_submitted(city.pool, city.relay, submitted(event, DRAFTER))
    envelopes = await city.envelopes(event.case_id)
    assert [(e.action, e.type) for e in envelopes] == [("case.closed", "kanketsu.approvals.v1.CaseClosed")]
    shown = snapshot_of(envelopes[0])
    assert (shown.state, shown.reason, shown.case_version) == ("refused", "PLAN_MISMATCH", 1)
    assert not shown.leases
    assert await city.rows("SELECT count(*) FROM steps WHERE case_id = %s", event.case_id) == [(0,)]


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("UPDATE appointments SET kind = kind WHERE post_id = 'P-040-03-01'", "circulating"),
        (
            "INSERT INTO posts (post_id, unit_id, title, rank, valid_from) VALUES ('P-新', 'U-050', '主幹', 'member',"
            " current_date)",
            "circulating",
        ),
        (
            "INSERT INTO posts (post_id, unit_id, title, rank, valid_from) VALUES ('P-新', 'U-050', '主幹', 'head',"
            " current_date)",
            "refused",
        ),
        (
            "INSERT INTO units (unit_id, parent_id, body, name, kana, symbol, sort_order, valid_from)"
            " VALUES ('U-新', 'U-050', 'mayor', '万博推進室', 'バンパク', '箕地', 299, current_date)",
            "refused",
        ),
        ("UPDATE posts SET valid_to = current_date WHERE post_id = 'P-130-11-01'", "refused"),
    ],
    ids=["nothing", "a member's post", "a post", "a unit", "an end"],
)
async def test_a_plan_of_an_organisation_of_before_is_refused(city, owner, statement, state):
    """AP-02: a plan of yesterday is good today unless a unit or a post of routes has begun or ended since."""
    event = await event_of(city)
    await owner.execute(
        "UPDATE route_plans SET planned_at = planned_at - interval '1 day' WHERE route_plan_id = %s",
        (event.route_plan_id,),
    )
    await owner.execute(statement)
    try:
        await consumer.on_submitted(city.pool, city.relay, submitted(event, DRAFTER))
    finally:
        await owner.execute("DELETE FROM posts WHERE post_id = 'P-新'")
        await owner.execute("DELETE FROM units WHERE unit_id = 'U-新'")
        await owner.execute("UPDATE posts SET valid_to = 'infinity' WHERE post_id = 'P-130-11-01'")
    shown = snapshot_of((await city.envelopes(event.case_id))[-1])
    assert (shown.state, shown.reason) == (state, "PLAN_OUTDATED" if state == "refused" else "")


async def test_an_exceptional_plan_fits_both_the_wished_and_the_raised_class(city):
    """AP-03."""
    for decision_class in ("head", "deputy_director"):
        drafter, document_id = await city.person(DRAFTER), clock.new_id()
        plan = await city.plan(
            drafter,
            document_id,
            **FACTS,
            decision_class="head",
            exception="important",
            exception_reason="影響が大きいため",
        )
        case_id = await city.submit(drafter, plan, document_id, **FACTS, decision_class=decision_class)
        case = await drafter.see(case_id)
        assert (case.state, case.decision_class) == ("circulating", "deputy_director")


async def test_a_document_cannot_circulate_twice_at_once(city):
    event = await event_of(city)
    await consumer.on_submitted(city.pool, city.relay, submitted(event, DRAFTER))
    event.case_id = clock.new_id()
    with pytest.raises(psycopg.errors.UniqueViolation):
        await consumer.on_submitted(city.pool, city.relay, submitted(event, DRAFTER))
    assert await city.rows("SELECT count(*) FROM cases WHERE case_id = %s", event.case_id) == [(0,)]
