"""Every circulation of one document over gRPC: what was done and written before a 差戻し stays to be seen (AP-53)."""

from __future__ import annotations

from services.approvals.tests.conftest import refused

CHIEF, DEPUTY = "P-040-03-03", "P-040-03-02"
DRAFTER, AUDITOR = "S0072", "S0225"
FACTS = {"unit_id": "U-040-03", "matter": "補助金交付", "amount": 332_000}
REASON = "同意書の写しがありません。"


async def sent_back_and_submitted_again(city):
    """The first case, ended by the deputy, and the second, which circulates."""
    drafter, chief, deputy = await city.person(DRAFTER), await city.holder(CHIEF), await city.holder(DEPUTY)
    first = await chief.act(await chief.see(await city.circulating(DRAFTER, **FACTS)), "approve", "確認しました。")
    first = await deputy.act(await deputy.see(first.case_id), "send_back", REASON)
    plan = await city.plan(drafter, first.document_id, **FACTS)
    return first, await drafter.see(await city.submit(drafter, plan, first.document_id, digest="b" * 64, **FACTS))


async def test_all_circulations_come_the_latest_first_with_what_was_written(city):
    """AP-53, SC-01: each as GetCase shows it, and one record of having shown them."""
    first, second = await sent_back_and_submitted_again(city)
    drafter = await city.person(DRAFTER)
    answer = await drafter.call("ListCases", document_id=first.document_id)
    assert list(answer.cases) == [second, await drafter.see(first.case_id)]
    assert [(one.action, one.comment) for one in answer.cases[1].decisions] == [
        ("approve", "確認しました。"),
        ("send_back", REASON),
    ]
    assert answer.cases[1].decisions[1].access_record, "and what shows that it was read before"
    record = (await city.records("case.history_read"))[-1]
    assert answer.access_record.endswith(f"/{record.seq}")
    assert (record.object_id, record.result_count) == (first.document_id, 2)


async def test_who_may_not_see_a_case_does_not_find_it_among_the_others(city):
    """AC-03, AC-11: a seat that acted before and waits for nothing now sees its own; who is shown the document sees all."""
    drafter = await city.person(DRAFTER)
    # 合議 of another 部, on the first route and not yet reached on the second.
    finance = await city.holder("P-020-04-01")
    contract = {"unit_id": "U-040-03", "matter": "契約締結", "amount": 3_000_000}
    case_id = await city.circulating(DRAFTER, **contract)
    for post in (CHIEF, DEPUTY, "P-040-03-01"):
        person = await city.holder(post)
        await person.act(await person.see(case_id), "approve")
    first = await finance.act(await finance.see(case_id), "send_back", "当初予算に計上がありません。")
    plan = await city.plan(drafter, first.document_id, **contract)
    await city.submit(drafter, plan, first.document_id, digest="b" * 64, **contract)
    seen = await finance.call("ListCases", document_id=first.document_id)
    assert [one.case_id for one in seen.cases] == [case_id]
    auditor = await city.person(AUDITOR)
    hidden = await refused(auditor.call("ListCases", document_id=first.document_id))
    absent = await refused(auditor.call("ListCases", document_id=case_id))
    assert (hidden.reason, hidden.message) == (absent.reason, absent.message) == ("NOT_FOUND", absent.message)
    receipt = city.receipt(first, AUDITOR)
    assert len((await auditor.call("ListCases", document_id=first.document_id, read_receipt=receipt)).cases) == 2
    forged = city.receipt(first, AUDITOR, signer=city.strangers)
    error = await refused(auditor.call("ListCases", document_id=first.document_id, read_receipt=forged))
    assert error.reason == "READ_RECEIPT_INVALID"
