"""Acts over gRPC on the sample city: who wins, who is refused and with which reason."""

from __future__ import annotations

import asyncio
import contextlib

import psycopg
import pytest

from chassis import clock
from chassis.errors import DomainError
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals.tests.conftest import DIGEST, refused, snapshot_of, states

CHIEF, DEPUTY, HEAD = "P-040-03-03", "P-040-03-02", "P-040-03-01"
DRAFTER = "S0072"
CONTRACT = {"unit_id": "U-040-03", "matter": "契約締結", "amount": 3_000_000}


async def people(city, *posts):
    return [await city.holder(post) for post in posts]


@contextlib.asynccontextmanager
async def as_owner(city):
    """Tampering with the organisation needs the schema's owner: the service itself deletes nothing."""
    async with await psycopg.AsyncConnection.connect(city.where.owner_url, autocommit=True) as conn:
        await conn.execute("SET search_path = approvals")
        yield conn


@contextlib.asynccontextmanager
async def appointed(city, staff_id, post_id, kind="acting"):
    """The person also holds the post, for a while."""
    row = (staff_id, post_id, kind, clock.today())
    async with as_owner(city) as conn:
        await conn.execute(
            "INSERT INTO appointments (staff_id, post_id, kind, valid_from) VALUES (%s, %s, %s, %s)", row
        )
        try:
            yield await city.person(staff_id)
        finally:
            await conn.execute(
                "DELETE FROM appointments WHERE (staff_id, post_id, kind, valid_from) = (%s, %s, %s, %s)", row
            )


@contextlib.asynccontextmanager
async def transferred(city, staff_id, post_id):
    """The person does not hold the post any more, for a while."""
    async with as_owner(city) as conn:
        change = "UPDATE appointments SET valid_to = %s WHERE staff_id = %s AND post_id = %s"
        await conn.execute(change, (clock.today(), staff_id, post_id))
        try:
            yield
        finally:
            await conn.execute(change, ("infinity", staff_id, post_id))


async def come_back(person, absence_id):
    await person.call("EndAbsence", request_id=clock.new_id(), absence_id=absence_id)


async def decided(city):
    case_id = await city.circulating()
    for post, action in ((CHIEF, "approve"), (DEPUTY, "approve"), (HEAD, "decide")):
        person = await city.holder(post)
        case = await person.act(await person.see(case_id), action)
    return case


# --- one wins -----------------------------------------------------------------------------------


async def test_two_holders_at_once_one_wins(city):
    """AP-32: a post with an acting holder beside the main one; both act in the same moment."""
    main = await city.holder(CHIEF)
    async with appointed(city, "S0071", CHIEF) as other:
        for _ in range(4):
            case = await main.see(await city.circulating())
            step = case.steps[0]
            answers = await asyncio.gather(
                *(person.act(case, "approve", step=step) for person in (main, other, main, other)),
                return_exceptions=True,
            )
            won = [answer for answer in answers if isinstance(answer, pb.Case)]
            lost = [answer for answer in answers if isinstance(answer, DomainError)]
            assert len(won) == 1
            assert {(error.kind.value, error.reason) for error in lost} == {("ABORTED", "STALE_VERSION")}
            assert {error.metadata["step_state"] for error in lost} == {"approved"}
            assert len((await main.see(case.case_id)).decisions) == 1


async def test_the_same_request_is_one_act_and_one_answer(city):
    (chief,) = await people(city, CHIEF)
    case = await chief.see(await city.circulating())
    receipt = city.receipt(case, chief.staff_id)
    one, two, three = await asyncio.gather(
        *(chief.act(case, "approve", "確認", request_id="same-act", read_receipt=receipt) for _ in range(3))
    )
    assert one == two == three
    assert [decision.action for decision in one.decisions] == ["approve"]
    # An answer that is given again is shown again (I1).
    repeated = [r.actor.staff_id for r in await city.records("request.repeated") if r.actor.staff_id == chief.staff_id]
    assert repeated == [chief.staff_id] * 2
    error = await refused(chief.act(case, "approve", "別の内容", request_id="same-act", read_receipt=receipt))
    assert (error.kind.value, error.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")


async def test_a_request_id_serves_one_request_only(city):
    (chief,) = await people(city, CHIEF)
    first, second = [await chief.see(await city.circulating()) for _ in range(2)]
    await chief.act(first, "approve", request_id="one-for-two")
    assert (await refused(chief.act(second, "approve", request_id="one-for-two"))).reason == "REQUEST_ID_REUSED"
    assert states(await chief.see(second.case_id))[0] == "active", "nothing of it happened"


async def test_a_second_act_on_an_acted_step_is_already_acted(city):
    (chief,) = await people(city, CHIEF)
    case = await chief.act(await chief.see(await city.circulating()), "approve")
    error = await refused(chief.act(case, "approve", step=case.steps[0]))
    assert (error.kind.value, error.reason) == ("FAILED_PRECONDITION", "ALREADY_ACTED")
    assert error.metadata["acted_by"] == case.decisions[0].staff_name


async def test_an_act_against_a_withdrawal_one_wins(city):
    (chief,) = await people(city, CHIEF)
    drafter = await city.person(DRAFTER)
    for _ in range(4):
        case = await chief.see(await city.circulating())
        answers = await asyncio.gather(
            chief.act(case, "approve"),
            drafter.call(
                "WithdrawCase", request_id=clock.new_id(), case_id=case.case_id, expected_version=case.version
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(answer, DomainError) for answer in answers) == 1


# --- proof of having read -----------------------------------------------------------------------


async def test_a_stale_version_is_refused(city):
    (chief,) = await people(city, CHIEF)
    case = await chief.see(await city.circulating())
    error = await refused(chief.act(case, "approve", expected_version=case.version - 1))
    assert (error.kind.value, error.reason) == ("ABORTED", "STALE_VERSION")
    assert error.metadata["version"] == str(case.version)


async def test_another_digest_is_a_moved_version(city):
    """AP-31: the version moved while the screen was open."""
    (chief,) = await people(city, CHIEF)
    case = await chief.see(await city.circulating())
    error = await refused(chief.act(case, "approve", version_digest="b" * 64))
    assert error.reason == "VERSION_MOVED"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"doc": "019aafde-0000-7000-8000-000000000000"}, "READ_RECEIPT_MISMATCH"),
        ({"ver": "b" * 64}, "READ_RECEIPT_MISMATCH"),
        ({"sub": "S0001"}, "READ_RECEIPT_MISMATCH"),
        ({"ten": "toyonaka"}, "READ_RECEIPT_INVALID"),
        ({"iat": 1_700_000_000}, "READ_RECEIPT_INVALID"),
        ({"iat": 9_700_000_000}, "READ_RECEIPT_INVALID"),
        ({"iat": "now"}, "READ_RECEIPT_INVALID"),
        ({"rec": None}, "READ_RECEIPT_INVALID"),
    ],
)
async def test_a_receipt_must_be_for_this_version_document_reader_and_day(city, claims, reason):
    (chief,) = await people(city, CHIEF)
    case = await chief.see(await city.circulating())
    receipt = city.receipt(case, chief.staff_id, **claims)
    error = await refused(chief.act(case, "approve", read_receipt=receipt))
    assert (error.kind.value, error.reason) == ("FAILED_PRECONDITION", reason)
    assert states(await chief.see(case.case_id))[0] == "active"


@pytest.mark.parametrize("receipt", ["", "x", "x.y.z", "forged"])
async def test_a_forged_receipt_is_refused_and_recorded(city, receipt):
    (chief,) = await people(city, CHIEF)
    case = await chief.see(await city.circulating())
    if receipt == "forged":
        receipt = city.receipt(case, chief.staff_id, signer=city.strangers)
    error = await refused(chief.act(case, "approve", read_receipt=receipt))
    assert error.reason == "READ_RECEIPT_INVALID"
    record = (await city.records("receipt.presented"))[-1]
    assert (record.object_id, record.reason) == (case.case_id, "READ_RECEIPT_INVALID")


async def test_each_decision_keeps_the_record_that_proves_the_reading(city):
    case = await decided(city)
    assert all(decision.access_record.startswith("documents.1/") for decision in case.decisions)
    assert {decision.version_digest for decision in case.decisions} == {DIGEST}


async def test_acts_stand_in_the_order_of_their_commits(city, owner):
    """Clocks of replicas differ; the lock does not."""
    case = await decided(city)
    await owner.execute(
        "UPDATE decisions SET acted_at = acted_at - interval '1 hour' WHERE case_id = %s AND action = 'decide'",
        (case.case_id,),
    )
    chief = await city.holder(CHIEF)
    assert [d.action for d in (await chief.see(case.case_id)).decisions] == ["approve", "approve", "decide"]


# --- whose step ---------------------------------------------------------------------------------


async def test_another_post_cannot_act(city):
    """AP-40: neither a colleague, nor the upper seat before its turn, nor with another post's name."""
    chief, head = await people(city, CHIEF, HEAD)
    drafter = await city.person(DRAFTER)
    case = await chief.see(await city.circulating())
    error = await refused(drafter.act(case, "approve", step=case.steps[0]))
    assert (error.kind.value, error.reason) == ("PERMISSION_DENIED", "NOT_YOUR_STEP")
    assert error.metadata["holder"] == case.steps[0].staff_name
    assert (await refused(head.act(case, "approve", step=case.steps[0]))).reason == "NOT_YOUR_STEP"
    assert (await refused(head.act(case, "decide", step=case.steps[2]))).reason == "STEP_NOT_ACTIVE"
    error = await refused(drafter.act(case, "approve", step=case.steps[0], post_id=CHIEF))
    assert error.reason == "NOT_YOUR_STEP", "naming a post does not make it theirs"


async def test_an_act_that_the_step_does_not_know_is_refused(city):
    """AP-01: only the decider decides; 否認 is the decider's alone (domain.md 0.7)."""
    (chief,) = await people(city, CHIEF)
    case = await chief.see(await city.circulating())
    for action in ("decide", "concur", "dissent", "reject", "post_view"):
        error = await refused(chief.act(case, action, "理由", step=case.steps[0]))
        assert error.reason in ("ACTION_NOT_ALLOWED", "STEP_NOT_ACTIVE"), action
    for action in ("sign", ""):
        assert (await refused(chief.act(case, action))).reason == "INVALID_FIELDS"


async def test_a_reshuffle_moves_open_steps_and_never_acted_ones(city):
    """AP-40: an open step is the incumbent's on the day; who acted stays as they were."""
    chief, deputy = await people(city, CHIEF, DEPUTY)
    case = await chief.act(await chief.see(await city.circulating()), "approve")
    acted = case.steps[0].staff_name
    async with contextlib.AsyncExitStack() as stack:
        for post, person in ((CHIEF, chief), (DEPUTY, deputy)):
            await stack.enter_async_context(transferred(city, person.staff_id, post))
            successor = await stack.enter_async_context(appointed(city, "S0099", post, "concurrent"))
        case = await successor.see(case.case_id)
        assert (case.steps[0].staff_id, case.steps[0].staff_name) == (chief.staff_id, acted)
        assert case.steps[1].staff_id == "S0099"
        assert "approve" in case.steps[1].allowed_actions
        assert (await refused(deputy.act(case, "approve", step=case.steps[1]))).reason == "NOT_YOUR_STEP"
        case = await successor.act(case, "approve", step=case.steps[1])
    case = await chief.see(case.case_id)
    assert [step.staff_id for step in case.steps[:2]] == [chief.staff_id, "S0099"]


async def test_a_vacant_post_waits_for_its_successor(city):
    """A vacancy is not 不在: nobody is passed over, and nobody may 代決 for a post that nobody holds (AP-14)."""
    chief, deputy, head = await people(city, CHIEF, DEPUTY, HEAD)
    case_id = await city.circulating()
    for person in (chief, deputy):
        case = await person.act(await person.see(case_id), "approve")
    async with transferred(city, head.staff_id, HEAD):
        case = await deputy.see(case_id)
        assert (case.steps[2].staff_id, states(case)[2]) == ("", "active")
        assert (await refused(deputy.act(case, "substitute", step=case.steps[2]))).reason == "DECIDER_VACANT"
        drafter = await city.person(DRAFTER)
        error = await refused(city.plan(drafter, clock.new_id(), unit_id="U-040-03", matter="照会回答"))
        assert (error.reason, error.metadata["post"]) == ("POST_VACANT", "環境政策室長")
    assert (await head.act(await head.see(case_id), "decide")).state == "decided"


async def test_the_drafter_never_decides(city):
    """AP-43: also when they came to hold the deciding post later."""
    chief, deputy = await people(city, CHIEF, DEPUTY)
    case_id, other_id = await city.circulating(DRAFTER), await city.circulating("S0073")
    async with appointed(city, DRAFTER, HEAD) as drafter:
        for each in (case_id, other_id):
            for person in (chief, deputy):
                await person.act(await person.see(each), "approve")
        case = await drafter.see(case_id)
        assert "decide" not in case.steps[2].allowed_actions
        assert (await refused(drafter.act(case, "decide", step=case.steps[2]))).reason == "OWN_DRAFT"
        case = await drafter.act(await drafter.see(other_id), "decide")
        assert case.state == "decided", "another's draft they may decide"


async def test_who_holds_two_posts_acts_from_the_one_of_the_step(city):
    """AP-44: 兼務; the decision and the event name the post acted from."""
    async with appointed(city, "S0016", CHIEF, "concurrent") as both:
        case = await both.act(await both.see(await city.circulating()), "approve", post_id="P-020-01-01")
    assert (case.decisions[0].post_id, case.decisions[0].post_title) == (CHIEF, "担当主査")
    closed = next(e for e in await city.envelopes(case.case_id) if e.action == "step.closed")
    assert (closed.actor.staff_id, closed.actor.post_id, closed.actor.unit_id) == ("S0016", CHIEF, "U-040-03")


# --- words --------------------------------------------------------------------------------------


async def test_reasons_and_opinions_are_mandatory_where_they_matter(city):
    """AP-20: an opinion with 不同意; a reason with 差戻し, 保留 and 否認."""
    chief, finance = await people(city, CHIEF, "P-020-04-01")
    case_id = await city.circulating(**CONTRACT)
    case = await chief.see(case_id)
    for action in ("send_back", "hold"):
        assert (await refused(chief.act(case, action, "　"))).reason == "COMMENT_REQUIRED"
    error = await refused(chief.act(case, "approve", "長" * 4001))
    assert [(field.field, field.problem) for field in error.fields] == [("comment", "TOO_LONG")]
    for post in (CHIEF, DEPUTY, HEAD):
        person = await city.holder(post)
        await person.act(await person.see(case_id), "approve")
    case = await finance.see(case_id)
    assert (await refused(finance.act(case, "dissent"))).reason == "COMMENT_REQUIRED"
    case = await finance.act(case, "dissent", "債務負担行為の設定が先です。")
    assert case.state == "circulating", "AP-20: it does not stop the case"
    assert case.decisions[-1].comment == "債務負担行為の設定が先です。"


async def test_the_parallel_group_waits_for_all(city):
    """AP-08: 財政経営室長 ∥ 契約検査室長; 次長 only after both, and the 合議 gives its seats alone."""
    finance, contracts, deputy_director = await people(city, "P-020-04-01", "P-020-05-01", "P-040-00-02")
    case_id = await city.circulating(**CONTRACT)
    for post in (CHIEF, DEPUTY, HEAD):
        person = await city.holder(post)
        case = await person.act(await person.see(case_id), "approve")
    assert states(case)[3:6] == ["active", "active", "waiting"]
    assert (await refused(deputy_director.see(case_id))).reason == "NOT_FOUND"
    case = await finance.act(await finance.see(case_id), "concur")
    assert states(case)[3:6] == ["concurred", "active", "waiting"]
    case = await contracts.act(await contracts.see(case_id), "concur")
    assert states(case)[3:6] == ["concurred", "concurred", "active"]
    assert (await deputy_director.see(case_id)).state == "circulating"
    members = [await city.holder("P-020-04-02"), await city.holder("P-020-05-03")]
    for member in members:
        assert (await refused(member.see(case_id))).reason == "NOT_FOUND", "AC-13: the seat, not its section"


# --- absence ------------------------------------------------------------------------------------


async def test_an_absent_seat_is_passed_over_when_its_turn_comes_and_views_afterwards(city):
    """AP-11, AP-15, AP-16, AP-18, domain.md 0.2."""
    chief, deputy, head = await people(city, CHIEF, DEPUTY, HEAD)
    case_id = await city.circulating()
    absence_id = await deputy.is_away()
    case = await chief.act(await chief.see(case_id), "approve")
    assert states(case)[:3] == ["approved", "postview_due", "active"]
    assert case.steps[1].post_view
    assert (await refused(deputy.act(case, "post_view", step=case.steps[1]))).reason == "STEP_NOT_ACTIVE"
    assert not [item for item in (await deputy.inbox()).items if item.case_id == case_id]
    case = await head.act(await head.see(case_id), "decide")
    await come_back(deputy, absence_id)
    item = next(item for item in (await deputy.inbox(kinds=["post_view"])).items if item.case_id == case_id)
    assert item.step_state == pb.STEP_STATE_POSTVIEW_DUE
    case = await deputy.act(await deputy.see(case_id), "post_view")
    assert (states(case)[1], case.state, case.steps[1].post_view) == ("postviewed", "decided", True)
    assert (await refused(deputy.act(case, "post_view", step=case.steps[1]))).reason == "ALREADY_ACTED"
    assert not [item for item in (await deputy.inbox()).items if item.case_id == case_id]


async def test_an_absence_that_begins_while_the_step_waits_changes_nothing(city):
    """AP-11: passed over at the turn, not later; the upper seat may pull it up instead."""
    chief, head = await people(city, CHIEF, HEAD)
    case_id = await city.circulating()
    absence_id = await chief.is_away()
    case = await head.see(case_id)
    assert states(case)[0] == "active"
    case = await head.act(case, "pull_up", "至急のため", step=case.steps[0])
    assert states(case)[:2] == ["pulled_up", "active"]
    assert (case.steps[0].staff_id, case.steps[0].acted_for_staff_id) == (chief.staff_id, head.staff_id), "both names"
    await come_back(chief, absence_id)
    deputy = await city.holder(DEPUTY)
    await deputy.act(await deputy.see(case_id), "approve")
    await head.act(await head.see(case_id), "decide")
    case = await chief.act(await chief.see(case_id), "post_view")
    assert states(case)[:3] == ["postviewed", "approved", "decided"]
    assert case.steps[0].acted_for_name == case.decisions[0].staff_name


async def test_only_an_upper_seat_of_the_line_pulls_up(city):
    chief, deputy = await people(city, CHIEF, DEPUTY)
    case = await chief.act(await chief.see(await city.circulating()), "approve")
    error = await refused(chief.act(case, "pull_up", "至急", step=case.steps[1]))
    assert error.reason == "NOT_YOUR_STEP"
    assert (await refused(deputy.act(case, "pull_up", "至急", step=case.steps[1]))).reason == "NOT_YOUR_STEP"


async def test_the_listed_substitute_decides_for_an_absent_decider_in_order(city):
    """AP-11, AP-13, AP-14, AP-16: 室長 away → 室長補佐; the 担当主査 only when the 室長補佐 is away too."""
    chief, deputy, head = await people(city, CHIEF, DEPUTY, HEAD)
    case_id = await city.circulating()
    for person in (chief, deputy):
        case = await person.act(await person.see(case_id), "approve")
    decide = case.steps[2]
    error = await refused(deputy.act(case, "substitute", step=decide))
    assert (error.reason, error.metadata["holder"]) == ("NOT_ABSENT", decide.staff_name)
    away = await head.is_away()
    error = await refused(chief.act(case, "substitute", step=decide))
    assert (error.reason, error.metadata["post"]) == ("NOT_ABSENT", "室長補佐")
    drafter = await city.person(DRAFTER)
    assert (await refused(drafter.act(case, "substitute", step=decide))).reason == "NOT_YOUR_STEP"
    assert "substitute" in (await deputy.see(case_id)).steps[2].allowed_actions
    case = await deputy.act(case, "substitute", step=decide)
    assert (case.state, states(case)[2]) == ("decided", "substituted")
    assert (case.steps[2].staff_id, case.steps[2].acted_for_staff_id) == (head.staff_id, deputy.staff_id)
    await come_back(head, away)
    assert [i.kind for i in (await head.inbox()).items if i.case_id == case_id] == ["post_view"]
    case = await head.act(await head.see(case_id), "post_view")
    assert (states(case)[2], case.steps[2].acted_for_staff_id) == ("postviewed", deputy.staff_id)
    decided, viewed = [snapshot_of(one) for one in (await city.envelopes(case_id))[-2:]]
    drafter_seat, *_, substituted = list(decided.seats)[:4]
    assert (drafter_seat.kind, drafter_seat.state, drafter_seat.staff_name) == ("draft", "submitted", "葛󠄀城 拓也")
    assert drafter_seat.unit_name == "環境政策室"
    assert (substituted.state, substituted.staff_name) == ("substituted", decide.staff_name), "both names (AP-16)"
    assert (substituted.acted_for_name, substituted.acted_for_post_title) == (case.decisions[2].staff_name, "室長補佐")
    assert substituted.post_view
    assert not substituted.HasField("post_viewed_at")
    assert viewed.seats[3].post_viewed_at == case.decisions[-1].acted_at
    assert viewed.seats[3].acted_at == substituted.acted_at, "the time of the 代決 stays"
    assert {seat.state for seat in decided.seats[4:]} == {"struck"}, "AP-04"
    assert decided.seats[5].post_title == "部長"


async def test_the_second_substitute_acts_when_the_first_is_away_too(city):
    """AP-13."""
    chief, deputy, head = await people(city, CHIEF, DEPUTY, HEAD)
    case_id = await city.circulating()
    for person in (chief, deputy):
        case = await person.act(await person.see(case_id), "approve")
    aways = [(person, await person.is_away()) for person in (head, deputy)]
    case = await chief.act(case, "substitute", step=case.steps[2])
    assert case.decisions[-1].staff_id == chief.staff_id
    for person, absence_id in aways:
        await come_back(person, absence_id)


async def test_no_substitute_in_an_exceptional_case(city):
    """AP-12: 重要・異例 are for the decider."""
    posts = (CHIEF, DEPUTY, HEAD)
    case_id = await city.circulating(
        exception="unusual", exception_reason="前例のない補助のため", decision_class="head"
    )
    for post in posts:
        person = await city.holder(post)
        case = await person.act(await person.see(case_id), "approve")
    decider, first = await people(city, "P-040-00-02", "P-040-01-01")
    assert case.steps[3].post_id == "P-040-00-02", "AP-03: one higher than 室長"
    away = await decider.is_away()
    shown = await first.see(case_id, city.receipt(case, first.staff_id))
    error = await refused(first.act(shown, "substitute", step=case.steps[3]))
    assert (error.reason, error.metadata["why"]) == ("ACTION_NOT_ALLOWED", "exceptional")
    await come_back(decider, away)


async def test_no_substitute_against_an_open_dissent(city):
    """AP-20: 合議不調 is for the decider."""
    case_id = await city.circulating(**CONTRACT)
    acts = [(CHIEF, "approve"), (DEPUTY, "approve"), (HEAD, "approve"), ("P-020-04-01", "dissent")]
    for post, action in [*acts, ("P-020-05-01", "concur"), ("P-040-00-02", "approve")]:
        person = await city.holder(post)
        case = await person.act(await person.see(case_id), action, "予算がありません。")
    director, first = await people(city, "P-040-00-01", "P-040-00-02")
    away = await director.is_away()
    error = await refused(first.act(case, "substitute", step=case.steps[6]))
    assert (error.reason, error.metadata["why"]) == ("ACTION_NOT_ALLOWED", "dissent")
    await come_back(director, away)
    case = await director.see(case_id)
    error = await refused(director.act(case, "decide", "予算措置のうえ執行する。"))
    assert (error.reason, error.metadata["opinions"]) == ("OPINIONS_NOT_WEIGHED", case.opinions[0])
    case = await director.act(case, "decide", "意見は確認した。予算措置のうえ執行する。", acknowledged=case.opinions)
    assert case.state == "decided"
    assert list(case.decisions[-1].acknowledged) == list(case.opinions), "the log shows that it was weighed"


# --- ends ---------------------------------------------------------------------------------------


async def test_send_back_ends_the_case_and_every_view_of_an_open_step(city):
    """domain.md 0.6; the next submission is a case of its own, the old one stays closed."""
    chief, deputy, head = await people(city, CHIEF, DEPUTY, HEAD)
    case_id = await city.circulating()
    await chief.act(await chief.see(case_id), "approve")
    case = await deputy.act(await deputy.see(case_id), "send_back", "位置図が添付されていません。")
    assert case.state == "sent_back"
    assert states(case)[:3] == ["approved", "sent_back", "cancelled"]
    assert case.reason == case.steps[1].step_id
    assert not [i for person in (chief, deputy, head) for i in (await person.inbox()).items if i.case_id == case_id]
    last = snapshot_of((await city.envelopes(case_id))[-1])
    assert {lease.principal for lease in last.leases} == {f"staff:{chief.staff_id}", f"staff:{deputy.staff_id}"}
    assert all(lease.acted for lease in last.leases)
    for action in ("approve", "decide"):
        assert (await refused(head.act(case, action, step=case.steps[2]))).reason in (
            "CASE_CLOSED",
            "ACTION_NOT_ALLOWED",
        )


async def test_a_document_has_one_circulating_case_and_its_latest_is_shown(city):
    drafter, chief = await city.person(DRAFTER), await city.holder(CHIEF)
    document_id, facts = clock.new_id(), {"unit_id": "U-040-03", "matter": "照会回答"}
    plan = await city.plan(drafter, document_id, **facts)
    first = await city.submit(drafter, plan, document_id, **facts)
    await chief.act(await chief.see(first), "send_back", "回答期限の記載がありません。")
    second = await city.submit(drafter, plan, document_id, digest="c" * 64, **facts)
    latest = await drafter.call("GetCase", document_id=document_id)
    assert (latest.case.case_id, latest.case.version_digest) == (second, "c" * 64)
    assert (await drafter.see(first)).state == "sent_back"


async def test_the_decider_rejects_and_it_is_over(city):
    """domain.md 0.7."""
    case_id = await city.circulating()
    for post in (CHIEF, DEPUTY):
        person = await city.holder(post)
        await person.act(await person.see(case_id), "approve")
    head = await city.holder(HEAD)
    case = await head.act(await head.see(case_id), "reject", "要綱の対象になりません。")
    assert (case.state, states(case)[2]) == ("rejected", "rejected")
    drafter = await city.person(DRAFTER)
    error = await refused(
        drafter.call("WithdrawCase", request_id=clock.new_id(), case_id=case_id, expected_version=case.version)
    )
    assert (error.reason, error.metadata["state"]) == ("CASE_CLOSED", "rejected")


async def test_hold_keeps_the_step_with_its_holder(city):
    (chief,) = await people(city, CHIEF)
    case_id = await city.circulating()
    case = await chief.act(await chief.see(case_id), "hold", "申請者に確認中")
    assert states(case)[0] == "held"
    assert [i.step_state for i in (await chief.inbox()).items if i.case_id == case_id] == [pb.STEP_STATE_HELD]
    assert (await refused(chief.act(case, "hold", "まだ確認中"))).reason == "ACTION_NOT_ALLOWED"
    case = await chief.act(case, "approve")
    assert states(case)[:2] == ["approved", "active"]


async def test_the_drafter_withdraws_until_the_decision(city):
    chief, drafter = await city.holder(CHIEF), await city.person(DRAFTER)
    case = await drafter.see(await city.circulating())
    assert list(case.allowed_actions) == ["recall", "withdraw", "replace", "circulate", "ask_pull_up"]
    request = {"case_id": case.case_id, "expected_version": case.version}
    error = await refused(chief.call("WithdrawCase", request_id=clock.new_id(), **request))
    assert (error.kind.value, error.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    answer = await drafter.call("WithdrawCase", request_id="withdraw-1", comment="申請者の取下げ", **request)
    assert (answer.case.state, answer.case.decisions[-1].action) == ("withdrawn", "withdraw")
    assert await drafter.call("WithdrawCase", request_id="withdraw-1", comment="申請者の取下げ", **request) == answer
    assert (await refused(chief.act(answer.case, "approve", step=case.steps[0]))).reason == "CASE_CLOSED"
    assert snapshot_of((await city.envelopes(case.case_id))[-1]).state == "withdrawn"
    assert not snapshot_of((await city.envelopes(case.case_id))[-1]).leases
    done = await decided(city)
    error = await refused(
        drafter.call("WithdrawCase", request_id=clock.new_id(), case_id=done.case_id, expected_version=done.version)
    )
    assert (error.reason, error.metadata["state"]) == ("CASE_CLOSED", "decided")


async def test_the_last_actor_recalls_while_the_next_has_not_acted(city):
    chief, deputy = await people(city, CHIEF, DEPUTY)
    case_id = await city.circulating()
    case = await chief.act(await chief.see(case_id), "approve", "確認しました。")
    assert list(case.allowed_actions) == ["recall"]
    assert [i.case_id for i in (await deputy.inbox()).items if i.case_id == case_id]
    request = {"case_id": case_id, "expected_version": case.version}
    answer = await chief.call("RecallCase", request_id=clock.new_id(), comment="算定額の誤り", **request)
    assert states(answer.case)[:2] == ["active", "waiting"]
    assert not [i for i in (await deputy.inbox()).items if i.case_id == case_id]
    last = snapshot_of((await city.envelopes(case_id))[-1])
    assert {lease.principal for lease in last.leases} == {f"post:{CHIEF}", f"staff:{chief.staff_id}"}
    case = await chief.act(answer.case, "approve", "再確認しました。")
    assert [decision.action for decision in case.decisions] == ["approve", "recall", "approve"], "nothing is erased"
    case = await deputy.act(await deputy.see(case_id), "hold", "確認中")
    request = {"case_id": case_id, "expected_version": case.version}
    error = await refused(chief.call("RecallCase", request_id=clock.new_id(), **request))
    assert (error.kind.value, error.reason) == ("FAILED_PRECONDITION", "TOO_LATE")


async def test_the_drafter_recalls_while_nobody_has_acted(city):
    drafter, chief, head = await city.person(DRAFTER), await city.holder(CHIEF), await city.holder(HEAD)
    case = await drafter.see(await city.circulating())
    request = {"case_id": case.case_id, "expected_version": case.version}
    assert (await refused(head.call("RecallCase", request_id=clock.new_id(), **request))).reason == "NOT_PERMITTED"
    answer = await drafter.call("RecallCase", request_id=clock.new_id(), **request)
    assert (answer.case.state, answer.case.reason) == ("sent_back", "recalled")
    other = await chief.act(await chief.see(await city.circulating()), "approve")
    error = await refused(
        drafter.call("RecallCase", request_id=clock.new_id(), case_id=other.case_id, expected_version=other.version)
    )
    assert (error.reason, error.metadata["acted_by"]) == ("TOO_LATE", other.decisions[0].staff_name)


async def test_seats_above_the_decider_are_struck_through(city):
    """AP-04: not skipped, not to be viewed, nobody sees anything by them."""
    case = await decided(city)
    struck = [step for step in case.steps if step.state == pb.STEP_STATE_STRUCK]
    assert [step.post_id for step in struck] == ["P-040-00-02", "P-040-00-01", "P-000-00-03", "P-000-00-01"]
    director = await city.holder("P-040-00-01")
    assert (await refused(director.see(case.case_id))).reason == "NOT_FOUND"
    assert (await refused(director.act(case, "post_view", step=struck[1]))).reason in ("NOT_FOUND", "STEP_NOT_ACTIVE")
