"""引継ぎ over the whole city (AC-16, AP-42): a leaver's draft comes to the 所属長 and is completed by a colleague."""

from __future__ import annotations

import pytest

from deploy.walkthrough.client import Refused
from tests.conftest import PLAN, TODAY, City
from tests.patience import until

pytestmark = pytest.mark.system

LEAVER, LEAVER_LOGIN = "S0073", "kobayashi.miho"


def reason(call) -> str:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.reason


def test_a_leavers_draft_is_taken_over_and_completed(city: City) -> None:
    leaver, clerk, head = city.person(LEAVER_LOGIN), city.person("clerk"), city.person("head")
    draft = city.draft(LEAVER_LOGIN)
    me = clerk.get("/me")["staff_id"]
    wish = {"assignee": me, "reason": "転出した主事の案件の引継ぎ"}
    assert reason(lambda: clerk.get("/unattended-documents")) == "NOT_PERMITTED"
    assert draft["id"] not in {one["document_id"] for one in head.get("/unattended-documents")["items"]}
    assert reason(lambda: head.post(f"/documents/{draft['id']}/assign", wish, etag='"1"')) == "NOT_FOUND"
    with city.transferred(LEAVER, "P-050-01-05"):
        until(lambda: leaver.get("/me")["units"][0]["unit_id"] == "U-050-01")
        for call in (
            lambda: leaver.document(draft["id"]),
            lambda: leaver.post(f"/documents/{draft['id']}/submit", {"route_plan_id": draft["id"]}, etag='"1"'),
            lambda: leaver.post(f"/documents/{draft['id']}/route", {}),
        ):
            assert reason(call) == "NOT_FOUND"
        left = next(one for one in head.get("/unattended-documents")["items"] if one["document_id"] == draft["id"])
        assert (left["title"], left["assignee"]) == (None, LEAVER)
        given = head.post(f"/documents/{draft['id']}/assign", wish, etag=f'"{left["version"]}"')
        assert given["assignee"] == me

        case_id = clerk.submit(draft["id"])["case_id"]
        city.act("chief", case_id, "approve")
        # 引戻し and 差替え are the 担当者's.
        allowed = clerk.get(f"/cases/{case_id}")["allowed_actions"]
        assert {"withdraw", "replace"} <= set(allowed)
        assert reason(lambda: leaver.get(f"/cases/{case_id}")) == "NOT_FOUND"
        city.act("deputy", case_id, "approve")
        city.act("head", case_id, "decide")
        until(lambda: city.locked(draft["id"]))
        chief = city.person("chief").get("/me")["staff_id"]
        sent = {"enforced_on": TODAY, "method": "post", "addressee": "申請者", "collated_by": chief}
        city.write("clerk", draft["id"], "enforce", sent)
        city.write("clerk", draft["id"], "complete", {"completed_on": TODAY, "folder_id": PLAN["folder_id"]})
        document, _ = clerk.document(draft["id"])
        assert (document["state"], document["drafter"], document["assignee"]) == ("completed", LEAVER, me)
        assert reason(lambda: leaver.document(draft["id"])) == "NOT_FOUND"
        events = clerk.get(f"/documents/{draft['id']}/history")["items"]
        handed = next(one for one in events if one["action"] == "document.assigned")
        assert handed["detail"] == {"assignee": me, "previous": LEAVER, "reason": wish["reason"]}
