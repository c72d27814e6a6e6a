"""You see what your post lets you see, and nothing hints at the rest (I5, AC-01 to AC-14)."""

from __future__ import annotations

import time
import uuid

import pytest

from deploy.walkthrough.client import Refused
from tests.patience import until

pytestmark = pytest.mark.system


def problem(person, path):
    with pytest.raises(Refused) as caught:
        person.request("GET", path)
    return caught.value


PATHS = (
    "/documents/{id}",
    "/documents/{id}/viewers",
    "/documents/{id}/history",
    "/documents/{id}/evidence",
    "/documents/{id}/attachments/{aid}/content",
)


def test_hidden_and_absent_are_the_same_answer_on_every_path(city):
    """AC-03: byte for byte, apart from the trace id."""
    document_id, _ = city.circulating()
    attachment_id = city.person("clerk").document(document_id)[0]["attachments"][0]["id"]
    stranger = city.person("stranger")
    for path in PATHS:
        hidden = problem(stranger, path.format(id=document_id, aid=attachment_id))
        absent = problem(stranger, path.format(id=uuid.uuid4(), aid=uuid.uuid4()))
        assert hidden.status == absent.status == 404, path
        assert hidden.problem.keys() == absent.problem.keys()
        same = {key: value for key, value in hidden.problem.items() if key != "trace_id"}
        assert same == {key: value for key, value in absent.problem.items() if key != "trace_id"}, path


def test_another_unit_finds_nothing_and_no_count(city):
    mark = f"浄化槽{uuid.uuid4().hex[:8]}"
    document = city.draft(title=f"{mark}の交付決定について（伺い）")
    document_id = document["id"]
    city.attach(document_id)
    case_id = city.person("clerk").submit(document_id)["case_id"]
    until(lambda: city.may("chief", case_id, "approve"))
    stranger = city.person("stranger")
    number = city.person("clerk").document(document_id)[0]["draft_number"]
    for query in ({"q": mark}, {"q": "浄化槽"}, {"number": number}, {"unit": "U-040-03"}, {"class": "0403-02-01"}):
        answer = stranger.get("/documents", **query)
        assert answer == {"items": [], "next_cursor": None}, query
    assert problem(stranger, f"/cases/{case_id}").status == 404
    # The owner unit finds it by the same words.
    until(lambda: [item["id"] for item in city.person("head").get("/documents", q=mark)["items"]] == [document_id])


def test_a_draft_is_seen_by_its_drafter_only(city):
    document = city.draft()
    city.person("clerk").document(document["id"])
    for role in ("chief", "head", "stranger", "auditor"):
        assert problem(city.person(role), f"/documents/{document['id']}").status == 404


def test_a_view_on_the_route_begins_with_the_turn_and_ends_with_the_way_out(city):
    """AC-11 and the leases: nothing while WAITING; visible within 300 ms of the turn; gone after 取下げ."""
    # The step after the head's belongs to somebody of the department, outside the owner unit.
    document = city.draft(decision_class="director")
    document_id = document["id"]
    city.attach(document_id)
    case_id = city.person("clerk").submit(document_id)["case_id"]
    until(lambda: city.may("chief", case_id, "approve"))
    case = city.person("clerk").get(f"/cases/{case_id}")
    head = city.person("head").get("/me")["staff_id"]
    own = next(step for step in case["steps"] if step["staff_id"] == head)
    after = min((step for step in case["steps"] if step["group"] > own["group"]), key=lambda step: step["group"])
    director = city.person(city.login(after["staff_id"]))
    assert problem(director, f"/documents/{document_id}").status == 404
    city.act("chief", case_id, "approve")
    city.act("deputy", case_id, "approve")
    assert problem(director, f"/documents/{document_id}").status == 404
    city.act("head", case_id, "approve")
    until(lambda: _ready(city, case_id, after["step_id"]))
    started = time.monotonic()
    until(lambda: director.document(document_id))
    visible = time.monotonic() - started
    assert visible < 5
    case = city.person("clerk").get(f"/cases/{case_id}")
    etag = f'"{case["version"]}"'
    city.person("clerk").post(f"/cases/{case_id}/withdraw", {"comment": "申請の取下げ"}, etag=etag)
    until(lambda: _hidden(director, document_id))


def _ready(city, case_id, step_id):
    case = city.person("clerk").get(f"/cases/{case_id}")
    return next((case for step in case["steps"] if step["step_id"] == step_id and step["state"] == "active"), None)


def _hidden(person, document_id):
    try:
        person.document(document_id)
    except Refused as refusal:
        return refusal.status == 404
    return False


def test_who_may_see_it_and_why(city):
    document_id, _ = city.circulating()
    viewers = city.person("clerk").get(f"/documents/{document_id}/viewers")["items"]
    reasons = {(item["principal"], item["reason"]) for item in viewers}
    assert ("unit:U-040-03", "owner_unit") in reasons
    assert any(reason == "route_step" and principal.startswith("post:") for principal, reason in reasons)
    assert not any(principal.startswith("unit:U-120") for principal, _ in reasons)


def test_only_audit_officers_read_the_log(city):
    assert problem(city.person("head"), "/audit/entries").status == 403
    assert city.person("auditor").get("/audit/entries")["items"]


def test_an_audit_officer_does_not_see_documents(city):
    document_id, _ = city.circulating()
    assert problem(city.person("auditor"), f"/documents/{document_id}").status == 404
