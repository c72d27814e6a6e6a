"""What is said instead of 承認 and 決裁, sent by the form of the page: 保留, 否認, 条件付決裁, 回議のやり直し."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest

from deploy.walkthrough.client import Person
from tests.conftest import PLAN, City
from tests.patience import until

pytestmark = pytest.mark.system

HTML = {"Accept": "text/html"}
REASON = "算定の根拠を髙﨑様に確かめてから判断します。"
# By button: who presses it, what they are told, what it is called on record; then the states of the case, of its three
# seats and of the document.
ACTS = {
    "保留": ("chief", "保留を登録しました。", "保留", "circulating", "held waiting waiting", "circulating"),
    "否認": ("head", "否認を登録しました。", "否認", "rejected", "approved approved rejected", "rejected"),
    "条件を付けて決裁": (
        "head",
        "条件付決裁を登録しました。",
        "条件付決裁",
        "decided",
        "approved approved decided",
        "decided",
    ),
    "最初から回議": (
        "deputy",
        "回議を最初からやり直します。",
        "回議のやり直し",
        "circulating",
        "active waiting waiting",
        "circulating",
    ),
}


@pytest.fixture
def browsers(city: City) -> Iterator[dict[str, Person]]:
    """The room, logged in as in a browser."""
    people = {role: Person(city.stack.url, role) for role in ("clerk", "chief", "deputy", "head")}
    for role, person in people.items():
        person.log_in(PLAN["people"][role]["login"])
    yield people
    for person in people.values():
        person.http.close()


def circulating(city: City, button: str) -> tuple[str, str]:
    """(document id, case id) of a case that waits for who presses the button."""
    document_id, case_id = city.circulating()
    who = ACTS[button][0]
    if who != "chief":
        city.act("chief", case_id, "approve")
    if who == "head":
        city.act("deputy", case_id, "approve")
    if button == "最初から回議":
        # Only what was carried from the version before is asked anew (AP-30).
        case_id = replaced(city, document_id, case_id)
    return document_id, case_id


def replaced(city: City, document_id: str, case_id: str) -> str:
    """The case after a 差替え that its drafter calls a slip of the pen."""
    clerk = city.person("clerk")
    city.on_case("clerk", case_id, "replace", comment="人槽の誤記を直すため")
    until(lambda: clerk.document(document_id)[0]["state"] == "sent_back")
    _, etag = clerk.document(document_id)
    clerk.request("PATCH", f"/documents/{document_id}", json={"body": "七人槽"}, headers={"If-Match": etag})
    plan = clerk.post(f"/documents/{document_id}/route", {})
    _, etag = clerk.document(document_id)
    body = {"route_plan_id": plan["route_plan_id"], "replacement": "minor"}
    again: str = clerk.post(f"/documents/{document_id}/submit", body, etag=etag)["case_id"]
    until(lambda: city.may("deputy", again, "restart"))
    return again


def shown(person: Person, path: str) -> str:
    answer = person.http.get(path, headers=HTML)
    assert answer.status_code == 200, path
    return answer.text


def press(person: Person, page: str, button: str, comment: str) -> tuple[int, str]:
    """The form of what waits for the person, filled in and sent by that button; the page that follows."""
    form = re.search(r'<form method="post" action="(/cases/[^"]+/act)".*?</form>', page, re.DOTALL)
    assert form, "nothing waits for this person"
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[0]))
    sent = re.search(rf'<button[^>]* name="action" value="(\w+)"[^>]*>{button}</button>', form[0])
    assert sent, f"no button {button}"
    answer = person.http.post(form[1], data=fields | {"action": sent[1], "comment": comment}, headers=HTML)
    if answer.status_code == 303:
        return 303, shown(person, answer.headers["location"])
    return answer.status_code, answer.text


@pytest.mark.parametrize("button", ACTS)
def test_who_does_not_simply_consent_says_why(city: City, browsers: dict[str, Person], button: str) -> None:
    """AP-22, AP-30: without a reason it is refused and nothing has happened; with it, it is done and the drafter reads why."""
    who, told, act, case_state, states, document_state = ACTS[button]
    document_id, case_id = circulating(city, button)
    clerk, person = city.person("clerk"), browsers[who]
    before = clerk.get(f"/cases/{case_id}")
    address = f"/documents/{document_id}"
    status, page = press(person, shown(person, address), button, "　")
    assert (status, clerk.get(f"/cases/{case_id}")) == (422, before)
    assert "この処理には理由または意見が必要です。" in page
    status, page = press(person, page, button, REASON)
    assert (status, told in page) == (303, True)
    case = clerk.get(f"/cases/{case_id}")
    assert (case["state"], " ".join(step["state"] for step in case["steps"][:3])) == (case_state, states)
    assert (len(case["decisions"]), case["decisions"][-1]["comment"]) == (len(before["decisions"]) + 1, REASON)
    until(lambda: clerk.document(document_id)[0]["state"] == document_state)
    read = html.unescape(re.sub(r"<[^>]+>", " ", shown(browsers["clerk"], address)))
    assert (act in read, REASON in read) == (True, True)
