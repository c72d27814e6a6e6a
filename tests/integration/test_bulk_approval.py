"""一括承認 (AP-52) over HTTP: one request, a result for each case, nothing easier than case by case."""

from __future__ import annotations

import uuid

import pytest

from deploy.walkthrough.client import Refused
from tests.conftest import BULK_CLASS

pytestmark = pytest.mark.system


def waiting(city, **fields):
    """A case of the class that may be approved in bulk, which waits for the chief."""
    return city.circulating(**{"decision_class": BULK_CLASS} | fields)


def act_on(city, document_id, case_id):
    """The chief opens the document and the case: what an act on it names."""
    chief = city.person("chief")
    document, _ = chief.document(document_id)
    case = chief.get(f"/cases/{case_id}")
    step = next(one for one in case["steps"] if one["allowed_actions"])
    return {
        "case_id": case_id,
        "step_id": step["step_id"],
        "action": step["bulk_action"] or "approve",
        "version": case["version"],
        "version_digest": document["version_digest"],
        "read_receipt": document["read_receipt"],
    }


def approved_in_bulk(city, case_id):
    case = city.person("clerk").get(f"/cases/{case_id}")
    return [(one["action"], one["bulk"]) for one in case["decisions"]]


def test_each_case_is_answered_by_itself(city):
    """AP-52, I4: unopened, changed since, of another class, and another version's receipt; the others pass."""
    opened, unopened, changed, other = [waiting(city) for _ in range(4)]
    single = city.circulating()
    acts = [act_on(city, *one) for one in (opened, unopened, changed, other, single)]
    acts[1]["read_receipt"] = ""
    acts[2]["version"] += 1
    acts[3]["read_receipt"] = acts[0]["read_receipt"]
    acts.append(act_on(city, *waiting(city)))
    items = city.person("chief").post("/bulk-approvals", {"acts": acts})["items"]
    assert [one["case_id"] for one in items] == [one["case_id"] for one in acts]
    assert [one["problem"] and one["problem"]["reason"] for one in items] == [
        None,
        "READ_RECEIPT_INVALID",
        "STALE_VERSION",
        "READ_RECEIPT_MISMATCH",
        "BULK_NOT_ALLOWED",
        None,
    ]
    assert items[0]["case"]["steps"][0]["state"] == "approved"
    assert items[4]["case"] is None
    assert "1件ずつ処理してください。" in items[4]["problem"]["detail"]
    assert approved_in_bulk(city, opened[1]) == [("approve", True)]
    for _, case_id in (unopened, changed, other, single):
        assert approved_in_bulk(city, case_id) == [], "nothing of it happened"


def test_the_same_request_does_nothing_twice(city):
    """AP-32: the same key, the same answers, one act each; the same acts under another key are too late."""
    chief = city.person("chief")
    cases = [waiting(city) for _ in range(2)]
    body, key = {"acts": [act_on(city, *one) for one in cases]}, str(uuid.uuid4())
    first, second = [
        chief.request("POST", "/bulk-approvals", json=body, headers={"Idempotency-Key": key}).json() for _ in range(2)
    ]
    assert first == second
    assert [one["problem"] for one in first["items"]] == [None, None]
    late = chief.post("/bulk-approvals", body)["items"]
    assert {one["problem"]["reason"] for one in late} == {"STALE_VERSION"}
    for _, case_id in cases:
        assert approved_in_bulk(city, case_id) == [("approve", True)]


def test_only_consent_is_taken_and_not_too_many(city):
    """AP-52: no 決裁; a hundred at most."""
    chief = city.person("chief")
    act = act_on(city, *waiting(city))
    for body in ({"acts": [act | {"action": "decide"}]}, {"acts": []}, {"acts": [act] * 101}):
        with pytest.raises(Refused) as caught:
            chief.post("/bulk-approvals", body)
        assert (caught.value.status, caught.value.reason) == (422, "INVALID_FIELDS")


def test_the_inbox_says_what_may_be_approved_in_bulk(city):
    """AP-52."""
    (_, allowed), (_, single) = waiting(city), city.circulating()
    found = {one["case_id"]: one["bulk_action"] for one in city.person("chief").items("/inbox")}
    assert (found[allowed], found[single]) == ("approve", None)
