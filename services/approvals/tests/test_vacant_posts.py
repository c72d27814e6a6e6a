"""A post that falls vacant while a case circulates: its seat waits, is listed, and may be given to another (AP-41)."""

from __future__ import annotations

from chassis import clock
from kanketsu.approvals.v1 import reorganisation_service_pb2 as pb
from services.approvals.tests.conftest import City, refused
from services.approvals.tests.test_acts import CHIEF, CONTRACT, DEPUTY, DRAFTER, HEAD, appointed, transferred

FINANCE, CONTRACTS = "P-020-04-01", "P-020-05-01"
RECORDS = "S0018"


async def listed(city: City, case_id: str) -> list[pb.StrandedStep]:
    """Of the list of the records office, what belongs to the case."""
    answer = await (await city.person(RECORDS)).call("ListStrandedSteps", limit=200)
    return [one for one in answer.steps if one.case_id == case_id]


async def reassign(city: City, step: pb.StrandedStep, post_id: str) -> pb.ReassignStepResponse:
    answer: pb.ReassignStepResponse = await (await city.person(RECORDS)).call(
        "ReassignStep",
        request_id=clock.new_id(),
        case_id=step.case_id,
        step_id=step.step_id,
        post_id=post_id,
        reason="欠員のため",
        expected_version=step.version,
    )
    return answer


async def test_a_seat_whose_post_fell_vacant_is_listed_when_its_turn_has_come(city: City) -> None:
    """AP-41: not before, and not any more once somebody is appointed; the list itself moves nothing."""
    case_id = await city.circulating()
    chief, deputy, head = [await city.holder(post) for post in (CHIEF, DEPUTY, HEAD)]
    async with transferred(city, head.staff_id, HEAD):
        assert await listed(city, case_id) == [], "its turn has not come"
        for person in (chief, deputy):
            case = await person.act(await person.see(case_id), "approve")
        (step,) = await listed(city, case_id)
        assert (step.cause, step.post_id, step.post_title, step.ended_on) == ("vacant", HEAD, "室長", "")
        async with appointed(city, deputy.staff_id, HEAD):
            assert await listed(city, case_id) == [], "事務取扱 may act"
        assert [one.step_id for one in await listed(city, case_id)] == [step.step_id]
        assert (await deputy.see(case_id)).version == case.version
    assert await listed(city, case_id) == []


async def test_who_stands_in_for_an_absence_does_not_stand_in_for_a_vacancy(city: City) -> None:
    """AP-14: 代決 and 代決依頼 say that the post is vacant, not that an absence should be registered."""
    case_id = await city.circulating()
    chief, deputy, head = [await city.holder(post) for post in (CHIEF, DEPUTY, HEAD)]
    for person in (chief, deputy):
        await person.act(await person.see(case_id), "approve")
    drafter = await city.person(DRAFTER)
    async with transferred(city, head.staff_id, HEAD):
        case = await deputy.see(case_id)
        for asked in (
            deputy.act(case, "substitute", step=case.steps[2]),
            drafter.on_case("AskSubstitute", await drafter.see(case_id)),
        ):
            error = await refused(asked)
            assert (error.reason, error.metadata["post"]) == ("DECIDER_VACANT", "室長")


async def test_a_vacant_concurrence_is_given_to_another_post(city: City) -> None:
    """AP-41: nobody pulls up a 合議, so naming a post is its only way; never one of the same group (AP-45)."""
    case_id = await city.circulating(**CONTRACT)
    for post in (CHIEF, DEPUTY, HEAD):
        person = await city.holder(post)
        await person.act(await person.see(case_id), "approve")
    finance = await city.holder(FINANCE)
    async with transferred(city, finance.staff_id, FINANCE):
        (step,) = await listed(city, case_id)
        assert (step.cause, step.post_id) == ("vacant", FINANCE)
        error = await refused(reassign(city, step, CONTRACTS))
        assert [(field.field, field.problem) for field in error.fields] == [("post_id", "POST_TWICE")]
        await reassign(city, step, "P-020-01-01")
        assert await listed(city, case_id) == []
        other = await city.holder("P-020-01-01")
        case = await other.see(case_id)
        seat = next(one for one in case.steps if one.step_id == step.step_id)
        assert "concur" in seat.allowed_actions
        await other.act(case, "concur", step=seat)
