"""The main job, start to end, over HTTP with two replicas of each service."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from deploy.walkthrough.__main__ import walk_through
from tests.conftest import PLAN
from tests.patience import until

pytestmark = pytest.mark.system


def test_the_seven_steps_of_the_walkthrough(city, capsys):
    lines = []
    assert walk_through(city.stack.url, PLAN, city.stack.state, lines.append), "\n".join(lines)
    assert len([line for line in lines if line.startswith("✓")]) == 8


def test_the_walkthrough_can_be_walked_again(city):
    lines = []
    assert walk_through(city.stack.gateway_urls[1], PLAN, city.stack.state, lines.append), "\n".join(lines)


def test_a_completed_document_says_where_when_and_how_long(city):
    document_id, _ = city.completed()
    document, _ = city.person("clerk", 2).document(document_id)
    today = dt.datetime.now(ZoneInfo("Asia/Tokyo")).date()
    fiscal_year = today.year if today.month >= 4 else today.year - 1
    assert document["state"] == "completed"
    assert document["fiscal_year"] == fiscal_year
    # RT-02: from the next 1 April, five years less a day.
    assert document["retention_from"] == f"{fiscal_year + 1}-04-01"
    assert document["retention_until"] == f"{fiscal_year + 6}-03-31"
    assert document["draft_number"].startswith("箕市第")
    assert document["dispatch_number"].startswith("箕市第")
    assert len(document["manifest_digest"]) == 64
    until(lambda: _locked_days(city, document_id) == {f"{fiscal_year + 6}-04-01"})


def _locked_days(city, document_id):
    document, _ = city.person("clerk").document(document_id)
    return {item["locked_until"][:10] for item in document["attachments"]}


def test_a_document_sent_back_circulates_again_and_keeps_its_number(city):
    document_id, case_id = city.circulating()
    number = city.person("clerk").document(document_id)[0]["draft_number"]
    city.act("chief", case_id, "send_back", "算定調書が添付されていません。")
    clerk = city.person("clerk")
    until(lambda: clerk.document(document_id)[0]["state"] == "sent_back")
    _, etag = clerk.document(document_id)
    clerk.request("PATCH", f"/documents/{document_id}", json={"body": "差し替えました。"}, headers={"If-Match": etag})
    again = clerk.submit(document_id)
    assert again["case_id"] != case_id
    assert again["draft_number"] == number
    city.act("chief", again["case_id"], "approve")


def test_a_withdrawn_document_leaves_every_inbox(city):
    document_id, case_id = city.circulating()
    clerk, chief = city.person("clerk"), city.person("chief")
    case = clerk.get(f"/cases/{case_id}")
    clerk.post(f"/cases/{case_id}/withdraw", {"comment": "申請者からの取下げ"}, etag=f'"{case["version"]}"')
    assert case_id not in [item["case_id"] for item in chief.items("/inbox")]
    until(lambda: clerk.document(document_id)[0]["state"] == "withdrawn")
