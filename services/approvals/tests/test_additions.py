"""回議先の追加 (AP-54) over gRPC on the sample city: who adds, what is asked first, who sees what, what is refused."""

from __future__ import annotations

import psycopg
import pytest

from chassis import clock
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals.tests.conftest import refused, snapshot_of, states

CHIEF, DEPUTY, HEAD, DIRECTOR = "P-040-03-03", "P-040-03-02", "P-040-03-01", "P-040-00-01"
# 財政経営室長 and a 室 of the same 部.
FINANCE, NEIGHBOUR = "P-020-04-01", "P-040-02-01"
DRAFTER = "S0072"
REASON = "予算の残額を確かめるため"
CONCUR, APPROVE = pb.STEP_KIND_CONCUR, pb.STEP_KIND_APPROVE


async def people(city, *posts):
    return [await city.holder(post) for post in posts]


async def add(person, case, post_id, comment=REASON, kind=CONCUR, **fields):
    return await person.on_case("AddSeat", case, comment, post_id=post_id, kind=kind, **fields)


def viewers(envelope):
    return {lease.principal for lease in snapshot_of(envelope).leases}


def order(case):
    return [step.post_id for step in case.steps]


async def test_the_added_seat_acts_first_and_then_it_comes_back(city):
    """AP-54, AC-11: the added post sees it now, who added it waits, and the decision follows both."""
    chief, deputy, head, finance, drafter = [
        *await people(city, CHIEF, DEPUTY, HEAD, FINANCE),
        await city.person(DRAFTER),
    ]
    case = await chief.act(await chief.see(await city.circulating()), "approve")
    assert "add_seat" in (await deputy.see(case.case_id)).allowed_actions
    assert (await refused(finance.see(case.case_id))).reason == "NOT_FOUND"
    case = await add(deputy, await deputy.see(case.case_id), FINANCE)
    assert order(case)[:4] == [CHIEF, FINANCE, DEPUTY, HEAD]
    assert states(case)[:4] == ["approved", "active", "waiting", "waiting"]
    assert [step.group for step in case.steps[:4]] == [1, 2, 3, 4]
    assert (case.steps[1].unit_name, case.steps[1].post_title) == ("財政経営室", "室長")
    last = (await city.envelopes(case.case_id))[-1]
    assert f"post:{FINANCE}" in viewers(last)
    assert f"post:{DEPUTY}" not in viewers(last), "it waits, and a waiting seat sees nothing"
    assert f"staff:{deputy.staff_id}" in viewers(last), "who acted keeps a view"
    told = await drafter.see(case.case_id)
    act = next(one for one in told.decisions if one.decision_id == told.steps[1].added_by)
    assert (act.action, act.staff_id, act.comment) == ("add_seat", deputy.staff_id, REASON)
    assert (await refused(deputy.act(case, "approve", step=case.steps[2]))).reason == "STEP_NOT_ACTIVE"
    case = await finance.act(await finance.see(case.case_id), "concur", "残額あり")
    assert states(case)[:4] == ["approved", "concurred", "active", "waiting"]
    case = await deputy.act(await deputy.see(case.case_id), "approve")
    case = await head.act(await head.see(case.case_id), "decide")
    seats = snapshot_of((await city.envelopes(case.case_id))[-1]).seats
    assert [seat.added_by_name for seat in seats[:4]] == ["", "", act.staff_name, ""], "鑑 says who added it"


async def test_the_decider_asks_first_and_several_times(city):
    """AP-54: below their own position; one after the other, as 承認 or 合議, and nobody leaves the route."""
    chief, deputy, head, finance, neighbour = await people(city, CHIEF, DEPUTY, HEAD, FINANCE, NEIGHBOUR)
    case = await chief.see(await city.circulating())
    planned = order(case)
    for person in (chief, deputy):
        case = await person.act(await person.see(case.case_id), "approve")
    case = await head.act(await head.see(case.case_id), "hold", "財政に確認する")
    case = await add(head, case, FINANCE)
    case = await finance.act(await finance.see(case.case_id), "concur")
    case = await add(head, await head.see(case.case_id), NEIGHBOUR, kind=APPROVE)
    assert order(case)[:5] == [CHIEF, DEPUTY, FINANCE, NEIGHBOUR, HEAD]
    assert set(planned) < set(order(case))
    case = await neighbour.act(await neighbour.see(case.case_id), "approve")
    case = await head.act(await head.see(case.case_id), "decide")
    assert case.state == "decided"


async def test_who_adds_may_pull_the_added_seat_up(city):
    """引上げ: an added 承認 that does not answer stops nobody for ever; it gets a 後閲."""
    chief, neighbour = await people(city, CHIEF, NEIGHBOUR)
    case = await add(chief, await chief.see(await city.circulating()), NEIGHBOUR, kind=APPROVE)
    case = await chief.act(await chief.see(case.case_id), "pull_up", step=case.steps[0])
    assert states(case)[:2] == ["pulled_up", "active"]
    assert (await refused(neighbour.act(case, "approve", step=case.steps[0]))).reason == "ALREADY_ACTED"


async def test_who_is_away_is_passed_over(city):
    """AP-11: as on any route; the case comes straight back."""
    chief, finance = await people(city, CHIEF, FINANCE)
    away = await finance.is_away()
    case = await add(chief, await chief.see(await city.circulating()), FINANCE)
    assert states(case)[:2] == ["postview_due", "active"]
    await finance.call("EndAbsence", request_id=clock.new_id(), absence_id=away)


async def test_what_cannot_be_added_is_refused(city):
    """AP-54, AP-45: a reason, a post that somebody holds and that is not asked already; 承認 or 合議."""
    (chief,) = await people(city, CHIEF)
    case = await chief.see(await city.circulating())
    assert (await refused(add(chief, case, FINANCE, " "))).reason == "COMMENT_REQUIRED"
    assert (await refused(add(chief, case, "P-000-99-99"))).reason == "POST_VACANT"
    for post_id, kind, problem in (
        (HEAD, CONCUR, ("post_id", "ALREADY_ON_ROUTE")),
        (case.drafter_post, CONCUR, ("post_id", "OWN_POST")),
        (DIRECTOR, CONCUR, ("post_id", "ABOVE_DECIDER")),
        (FINANCE, pb.STEP_KIND_REVIEW, ("kind", "KIND_NOT_ALLOWED")),
        (FINANCE, pb.STEP_KIND_DECIDE, ("kind", "KIND_NOT_ALLOWED")),
        (FINANCE, pb.STEP_KIND_UNSPECIFIED, ("kind", "KIND_NOT_ALLOWED")),
    ):
        error = await refused(add(chief, case, post_id, kind=kind))
        assert [(one.field, one.problem) for one in error.fields] == [problem], post_id
    assert (await refused(add(chief, case, FINANCE, expected_version=case.version - 1))).reason == "STALE_VERSION"
    assert (await chief.see(case.case_id)).version == case.version, "nothing happened"


async def test_only_whose_turn_it_is_on_the_own_line_adds(city):
    """AP-54: not the drafter, not a seat that waits or has acted, not 合議."""
    chief, deputy, finance, drafter = [*await people(city, CHIEF, DEPUTY, FINANCE), await city.person(DRAFTER)]
    case = await drafter.see(await city.circulating())
    assert "add_seat" not in case.allowed_actions
    assert (await refused(add(drafter, case, FINANCE))).reason == "NOT_PERMITTED"
    assert (await refused(add(deputy, case, FINANCE))).reason == "NOT_PERMITTED", "its turn has not come"
    case = await add(chief, case, FINANCE)
    assert (await refused(add(chief, case, NEIGHBOUR))).reason == "NOT_PERMITTED", "now it waits itself"
    assert "add_seat" not in (await finance.see(case.case_id)).allowed_actions
    assert (await refused(add(finance, case, NEIGHBOUR))).reason == "NOT_PERMITTED"


async def test_nobody_is_asked_twice_in_one_group(city):
    """AP-45: another post of the same person is not another opinion."""
    chief = await city.holder(CHIEF)
    async with await psycopg.AsyncConnection.connect(city.where.owner_url, autocommit=True) as conn:
        await conn.execute("SET search_path = approvals")
        held = "staff_id = %s AND post_id = %s AND kind = 'acting'"
        await conn.execute(
            "INSERT INTO appointments (staff_id, post_id, kind, valid_from) VALUES (%s, %s, 'acting', %s)",
            (chief.staff_id, NEIGHBOUR, clock.today()),
        )
        try:
            case = await chief.see(await city.circulating())
            error = await refused(add(chief, case, NEIGHBOUR))
        finally:
            await conn.execute(f"DELETE FROM appointments WHERE {held}".encode(), (chief.staff_id, NEIGHBOUR))
    assert [(one.field, one.problem) for one in error.fields] == [("post_id", "SAME_PERSON")]


async def test_a_minor_replacement_without_the_added_seat_keeps_nothing(city):
    """AP-30, AP-54: 差替え does not make an added seat vanish under acts that count on it."""
    chief, finance, drafter = [*await people(city, CHIEF, FINANCE), await city.person(DRAFTER)]
    facts = {"unit_id": "U-040-03", "matter": "補助金交付", "amount": 332_000}

    async def resubmitted(case, **plan):
        await drafter.on_case("ReplaceVersion", await drafter.see(case.case_id), "誤字の訂正")
        made = await drafter.call(
            "PlanRoute", request_id=clock.new_id(), facts=pb.RouteFacts(document_id=case.document_id, **facts), **plan
        )
        again = await city.submit(drafter, made, case.document_id, "b" * 64, replacement="minor", **facts)
        return await drafter.see(again)

    case = await add(chief, await chief.see(await city.circulating()), FINANCE)
    case = await finance.act(await finance.see(case.case_id), "concur")
    case = await chief.act(await chief.see(case.case_id), "approve")
    again = await resubmitted(case)
    assert states(again)[:2] == ["active", "waiting"], "everybody acts again, also who added it"
    case = await add(chief, await chief.see(again.case_id), FINANCE)
    case = await finance.act(await finance.see(case.case_id), "concur")
    case = await chief.act(await chief.see(case.case_id), "approve")
    posts = [(CHIEF, APPROVE), (FINANCE, CONCUR), (DEPUTY, APPROVE), (HEAD, pb.STEP_KIND_DECIDE)]
    adjusted = [pb.PlannedStep(kind=k, post_id=p, group=n) for n, (p, k) in enumerate(posts, start=1)]
    again = await resubmitted(case, adjusted=adjusted)
    assert states(again)[:4] == ["approved", "concurred", "active", "waiting"]


async def test_the_database_lets_a_route_move_only_for_an_added_seat(city):
    """AP-54: no seat changes its place otherwise, and nothing else changes with it."""
    chief = await city.holder(CHIEF)
    case = await chief.act(await chief.see(await city.circulating()), "approve")
    for change in (
        "step_group = step_group + 2",
        "step_group = step_group - 1",
        "step_group = step_group + 1, basis = 'x'",
    ):
        with pytest.raises(psycopg.errors.RaiseException):
            await city.rows(
                f"UPDATE steps SET {change} WHERE case_id = %s AND step_group = 3 RETURNING 1", case.case_id
            )
