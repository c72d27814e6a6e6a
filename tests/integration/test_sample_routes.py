"""The sample documents on the routes that the city's regulations give, over HTTP: posts, states, boxes, and who sees when."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from chassis import clock
from deploy.walkthrough.client import Refused
from tests.conftest import City
from tests.patience import until

pytestmark = pytest.mark.system

ACTION = {"concur": "concur", "decide": "decide"}
DONE = {"approve": "approved", "review": "approved", "concur": "concurred", "decide": "decided"}
MAYOR = "副市長 市長"
# By key of documents.yaml: the seats in their order, ∥ in parallel; then the posts above, which are struck through.
ROUTES = {
    "johkaso-03": ("担当主査 → 室長補佐 → 室長", f"次長 部長 {MAYOR}"),
    "kaiji-12": ("担当主査 → 課長補佐 → 課長 → 次長 → 部長", MAYOR),
    "encho-02": ("担当主査 → 室長補佐 → 室長 → 総務課 課長 → 次長 → 部長", MAYOR),
    "shingikai-03": ("担当主査 → 課長補佐 → 課長 → 次長 → 部長", MAYOR),
    "gian-04": ("担当主査 → 課長補佐 → 課長 → 次長 → 部長 → 法制室 室長 → 副市長 → 市長", ""),
    "kyotei-01": (
        "担当主査 → 室長補佐 → 室長 → 財政経営室 室長 ∥ 契約検査室 室長 → 次長 → 部長 → 法制室 室長 → 副市長 → 市長",
        "",
    ),
    "kyusui-118": ("担当主査 → 室長補佐 → 室長", "局長 公営企業管理者"),
    "genmen-31": ("担当主査 → 室長補佐 → 室長", "局長 公営企業管理者"),
    "taikosho-01": ("担当主査 → 室長補佐 → 室長 → 局長 → 公営企業管理者", ""),
    "ct-01": ("担当主査 → 室長補佐 → 室長 → 事務局長 → 病院事業管理者", ""),
    "shinryo-07": ("担当主査 → 室長補佐 → 室長", "事務局長 病院事業管理者"),
    "tsugakuro-01": ("担当主査 → 室長補佐 → 室長", "次長 局長 教育長"),
    "saiyo-02": ("担当主査 → 室長補佐 → 室長 → 次長 → 部長 → 副市長 → 市長", ""),
    "tenken-02": ("担当主査 → 課長補佐 → 課長", f"次長 部長 {MAYOR}"),
    "fu-05": ("担当主査 → 室長補佐 → 室長", f"次長 部長 {MAYOR}"),
    "sokutei-01": ("担当主査 → 室長補佐 → 室長 → 財政経営室 室長 ∥ 契約検査室 室長 → 次長 → 部長", MAYOR),
    "kihon-01": (
        "担当主査 → 室長補佐 → 室長 → 財政経営室 室長 → 次長 → 部長 → 法制室 室長 → 総務部 部長 → 副市長 → 市長",
        "",
    ),
}
# The routes that domain.md 14 describes: here also who sees it is looked at, at every turn.
WATCHED = ("johkaso-03", "sokutei-01", "kihon-01", "ct-01", "taikosho-01")
# 水道 up to its manager: the sample has none that goes so far.
WATER = {
    "title": "浄水施設運転管理業務委託契約の締結について（伺い）",
    "class_code": "0000-03-04",
    "folder_id": "F-2026-0000-03-04-11002",
    "decision_class": "body_head",
    "amount": 48_400_000,
}


def groups(case: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The seats of the line by group, in order."""
    line = [step for step in case["steps"] if step["state"] != "struck" and step["kind"] != "inform"]
    return [[step for step in line if step["group"] == n] for n in sorted({step["group"] for step in line})]


def in_words(case: dict[str, Any]) -> tuple[str, str]:
    def name(step: dict[str, Any]) -> str:
        asked = step["kind"] in ("concur", "review")
        return f"{step['unit_name']} {step['post_title']}" if asked else str(step["post_title"])

    struck = [step["post_title"] for step in case["steps"] if step["state"] == "struck"]
    return " → ".join(" ∥ ".join(name(step) for step in group) for group in groups(case)), " ".join(struck)


def walk(city: City, drafter: str, document_id: str, case: dict[str, Any], *, watched: bool) -> None:
    """Everybody in turn does what is usual; `watched`: exactly the unit, who has acted and whose turn it is see it.

    AP-06, AP-08, AC-10, AC-11, AC-13: a seat in waiting sees nothing, 合議 shows it to the seat alone.
    """
    clerk = city.person(drafter)
    case_id, line = case["case_id"], groups(case)
    holders = {step["step_id"]: city.holder(step["post_id"]) for group in line for step in group}
    neighbours = {city.holder(post) for post in ("P-020-04-03", "P-020-02-03", "P-120-02-05")}
    watching = set(holders.values()) | neighbours
    of_unit = {
        city.login(row["staff_id"]) for row in city.samples.staff if case["unit_id"] in units_of(city, row["staff_id"])
    }
    acted: set[str] = set()
    for number, group in enumerate(line):
        now = {step["step_id"]: step for step in clerk.get(f"/cases/{case_id}")["steps"]}
        if all(now[step["step_id"]]["state"] == "postview_due" for step in group):
            # Away on record: passed over, with a 後閲 afterwards (AP-15).
            continue
        for later in (step for rest in line[number + 1 :] for step in rest):
            assert now[later["step_id"]]["state"] == "waiting"
        for step in group:
            assert now[step["step_id"]]["state"] == "active"
        turn = {holders[step["step_id"]] for step in group}
        expected = (of_unit | acted | turn) & watching
        if watched:
            until(lambda e=expected: {who for who in watching if city.sees(who, document_id)} == e)
        for step in group:
            city.act(holders[step["step_id"]], case_id, ACTION.get(step["kind"], "approve"))
        acted |= turn


def units_of(city: City, staff_id: str) -> set[str]:
    return {row["unit_id"] for row in city.samples.posts_of(staff_id, clock.today())}


@pytest.mark.parametrize("key", ROUTES)
def test_a_sample_goes_its_way_to_the_decision(city, key):
    """AP-01, AP-02, AP-04 to AP-08: the seats of the regulations, the decider of the body, what is above struck through."""
    drafter, document_id, case_id = city.submitted(key)
    clerk = city.person(drafter)
    case = clerk.get(f"/cases/{case_id}")
    assert in_words(case) == ROUTES[key]
    walk(city, drafter, document_id, case, watched=key in WATCHED)
    decided_as_planned(city, drafter, document_id, case)


def test_the_water_works_up_to_their_manager(city):
    """AP-05: 担当 → 室長 → 局長 → 公営企業管理者, who is the boat race's as well and acts from the post of the water works."""
    drafter, document_id, case_id = city.submitted("kyusui-118", **WATER)
    case = city.person(drafter).get(f"/cases/{case_id}")
    assert in_words(case) == ("担当主査 → 室長補佐 → 室長 → 局長 → 公営企業管理者", "")
    walk(city, drafter, document_id, case, watched=True)
    decided_as_planned(city, drafter, document_id, case)
    last = city.person(drafter).get(f"/cases/{case_id}")["decisions"][-1]
    assert (last["action"], last["post_id"], last["unit_name"]) == ("decide", "P-110-00-01", "上下水道局")


def decided_as_planned(city: City, drafter: str, document_id: str, planned: dict[str, Any]) -> None:
    clerk = city.person(drafter)
    case = until(lambda: decided(clerk, planned["case_id"]))
    assert in_words(case) == in_words(planned)
    names = {row["staff_id"]: row["name"] for row in city.samples.staff}
    seats = boxes(city, drafter, document_id)
    for step, box in zip(case["steps"], seats[1:], strict=True):
        if step["state"] == "struck":
            assert "この決裁では対象外" in box
            continue
        assert step["state"] == ("postview_due" if step["post_view"] else DONE[step["kind"]])
        assert (step["post_title"] in box, surname(names[step["staff_id"]]) in box) == (True, True)
    until(lambda: clerk.document(document_id)[0]["state"] == "decided")


def decided(clerk: Any, case_id: str) -> dict[str, Any] | None:
    case: dict[str, Any] = clerk.get(f"/cases/{case_id}")
    return case if case["state"] == "decided" else None


def surname(name: str) -> str:
    return name.split()[0]


def boxes(city: City, who: str, document_id: str) -> list[str]:
    """The 決裁欄 of the page, a text for each box, the drafter first."""
    page = city.person(who).http.get(f"/documents/{document_id}", headers={"Accept": "text/html"}).text
    items = re.findall(r'<li class="seat".*?</li>', page, re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", item)).split()) for item in items]


def test_a_substitute_decides_and_the_absent_views_it_later(city):
    """AP-11 to AP-18: 代決 by whom the drafter asks, with both names in the box, and a 後閲 that changes nothing."""
    document_id, case_id = city.circulating()
    with city.away("head"):
        city.act("chief", case_id, "approve")
        city.act("deputy", case_id, "approve")
        city.on_case("clerk", case_id, "ask-substitute", comment="至急")
        city.act("deputy", case_id, "substitute")
    case = city.person("clerk").get(f"/cases/{case_id}")
    seat = case["steps"][2]
    assert (case["state"], seat["state"], seat["acted_for"]["name"]) == ("decided", "substituted", "山﨑 由紀子")
    box = boxes(city, "clerk", document_id)[3]
    for words in ("室長", "代決", "代", "山﨑 由紀子", "後閲", "髙橋 誠司"):
        assert words in box
    city.act("head", case_id, "post_view")
    after = city.person("clerk").get(f"/cases/{case_id}")
    assert (after["steps"][2]["state"], after["decided_at"], after["state"]) == (
        "postviewed",
        case["decided_at"],
        "decided",
    )
    assert "山﨑 由紀子" in boxes(city, "clerk", document_id)[3]


def test_a_dissent_is_weighed_and_named_by_the_decision(city):
    """AP-20: 不同意 stops nothing; who decides against it says that they weighed it, and no 代決 is possible meanwhile."""
    drafter, document_id, case_id = city.submitted("sokutei-01")
    for post in ("P-040-03-03", "P-040-03-02", "P-040-03-01"):
        city.act(city.holder(post), case_id, "approve")
    finance, contracts = city.holder("P-020-04-01"), city.holder("P-020-05-01")
    city.act(finance, case_id, "dissent", "当初予算に計上がありません。")
    city.act(contracts, case_id, "concur")
    city.act(city.holder("P-040-00-02"), case_id, "approve")
    director = city.holder("P-040-00-01")
    until(lambda: city.may(director, case_id, "decide"))
    with pytest.raises(Refused) as caught:
        city.person(director).act(case_id, "decide")
    assert caught.value.reason == "OPINIONS_NOT_WEIGHED"
    opinions = city.person(director).get(f"/cases/{case_id}")["opinions"]
    city.act(director, case_id, "decide", "補正予算で対応する。", acknowledged_opinions=opinions)
    case = city.person(drafter).get(f"/cases/{case_id}")
    against = next(one for one in case["decisions"] if one["action"] == "dissent")
    assert (opinions, case["decisions"][-1]["acknowledged_opinions"]) == ([against["decision_id"]], opinions)
    texts = boxes(city, drafter, document_id)
    assert [word for word in ("不同意", "同意") for text in texts if word in text.split()] == ["不同意", "同意"]


@pytest.mark.parametrize("kind", ["minor", "substantive"])
def test_a_version_is_replaced(city, kind):
    """AP-30: a minor 差替え keeps the approval and shows the new version to who gave it; one of substance asks anew."""
    document_id, case_id = city.circulating()
    clerk, chief = city.person("clerk"), city.person("chief")
    city.act("chief", case_id, "approve")
    before = clerk.get(f"/cases/{case_id}")["version_digest"]
    city.on_case("clerk", case_id, "replace", comment="人槽の誤記を直すため")
    until(lambda: clerk.document(document_id)[0]["state"] == "sent_back")
    _, etag = clerk.document(document_id)
    clerk.request("PATCH", f"/documents/{document_id}", json={"body": "七人槽"}, headers={"If-Match": etag})
    plan = clerk.post(f"/documents/{document_id}/route", {})
    _, etag = clerk.document(document_id)
    body = {"route_plan_id": plan["route_plan_id"], "replacement": kind}
    again = clerk.post(f"/documents/{document_id}/submit", body, etag=etag)["case_id"]
    case = until(lambda: clerk.get(f"/cases/{again}"))
    assert case["version_digest"] != before
    shown = [step["post_id"] for step in case["steps"] if step["kind"] == "inform"]
    if kind == "minor":
        assert [step["state"] for step in case["steps"][:3]] == ["approved", "active", "waiting"]
        assert shown == ["P-040-03-03"]
        assert [d["version_digest"] for d in case["decisions"]] == [before]
        city.act("chief", again, "confirm")
    else:
        assert [step["state"] for step in case["steps"][:3]] == ["active", "waiting", "waiting"]
        assert (shown, case["decisions"]) == ([], [])
        city.act("chief", again, "approve")
    city.act("deputy", again, "approve")
    city.act("head", again, "decide")
    case = clerk.get(f"/cases/{again}")
    assert (case["state"], case["decisions"][-1]["version_digest"]) == ("decided", case["version_digest"])
    assert len(chief.get(f"/documents/{document_id}/versions")["items"]) == 2


def test_an_upper_seat_pulls_it_up_and_the_lower_views_it_later(city):
    """AP-11, AP-16: 引上げ passes a seat over that does not act; its 後閲 waits from the decision on."""
    document_id, case_id = city.circulating()
    city.act("chief", case_id, "approve")
    city.act("head", case_id, "pull_up", "至急のため")
    case = city.person("clerk").get(f"/cases/{case_id}")
    assert [step["state"] for step in case["steps"][:3]] == ["approved", "pulled_up", "active"]
    assert not city.may("deputy", case_id, "post_view"), "not before the decision"
    city.act("head", case_id, "decide")
    box = boxes(city, "clerk", document_id)[2]
    for words in ("室長補佐", "引上げ", "髙橋 誠司", "後閲", "山﨑 由紀子"):
        assert words in box
    assert case_id in [item["case_id"] for item in city.person("deputy").items("/inbox", kind="post_view")]
    city.act("deputy", case_id, "post_view")
    case = city.person("clerk").get(f"/cases/{case_id}")
    assert (case["steps"][1]["state"], case["state"]) == ("postviewed", "decided")


def test_who_is_only_shown_it_is_asked_nothing(city):
    """AP-10, AC-12: 供覧 gives the seat a view at once and holds nobody up; confirmed, it is on record."""
    document_id, case_id = city.circulating()
    reader = city.holder("P-040-02-01")
    assert not city.sees(reader, document_id)
    city.on_case("clerk", case_id, "circulate", post_ids=["P-040-02-01"])
    until(lambda: city.sees(reader, document_id))
    city.act("chief", case_id, "approve")
    city.act("deputy", case_id, "approve")
    city.act("head", case_id, "decide")
    case = city.person("clerk").get(f"/cases/{case_id}")
    assert (case["state"], case["steps"][-1]["state"]) == ("decided", "active")
    city.act(reader, case_id, "confirm")
    assert city.person("clerk").get(f"/cases/{case_id}")["steps"][-1]["state"] == "informed"
