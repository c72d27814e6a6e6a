"""差替え (AP-30) over gRPC on the sample city: what acts on the version before are still worth."""

from __future__ import annotations

from services.approvals.tests.conftest import DIGEST, refused, snapshot_of, states
from services.approvals.tests.test_acts import appointed, transferred

CHIEF, DEPUTY, HEAD = "P-040-03-03", "P-040-03-02", "P-040-03-01"
DRAFTER = "S0072"
FACTS = {"unit_id": "U-040-03", "matter": "補助金交付", "amount": 332_000}
SECOND = "b" * 64


async def replaced(city, case, replacement, **facts):
    """The drafter takes the case back and submits another version; the new case's id."""
    drafter = await city.person(DRAFTER)
    over = await drafter.on_case("ReplaceVersion", case, "添付の誤字を直すため")
    assert (over.state, over.reason) == ("sent_back", "replacing")
    chosen = FACTS | facts
    plan = await city.plan(drafter, case.document_id, **chosen)
    return await city.submit(drafter, plan, case.document_id, digest=SECOND, replacement=replacement, **chosen)


async def approved_by_chief(city):
    chief = await city.holder(CHIEF)
    case = await chief.see(await city.circulating(DRAFTER, **FACTS))
    return await chief.act(case, "approve", "確認しました。")


async def test_a_minor_replacement_keeps_what_was_approved_and_tells_who_approved(city):
    """AP-30: the approval goes on counting, with the digest it was given for; its giver is shown the new version."""
    chief, deputy, head = [await city.holder(post) for post in (CHIEF, DEPUTY, HEAD)]
    before = await approved_by_chief(city)
    case = await deputy.see(await replaced(city, before, "minor"))
    assert states(case) == ["approved", "active", "waiting", *["struck"] * (len(before.steps) - 3), "active"]
    carried = case.decisions[0]
    assert (carried.action, carried.staff_id, carried.version_digest) == ("approve", chief.staff_id, DIGEST)
    assert carried.carried_from == before.decisions[0].decision_id
    assert carried.access_record == before.decisions[0].access_record
    told = next(item for item in (await chief.inbox(kinds=["circulation"])).items if item.case_id == case.case_id)
    assert told.post_id == CHIEF
    shown = await chief.act(await chief.see(case.case_id), "confirm", step=case.steps[-1])
    assert states(shown)[-1] == "informed"
    case = await deputy.act(await deputy.see(case.case_id), "approve")
    case = await head.act(await head.see(case.case_id), "decide")
    assert case.state == "decided"
    last = snapshot_of((await city.envelopes(case.case_id))[-1])
    assert [(d.version_digest, bool(d.carried_from)) for d in last.decisions if d.action == "approve"] == [
        (DIGEST, True),
        (SECOND, False),
    ], "the manifest tells which version each act was for"


async def test_after_a_transfer_who_approved_is_told_and_not_their_successor(city):
    """AP-30: the earlier actor hears of the new version wherever they are now; nothing of it waits for the post."""
    chief = await city.holder(CHIEF)
    before = await approved_by_chief(city)
    async with transferred(city, chief.staff_id, CHIEF), appointed(city, "S0071", CHIEF) as successor:
        case_id = await replaced(city, before, "minor")
    case = await chief.see(case_id)
    assert states(case)[0] == "approved"
    assert "active" not in states(case)[2:], "no 供覧 of the post"
    heard = []
    for person in (chief, successor):
        notices = (await person.call("ListNotices", limit=200)).notices
        heard.append([(one.kind, one.post_id) for one in notices if one.case_id == case_id])
    assert heard == [[("circulation", "")], []]
    left = snapshot_of((await city.envelopes(case_id))[0]).leases
    assert f"staff:{chief.staff_id}" in {lease.principal for lease in left}, "and can open it"


async def test_a_substantive_replacement_begins_anew(city):
    """AP-30, AP-21."""
    chief = await city.holder(CHIEF)
    case = await chief.see(await replaced(city, await approved_by_chief(city), "substantive"))
    assert states(case)[:3] == ["active", "waiting", "waiting"]
    assert not case.decisions


async def test_another_rule_is_a_change_of_substance_whatever_it_is_called(city):
    """AP-30: an amount that makes another post decide cannot slip through as a slip of the pen."""
    chief = await city.holder(CHIEF)
    before = await approved_by_chief(city)
    case = await chief.see(await replaced(city, before, "minor", amount=9_000_000))
    assert case.rule_id != before.rule_id
    assert states(case)[0] == "active"
    assert not case.decisions


async def test_a_later_approver_makes_a_minor_replacement_a_substantive_one(city):
    """AP-30: everybody acts on the new version then; only where something was carried, and with a reason."""
    chief, deputy = await city.holder(CHIEF), await city.holder(DEPUTY)
    case = await deputy.see(await replaced(city, await approved_by_chief(city), "minor"))
    assert "restart" in case.steps[1].allowed_actions
    assert (await refused(deputy.act(case, "restart"))).reason == "COMMENT_REQUIRED"
    case = await deputy.act(case, "restart", "要件の変更であり、誤字の訂正ではありません。")
    assert states(case)[:3] == ["active", "waiting", "waiting"]
    case = await chief.act(await chief.see(case.case_id), "approve", "改めて確認しました。")
    assert (case.decisions[-1].version_digest, case.decisions[-1].carried_from) == (SECOND, "")
    error = await refused(deputy.act(await deputy.see(case.case_id), "restart", "もう一度"))
    assert (error.reason, error.metadata["why"]) == ("ACTION_NOT_ALLOWED", "nothing_carried")


async def test_who_approved_the_version_before_cannot_recall_it_in_the_new_circulation(city):
    """The act belongs to the case that is over; what is carried is not undone behind the next holder's back."""
    chief = await city.holder(CHIEF)
    case = await chief.see(await replaced(city, await approved_by_chief(city), "minor"))
    assert "recall" not in case.allowed_actions
    assert (await refused(chief.on_case("RecallCase", case))).reason == "NOT_PERMITTED"


async def test_after_a_send_back_a_minor_correction_goes_on_where_it_stopped(city):
    """AP-30 in SENT_BACK: the approvals before the sender are kept, the sender acts again."""
    chief, deputy, drafter = [
        await city.holder(CHIEF),
        await city.holder(DEPUTY),
        await city.person(DRAFTER),
    ]
    case = await chief.act(await chief.see(await city.circulating(DRAFTER, **FACTS)), "approve")
    case = await deputy.act(await deputy.see(case.case_id), "send_back", "同意書の写しがありません。")
    plan = await city.plan(drafter, case.document_id, **FACTS)
    again = await city.submit(drafter, plan, case.document_id, digest=SECOND, replacement="minor", **FACTS)
    shown = await deputy.see(again)
    assert states(shown)[:3] == ["approved", "active", "waiting"]
    assert [d.action for d in shown.decisions] == ["approve"], "the send back stays in the case that it ended"
    assert chief.staff_id == shown.decisions[0].staff_id


async def test_only_the_drafter_replaces_and_only_before_the_decision(city):
    """AP-30; LC-15: after the decision nothing is overwritten."""
    chief, deputy, head = [await city.holder(post) for post in (CHIEF, DEPUTY, HEAD)]
    drafter = await city.person(DRAFTER)
    case = await approved_by_chief(city)
    assert (await refused(chief.on_case("ReplaceVersion", case, "直したい"))).reason == "NOT_PERMITTED"
    assert (await refused(drafter.on_case("ReplaceVersion", case))).reason == "COMMENT_REQUIRED"
    case = await deputy.act(await deputy.see(case.case_id), "approve")
    case = await head.act(await head.see(case.case_id), "decide")
    error = await refused(drafter.on_case("ReplaceVersion", await drafter.see(case.case_id), "直したい"))
    assert error.reason == "CASE_CLOSED"
