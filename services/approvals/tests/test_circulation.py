"""供覧 (AP-10, AC-12), 条件付決裁 (AP-22) and 代決依頼 and 引上げ依頼 (AP-17) over gRPC on the sample city."""

from __future__ import annotations

from chassis import clock
from services.approvals.tests.conftest import refused, snapshot_of, states

CHIEF, DEPUTY, HEAD = "P-040-03-03", "P-040-03-02", "P-040-03-01"
DRAFTER = "S0072"
# A post of the same 部, and one of another.
NEIGHBOUR, STRANGER = "P-040-02-01", "P-020-04-01"
# Decided by the 部長, after 次長.
DEPUTY_DIRECTOR, DIRECTOR = "P-040-00-02", "P-040-00-01"
CONTRACT = {"unit_id": "U-040-03", "matter": "契約締結", "amount": 3_000_000}


def viewers(envelope):
    return {lease.principal for lease in snapshot_of(envelope).leases}


async def test_who_is_informed_sees_and_confirms_and_stops_nothing(city):
    """AP-10: 供覧 asks for nothing; the case goes on without it, and after the decision it still waits."""
    drafter, chief, deputy, head, neighbour = [
        await city.person(DRAFTER),
        *[await city.holder(post) for post in (CHIEF, DEPUTY, HEAD, NEIGHBOUR)],
    ]
    case_id = await city.circulating(DRAFTER)
    assert (await refused(neighbour.see(case_id))).reason == "NOT_FOUND"
    case = await drafter.on_case("CirculateCase", await drafter.see(case_id), "ご参考", post_ids=[NEIGHBOUR])
    assert f"post:{NEIGHBOUR}" in viewers((await city.envelopes(case_id))[-1])
    for person, action in ((chief, "approve"), (deputy, "approve"), (head, "decide")):
        case = await person.act(await person.see(case_id), action)
    assert case.state == "decided"
    waiting = (await neighbour.inbox(kinds=["circulation"])).items
    assert [item.case_id for item in waiting if item.case_id == case_id] == [case_id]
    step = case.steps[-1]
    shown = await neighbour.see(case_id)
    assert list(shown.steps[-1].allowed_actions) == ["confirm"]
    case = await neighbour.act(shown, "confirm", step=step)
    assert states(case)[-1] == "informed"
    snapshot = snapshot_of((await city.envelopes(case_id))[-1])
    shown_to = {lease.principal for lease in snapshot.leases if lease.circulation}
    assert shown_to == {f"staff:{neighbour.staff_id}"}, "AC-15: a confirmation does not make 供覧 another reason"
    assert not [i for i in (await neighbour.inbox(kinds=["circulation"])).items if i.case_id == case_id]
    assert (await refused(neighbour.act(case, "confirm", step=step))).reason == "ALREADY_ACTED"


async def test_outside_the_department_only_a_head_shows_it(city):
    """AC-12: within the 部 the drafter, beyond it a 所属長."""
    drafter, chief, deputy, head = [
        await city.person(DRAFTER),
        *[await city.holder(post) for post in (CHIEF, DEPUTY, HEAD)],
    ]
    case = await drafter.see(await city.circulating(DRAFTER))
    error = await refused(drafter.on_case("CirculateCase", case, post_ids=[STRANGER]))
    assert (error.reason, error.metadata["why"]) == ("NOT_PERMITTED", "outside_department")
    case = await chief.act(await chief.see(case.case_id), "approve")
    case = await deputy.act(await deputy.see(case.case_id), "approve")
    case = await head.on_case("CirculateCase", await head.see(case.case_id), post_ids=[STRANGER])
    assert case.steps[-1].post_id == STRANGER


async def test_the_result_is_told_to_several_at_once_until_the_document_is_completed(city):
    """AP-10, AC-12: 事後通知 by the drafter within the 部, beyond it by the 所属長 who decided; nobody once it is 完結."""
    drafter, head, deputy = await city.person(DRAFTER), await city.holder(HEAD), await city.holder(DEPUTY)
    case = await drafter.see(await city.circulating(DRAFTER))
    for post, action in ((CHIEF, "approve"), (DEPUTY, "approve"), (HEAD, "decide")):
        person = await city.holder(post)
        case = await person.act(await person.see(case.case_id), action)
    error = await refused(deputy.on_case("CirculateCase", await deputy.see(case.case_id), post_ids=[NEIGHBOUR]))
    assert error.reason == "NOT_PERMITTED", "what no longer waits for them they show to nobody"
    case = await drafter.see(case.case_id)
    assert list(case.allowed_actions) == ["circulate"]
    error = await refused(drafter.on_case("CirculateCase", case, post_ids=[NEIGHBOUR, STRANGER]))
    assert (error.reason, error.metadata["why"]) == ("NOT_PERMITTED", "outside_department")
    case = await drafter.on_case("CirculateCase", case, "結果をお知らせします。", post_ids=[NEIGHBOUR, "P-040-02-03"])
    case = await head.on_case("CirculateCase", await head.see(case.case_id), post_ids=[STRANGER])
    told = [NEIGHBOUR, "P-040-02-03", STRANGER]
    assert (case.state, [step.post_id for step in case.steps[-3:]]) == ("decided", told)
    assert {f"post:{post}" for post in told} <= viewers((await city.envelopes(case.case_id))[-1])
    for post in told:
        waiting = (await (await city.holder(post)).inbox(kinds=["circulation"])).items
        assert case.case_id in [item.case_id for item in waiting]
    await city.complete(case.document_id)
    shown = await drafter.see(case.case_id)
    assert list(shown.allowed_actions) == []
    assert (await refused(drafter.on_case("CirculateCase", shown, post_ids=["P-040-02-05"]))).reason == "CASE_CLOSED"


async def test_what_is_for_designated_people_only_the_head_of_the_unit_shows(city):
    """AC-12, AC-02: not who drafted it nor whose turn it is, and nobody sees it by trying; the 所属長 within the 部 and beyond."""
    drafter, chief, deputy, head, neighbour = [
        await city.person(DRAFTER),
        *[await city.holder(post) for post in (CHIEF, DEPUTY, HEAD, NEIGHBOUR)],
    ]
    case_id = await city.circulating(DRAFTER, designated=True)
    for person in (drafter, chief):
        case = await person.see(case_id)
        assert (await refused(person.on_case("CirculateCase", case, post_ids=[NEIGHBOUR]))).reason == "DESIGNATED_ONLY"
    assert (await refused(neighbour.see(case_id))).reason == "NOT_FOUND"
    for person in (chief, deputy):
        await person.act(await person.see(case_id), "approve")
    case = await head.on_case("CirculateCase", await head.see(case_id), post_ids=[NEIGHBOUR, STRANGER])
    assert [step.post_id for step in case.steps[-2:]] == [NEIGHBOUR, STRANGER]
    assert (await neighbour.see(case_id)).case_id == case_id
    case = await head.act(await head.see(case_id), "decide")
    error = await refused(drafter.on_case("CirculateCase", await drafter.see(case_id), post_ids=["P-040-02-03"]))
    assert error.reason == "DESIGNATED_ONLY", "nor is the result told to more by the drafter"


async def test_circulation_refuses_what_makes_no_sense(city):
    """AP-10: posts that nobody holds or that are on the route already, nobody, and people who may not add."""
    drafter, neighbour = await city.person(DRAFTER), await city.holder(NEIGHBOUR)
    case = await drafter.see(await city.circulating(DRAFTER))
    for posts, problem in (
        ([], "REQUIRED"),
        ([CHIEF], "ALREADY_ON_ROUTE"),
        ([NEIGHBOUR, NEIGHBOUR], "ALREADY_ON_ROUTE"),
        (["P-000"], "UNKNOWN"),
        ([f"P-{n}" for n in range(41)], "UNKNOWN"),
    ):
        error = await refused(drafter.on_case("CirculateCase", case, post_ids=posts))
        assert [(f.field, f.problem) for f in error.fields] == [("post_ids", problem)]
    case = await drafter.on_case("CirculateCase", case, post_ids=[NEIGHBOUR])
    shown = await neighbour.see(case.case_id)
    assert "circulate" not in shown.allowed_actions
    assert (await refused(neighbour.on_case("CirculateCase", shown, post_ids=[HEAD]))).reason == "NOT_PERMITTED"


async def test_a_conditional_decision_says_its_condition(city):
    """AP-22: 条件付決裁 decides, and its words are mandatory and on record."""
    chief, deputy, head = [await city.holder(post) for post in (CHIEF, DEPUTY, HEAD)]
    case = await chief.see(await city.circulating(DRAFTER))
    for person in (chief, deputy):
        case = await person.act(await person.see(case.case_id), "approve")
    assert (await refused(head.act(await head.see(case.case_id), "decide_conditionally"))).reason == "COMMENT_REQUIRED"
    case = await head.act(
        await head.see(case.case_id), "decide_conditionally", "交付額を30万円に減額して施行すること。"
    )
    assert (case.state, states(case)[2]) == ("decided", "decided")
    assert case.decisions[-1].action == "decide_conditionally"
    last = snapshot_of((await city.envelopes(case.case_id))[-1])
    assert [seat.state for seat in last.seats if seat.kind == "decide"] == ["decided_conditionally"], "鑑 says so"


MAYORAL = {"unit_id": "U-040-03", "matter": "補助金交付", "amount": 332_000, "decision_class": "body_head"}
MAYOR, SUBSTITUTE, SECOND = "P-000-00-01", "P-000-00-02", "P-000-00-03"


async def at_the_mayor(city):
    """A case of the mayor's, everybody before having acted."""
    case_id = await city.circulating(DRAFTER, **MAYORAL)
    drafter = await city.person(DRAFTER)
    for _ in range(20):
        case = await drafter.see(case_id)
        step = next(s for s in case.steps if states(case)[list(case.steps).index(s)] == "active")
        if step.post_id == MAYOR:
            return case
        holder = await city.holder(step.post_id)
        action = (
            "concur"
            if "concur" in (await holder.see(case_id)).steps[list(case.steps).index(step)].allowed_actions
            else "approve"
        )
        await holder.act(await holder.see(case_id), action, step=step)
    raise AssertionError("the case never came to the mayor")


async def test_a_substitute_sees_the_case_only_once_asked(city):
    """AP-17, AC-11: standing on the list gives nothing; being asked gives this one case, until it is acted on."""
    drafter, mayor, substitute = [
        await city.person(DRAFTER),
        *[await city.holder(post) for post in (MAYOR, SUBSTITUTE)],
    ]
    case = await at_the_mayor(city)
    place = next(n for n, step in enumerate(case.steps) if step.post_id == MAYOR)
    assert (await refused(substitute.see(case.case_id))).reason == "NOT_FOUND"
    assert "ask_substitute" not in case.allowed_actions
    assert (await refused(drafter.on_case("AskSubstitute", case))).reason == "NOT_ABSENT"
    away = await mayor.is_away()
    case = await drafter.see(case.case_id)
    assert "ask_substitute" in case.allowed_actions
    assert (await refused(substitute.see(case.case_id))).reason == "NOT_FOUND", "an absence alone shows nothing"
    case = await drafter.on_case("AskSubstitute", case, "市長出張のため")
    assert case.steps[place].asked_post_id == SUBSTITUTE
    assert (await refused(drafter.on_case("AskSubstitute", case))).reason == "ALREADY_ACTED"
    waiting = next(item for item in (await substitute.inbox()).items if item.case_id == case.case_id)
    assert (waiting.post_id, waiting.kind) == (SUBSTITUTE, "decision")
    assert f"post:{SUBSTITUTE}" in viewers((await city.envelopes(case.case_id))[-1])
    case = await substitute.act(await substitute.see(case.case_id), "substitute", step=case.steps[place])
    assert (case.state, states(case)[place]) == ("decided", "substituted")
    assert not [item for item in (await substitute.inbox()).items if item.case_id == case.case_id]
    left = viewers((await city.envelopes(case.case_id))[-1])
    assert f"post:{SUBSTITUTE}" not in left, "the view of the post ends with the act"
    assert f"staff:{substitute.staff_id}" in left, "who acted keeps it until 完結"
    await mayor.call("EndAbsence", request_id=clock.new_id(), absence_id=away)


async def test_the_next_substitute_is_asked_when_the_first_is_away(city):
    """AP-13: in the fixed order; nobody there is an answer of its own."""
    drafter, mayor, first, second = [
        await city.person(DRAFTER),
        *[await city.holder(post) for post in (MAYOR, SUBSTITUTE, SECOND)],
    ]
    case = await at_the_mayor(city)
    away = [(person, await person.is_away()) for person in (mayor, first, second)]
    assert (await refused(drafter.on_case("AskSubstitute", case))).reason == "NO_SUBSTITUTE"
    await second.call("EndAbsence", request_id=clock.new_id(), absence_id=away.pop()[1])
    case = await drafter.on_case("AskSubstitute", await drafter.see(case.case_id))
    assert next(step for step in case.steps if step.post_id == MAYOR).asked_post_id == SECOND
    for person, absence_id in away:
        await person.call("EndAbsence", request_id=clock.new_id(), absence_id=absence_id)


async def test_an_asked_upper_seat_sees_the_case_and_pulls_it_up(city):
    """AP-17, AC-11: 部長 and 次長 of a case whose turn has not come see nothing; asked, they see this one until it moves on."""
    drafter, chief, director = await city.person(DRAFTER), await city.holder(CHIEF), await city.holder(DIRECTOR)
    case = await drafter.see(await city.circulating(**CONTRACT))
    assert (await refused(director.see(case.case_id))).reason == "NOT_FOUND"
    assert "ask_pull_up" in case.allowed_actions
    wrong = {"post_id": STRANGER}
    assert (await refused(drafter.on_case("AskPullUp", case, "主査が急病のため", **wrong))).fields[
        0
    ].problem == "UNKNOWN"
    assert (await refused(drafter.on_case("AskPullUp", case, " ", post_id=DIRECTOR))).reason == "COMMENT_REQUIRED"
    deputy = await city.holder(DEPUTY)
    assert (await refused(deputy.on_case("AskPullUp", case, "急ぎ", post_id=DIRECTOR))).reason == "NOT_PERMITTED"

    case = await drafter.on_case("AskPullUp", case, "主査が急病のため", post_id=DIRECTOR)
    assert (case.steps[0].asked_post_id, case.decisions[-1].action) == (DIRECTOR, "ask_pull_up")
    last = (await city.envelopes(case.case_id))[-1]
    assert (last.action, last.detail["act"]) == ("step.activated", "ask_pull_up")
    assert f"post:{DIRECTOR}" in viewers(last)
    assert (await refused(drafter.on_case("AskPullUp", case, "急ぎ", post_id=DIRECTOR))).reason == "ALREADY_ACTED"
    assert case.case_id in {item.case_id for item in (await director.inbox()).items}
    seen = await director.see(case.case_id)
    assert list(seen.steps[0].allowed_actions) == ["pull_up"]
    assert (await refused(director.act(seen, "approve", step=seen.steps[0]))).reason == "NOT_YOUR_STEP"

    # Another is asked instead, by the seat itself: the first one's view ends.
    case = await chief.on_case("AskPullUp", await chief.see(case.case_id), "次長が先に見ます", post_id=DEPUTY_DIRECTOR)
    assert (await refused(director.see(case.case_id))).reason == "NOT_FOUND"
    case = await chief.on_case("AskPullUp", case, "やはり部長に", post_id=DIRECTOR)
    case = await director.act(await director.see(case.case_id), "pull_up", step=case.steps[0])
    assert states(case)[:2] == ["pulled_up", "active"]
    assert case.case_id not in {item.case_id for item in (await director.inbox()).items}
    last = (await city.envelopes(case.case_id))[-1]
    assert f"post:{DIRECTOR}" not in viewers(last)
    assert f"staff:{director.staff_id}" in viewers(last), "who acted keeps a view"
