"""Several people, several tabs, two replicas, at the same time: one wins, the others are told (AP-31, AP-32, I9)."""

from __future__ import annotations

import concurrent.futures
import uuid

import psycopg
import pytest

from deploy.walkthrough.client import Refused
from tests.conftest import PLAN, TODAY
from tests.patience import until

pytestmark = pytest.mark.system


def together(*calls):
    """Run the calls at once; answers, with refusals as values."""

    def guarded(call):
        try:
            return call()
        except Refused as refusal:
            return refusal

    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(guarded, calls))


def told(lost, case):
    """AP-32: who comes second is told who was first, from which post, and what to do."""
    assert (lost.status, lost.reason) == (412, "STALE_VERSION")
    assert lost.problem["title"] == "ほかの人が先に変更しました"
    won = case["decisions"][-1]
    assert f"{won['post_title']}の{won['staff_name']}さん" in lost.problem["detail"]
    assert "最新の内容を開き直し" in lost.problem["detail"]


def act_body(person, case_id, action):
    case = person.get(f"/cases/{case_id}")
    document, _ = person.document(case["document_id"])
    step = next(step for step in case["steps"] if action in step["allowed_actions"])
    body = {
        "action": action,
        "comment": "",
        "version_digest": document["version_digest"],
        "read_receipt": document["read_receipt"],
    }
    return f"/cases/{case_id}/steps/{step['step_id']}/act", body, f'"{case["version"]}"'


def test_two_tabs_act_once(city):
    _, case_id = city.circulating()
    one, two = city.person("chief", 1), city.person("chief", 2)
    path, body, etag = act_body(one, case_id, "approve")
    answers = together(*(lambda p=p: p.post(path, body, etag=etag) for p in (one, two, one, two)))
    won = [answer for answer in answers if not isinstance(answer, Refused)]
    lost = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(won) == 1
    case = city.person("clerk").get(f"/cases/{case_id}")
    for refusal in lost:
        told(refusal, case)
    assert len([d for d in case["decisions"] if d["action"] == "approve"]) == 1


def test_the_same_request_twice_is_one_act_and_one_answer(city):
    _, case_id = city.circulating()
    one, two = city.person("chief", 1), city.person("chief", 2)
    path, body, etag = act_body(one, case_id, "approve")
    key = str(uuid.uuid4())
    headers = {"If-Match": etag, "Idempotency-Key": key}
    first = one.request("POST", path, json=body, headers=headers).json()
    again = two.request("POST", path, json=body, headers=headers).json()
    assert first == again
    with pytest.raises(Refused) as caught:
        one.request("POST", path, json=body | {"comment": "別の内容"}, headers=headers)
    assert caught.value.status == 422
    assert caught.value.reason == "REQUEST_ID_REUSED"


def test_an_act_against_a_withdrawal_has_one_winner(city):
    for _ in range(3):
        _, case_id = city.circulating()
        chief, clerk = city.person("chief", 1), city.person("clerk", 2)
        path, body, etag = act_body(chief, case_id, "approve")
        answers = together(
            lambda c=chief, p=path, b=body, e=etag: c.post(p, b, etag=e),
            lambda c=clerk, i=case_id, e=etag: c.post(f"/cases/{i}/withdraw", {"comment": "取下げ"}, etag=e),
        )
        (lost,) = [answer for answer in answers if isinstance(answer, Refused)]
        case = clerk.get(f"/cases/{case_id}")
        told(lost, case)
        assert case["state"] == ("withdrawn" if lost is answers[0] else "circulating")


def test_a_seat_acts_while_an_upper_one_pulls_it_up(city):
    """引上げ against 承認 of the same seat: one of the two stands on it."""
    _, case_id = city.circulating()
    city.act("chief", case_id, "approve")
    deputy, head = city.person("deputy", 1), city.person("head", 2)
    (one, by_deputy, etag), (other, by_head, _) = (
        act_body(deputy, case_id, "approve"),
        act_body(head, case_id, "pull_up"),
    )
    answers = together(lambda: deputy.post(one, by_deputy, etag=etag), lambda: head.post(other, by_head, etag=etag))
    (lost,) = [answer for answer in answers if isinstance(answer, Refused)]
    case = city.person("clerk").get(f"/cases/{case_id}")
    told(lost, case)
    states = [step["state"] for step in case["steps"][:3]]
    assert states == ["approved", "pulled_up" if lost is answers[0] else "approved", "active"]


def test_the_decider_comes_back_while_the_substitute_decides(city):
    """AP-01: 決裁 against 代決; there is one decision."""
    _, case_id = city.circulating()
    with city.away("head"):
        city.act("chief", case_id, "approve")
        city.act("deputy", case_id, "approve")
        city.on_case("clerk", case_id, "ask-substitute")
        deputy, head = city.person("deputy", 1), city.person("head", 2)
        (path, instead, etag), (_, own, _) = act_body(deputy, case_id, "substitute"), act_body(head, case_id, "decide")
        answers = together(lambda: deputy.post(path, instead, etag=etag), lambda: head.post(path, own, etag=etag))
    (lost,) = [answer for answer in answers if isinstance(answer, Refused)]
    case = city.person("clerk").get(f"/cases/{case_id}")
    told(lost, case)
    made = [one["action"] for one in case["decisions"]]
    assert made[-1:] == ["decide" if lost is answers[0] else "substitute"]
    assert len({"decide", "substitute"} & set(made)) == 1


def test_the_drafter_edits_while_the_approver_reads(city):
    """The version that circulates is frozen: an edit is refused, the approval names what was read."""
    document_id, case_id = city.circulating()
    clerk, chief = city.person("clerk"), city.person("chief", 2)
    path, body, etag = act_body(chief, case_id, "approve")
    _, document_etag = clerk.document(document_id)
    edit, approval = together(
        lambda: clerk.request(
            "PATCH", f"/documents/{document_id}", json={"body": "差替え"}, headers={"If-Match": document_etag}
        ),
        lambda: chief.post(path, body, etag=etag),
    )
    assert isinstance(edit, Refused)
    assert edit.status in (409, 412)
    assert not isinstance(approval, Refused)
    assert approval["decisions"][0]["version_digest"] == body["version_digest"]


def test_another_version_or_another_readers_receipt_is_refused(city):
    _, case_id = city.circulating()
    chief, head = city.person("chief"), city.person("head")
    path, body, etag = act_body(chief, case_id, "approve")
    document_id = chief.get(f"/cases/{case_id}")["document_id"]
    foreign = head.document(document_id)[0]["read_receipt"]
    for change, reason in (
        ({"version_digest": "0" * 64}, "VERSION_MOVED"),
        ({"read_receipt": foreign}, "READ_RECEIPT_MISMATCH"),
        ({"read_receipt": "x.y.z"}, "READ_RECEIPT_INVALID"),
    ):
        with pytest.raises(Refused) as caught:
            chief.post(path, body | change, etag=etag)
        assert (caught.value.status, caught.value.reason) == (409, reason)


def test_the_wrong_post_may_not_act(city):
    _, case_id = city.circulating()
    clerk, chief = city.person("clerk"), city.person("chief")
    path, _, etag = act_body(chief, case_id, "approve")
    document, _ = clerk.document(chief.get(f"/cases/{case_id}")["document_id"])
    body = {
        "action": "approve",
        "version_digest": document["version_digest"],
        "read_receipt": document["read_receipt"],
    }
    with pytest.raises(Refused) as caught:
        clerk.post(path, body, etag=etag)
    assert caught.value.reason == "NOT_YOUR_STEP"


def test_numbers_have_no_holes_under_concurrent_registration(city):
    """NB-05 over HTTP: forty receipts from two replicas, some of them refused half-way."""
    clerks = [city.person("clerk", 1), city.person("clerk", 2)]
    body = {
        "title": "浄化槽設置整備事業補助金交付申請書",
        "sender_kind": "citizen",
        "medium": "counter",
        "arrived_on": TODAY,
        "received_on": TODAY,
        "unit_id": PLAN["unit_id"],
        "class_code": PLAN["class_code"],
    }

    def register(number):
        wrong = {"received_on": "2126-02-30"} if number % 4 == 0 else {}
        return lambda: clerks[number % 2].post("/receipts", body | wrong)

    answers = together(*(register(number) for number in range(40)))
    assert len([a for a in answers if isinstance(a, Refused)]) == 10
    with psycopg.connect(city.stack.database_url("documents_owner")) as conn:
        rows = conn.execute(
            "SELECT register, symbol, fiscal_year, array_agg(number ORDER BY number) FROM documents.numbers"
            " GROUP BY register, symbol, fiscal_year"
        ).fetchall()
    assert rows
    for register_name, symbol, year, numbers in rows:
        assert numbers == list(range(1, len(numbers) + 1)), (register_name, symbol, year)


def test_drafter_approver_and_readers_race_through_the_main_job(city):
    """Four documents at once, readers looking all the time, acts from both replicas: all complete."""
    stop = False
    seen = []

    def read():
        readers = [city.person("head", 1), city.person("head", 2)]
        while not stop:
            for reader in readers:
                answer = reader.get("/documents", unit=PLAN["unit_id"], limit=20)
                seen.append(len(answer["items"]))

    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        reading = pool.submit(read)
        done = [pool.submit(city.completed) for _ in range(4)]
        try:
            documents = [future.result() for future in done]
        finally:
            stop = True
        reading.result()
    for document_id, case_id in documents:
        until(lambda d=document_id: city.person("clerk", 2).document(d)[0]["state"] == "completed")
        assert city.person("clerk").get(f"/cases/{case_id}")["state"] == "decided"
    assert seen
