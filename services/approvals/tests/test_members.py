"""Who heads a unit and who belongs to it (AC-16), and a 担当者 acting on a case in the drafter's place (AP-42)."""

from __future__ import annotations

import pytest

from chassis import clock
from chassis.errors import DomainError
from kanketsu.documents.v1 import events_pb2 as documents_pb2
from kanketsu.event.v1 import envelope_pb2
from services.approvals import consumer
from services.approvals.members.domain import Membership, membership
from services.approvals.organisation.domain import AppointmentKind, Holder, Seat, Unit
from services.approvals.tests.conftest import refused, snapshot_of

UNIT = "U-040-03"
LEAVER, COLLEAGUE, HEAD = "S0072", "S0073", "S0068"
FACTS = {"unit_id": UNIT, "matter": "補助金交付", "amount": 332_000}


def unit(unit_id: str) -> Unit:
    day = clock.today()
    return Unit(unit_id, "", "mayor", "", "", "", day, None)


def seat(post_id: str, unit_id: str, rank: str, *staff: str) -> Seat:
    holders = tuple(Holder(one, "", AppointmentKind.MAIN) for one in staff)
    return Seat(post_id, "", rank, unit_id, "", holders=holders)


def test_the_head_is_who_holds_the_highest_post_or_who_stands_above_a_vacant_one():
    """AC-16, AP-19: 室長; in a 部 the 部長 and not the 次長; above a vacancy the next."""
    line = [unit("U-1"), unit("U-0")]
    above = [seat("P-0", "U-0", "director", "S-部長"), seat("P-0b", "U-0", "deputy_director", "S-次長")]
    members = [seat("P-9", "U-1", "member", "S-主事")]
    chief, head, nobody = (
        seat("P-2", "U-1", "chief", "S-主査"),
        seat("P-1", "U-1", "head", "S-室長"),
        seat("P-1", "U-1", "head"),
    )
    assert membership(line, [chief, head, *above], [chief, head, *members]) == Membership(
        "U-1", ("S-室長",), ("S-主事", "S-主査", "S-室長")
    )
    assert membership(line, [chief, nobody, *above], [chief, nobody, *members]) == Membership(
        "U-1", ("S-部長",), ("S-主事", "S-主査")
    )
    assert membership(line[:1], [chief], members) == Membership("U-1", (), ("S-主事",))
    assert membership([], [], []) is None


async def test_ac_16_members_are_attested_to_the_head_alone(city):
    head = await city.person(HEAD)
    answer = await head.call("DescribeMembers", unit_id=UNIT)
    claims = city.attested.claims(answer.attestation)
    assert (claims["ten"], claims["unit"], claims["heads"]) == ("minoh", UNIT, [HEAD])
    assert {LEAVER, COLLEAGUE, HEAD} <= set(claims["members"])
    assert list(answer.member_staff_ids) == claims["members"]
    assert "S0160" not in claims["members"]
    for staff_id, unit_id in ((LEAVER, UNIT), (COLLEAGUE, UNIT), (HEAD, "U-050-04"), (HEAD, "U-999"), (HEAD, "")):
        error = await refused((await city.person(staff_id)).call("DescribeMembers", unit_id=unit_id))
        assert error.reason == "NOT_PERMITTED", (staff_id, unit_id)


async def assigned(city, document_id, staff_id, version, event_id=""):
    """What documents announces at 引継ぎ, consumed."""
    event = documents_pb2.DocumentAssigned(document_id=document_id, assignee=staff_id, previous=LEAVER)
    envelope = envelope_pb2.Envelope(
        event_id=event_id or clock.new_id(),
        type="kanketsu.documents.v1.DocumentAssigned",
        aggregate="document",
        aggregate_id=document_id,
        aggregate_version=version,
        payload=event.SerializeToString(),
    )
    await consumer.on_assigned(city.pool, envelope)


async def test_ap_42_the_assignee_acts_on_the_case_and_the_drafter_no_more(city):
    """引戻し, 差替え, 取下げ and 供覧 pass to them, from a post of the unit; the case keeps its drafter."""
    case_id = await city.circulating()
    drafter, colleague = await city.person(LEAVER), await city.person(COLLEAGUE)
    case = await drafter.see(case_id)
    own = {"recall", "withdraw", "replace", "circulate"}
    assert own <= set(case.allowed_actions)
    assert not set((await colleague.see(case_id)).allowed_actions)
    await assigned(city, case.document_id, COLLEAGUE, 4)
    # Older news comes late, and the same twice.
    await assigned(city, case.document_id, HEAD, 3)
    seen = await colleague.see(case_id)
    assert own <= set(seen.allowed_actions)
    assert seen.drafter == LEAVER
    assert not set((await drafter.see(case_id)).allowed_actions)
    for method in ("RecallCase", "WithdrawCase", "ReplaceVersion"):
        assert (await refused(drafter.on_case(method, case, "理由"))).reason == "NOT_PERMITTED"
    withdrawn = await colleague.on_case("WithdrawCase", case, "引き継いだ案件を見直すため")
    assert withdrawn.decisions[-1].staff_id == COLLEAGUE
    assert withdrawn.decisions[-1].post_id in colleague.identity.posts


async def test_ap_42_a_drafter_in_another_unit_does_not_see_the_case_any_more(city):
    case_id = await city.circulating()
    drafter = await city.person(LEAVER)
    moved = type(drafter)(
        city, type(drafter.identity)(LEAVER, "minoh", (f"staff:{LEAVER}",), posts={"P-1": "U-050-04"})
    )
    with pytest.raises(DomainError) as caught:
        await moved.see(case_id)
    assert caught.value.reason == "NOT_FOUND"


async def test_ap_42_the_assignee_plans_and_submits_and_the_drafter_stays(city):
    """The route is made for who submits; 決裁欄 and case name who drafted; neither of both decides (AP-43)."""
    head, document_id = await city.person(HEAD), clock.new_id()
    plan = await city.plan(await city.person(COLLEAGUE), document_id, **FACTS)
    case_id = await city.submit(
        await city.person(COLLEAGUE),
        plan,
        document_id,
        drafted_by=LEAVER,
        drafter_post="P-040-03-05",
        assignee=COLLEAGUE,
        **FACTS,
    )
    case = await (await city.person(COLLEAGUE)).see(case_id)
    assert (case.drafter, case.drafter_post) == (LEAVER, "P-040-03-05")
    for person in ("S0070", "S0069", HEAD):
        actor = await city.person(person)
        case = await actor.see(case_id)
        case = await actor.act(case, "decide" if person == HEAD else "approve")
    told = snapshot_of((await city.envelopes(case_id))[-1])
    assert (told.state, told.seats[0].kind, told.seats[0].staff_name) == ("decided", "draft", "葛󠄀城 拓也")
    # Who takes over and submits does not decide: the head's own submission finds another decider or none.
    error = await refused(city.plan(head, clock.new_id(), **FACTS, decision_class="head"))
    assert error.reason == "OWN_DRAFT"


async def test_ap_42_a_drafter_who_left_before_the_submission_is_named_on_the_sheet(city, owner):
    """The 判窓 of 起案 shows them as they were called last."""
    document_id = clock.new_id()
    plan = await city.plan(await city.person(COLLEAGUE), document_id, **FACTS)
    await owner.execute(
        "INSERT INTO staff SELECT 'S9901', '辻󠄀 幸子', 'つじ さちこ', 'tsuji.sachiko', '', '2020-04-01', '2021-04-01'"
    )
    case_id = await city.submit(
        await city.person(COLLEAGUE),
        plan,
        document_id,
        drafted_by="S9901",
        drafter_post="P-040-03-05",
        assignee=COLLEAGUE,
        **FACTS,
    )
    for person in ("S0070", "S0069", HEAD):
        actor = await city.person(person)
        await actor.act(await actor.see(case_id), "decide" if person == HEAD else "approve")
    told = snapshot_of((await city.envelopes(case_id))[-1])
    assert told.seats[0].staff_name == "辻󠄀 幸子"
