"""Sample routes as people walk them: up to the head of each body, 合議 with a 不同意, 代決 with a later 後閲, 引上げ."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import City
from tests.e2e import journey
from tests.e2e.conftest import findings
from tests.patience import until

# 担当主査, 室長補佐, 室長 of 環境政策室.
ROOM = ("P-040-03-03", "P-040-03-02", "P-040-03-01")
# Up to the head of each body: the sample, and the seats that are filled by hand. Those below act by program, for their
# page is the one of every other test. Water has no sample that goes so far (tests/integration/test_sample_routes.py).
WATER = {
    "class_code": "0000-03-04",
    "folder_id": "F-2026-0000-03-04-11002",
    "decision_class": "body_head",
    "amount": 48_400_000,
}
# Of the only sample with 合議 and both 審査: all after the own room.
PLAN_OF_THE_CITY = (
    "財政経営室 室長（合議） 同意",
    "次長 承認",
    "部長 承認",
    "法制室 室長（審査） 承認",
    "総務部 部長（審査） 承認",
    "副市長 承認",
    "市長 決裁",
)
HEADS = {
    "市長": ("kihon-01", {}, PLAN_OF_THE_CITY),
    "病院事業管理者": ("ct-01", {}, ("事務局長", "病院事業管理者 決裁")),
    "公営企業管理者（競艇）": ("taikosho-01", {}, ("公営企業管理者 決裁",)),
    "公営企業管理者（水道）": ("kyusui-118", WATER, ("公営企業管理者 決裁",)),
}
# What each kind of seat presses, and is told.
PRESSED = {
    "concur": ("同意する", "同意を登録しました。"),
    "decide": ("決裁する", "決裁を登録しました。"),
}
APPROVED = ("承認する", "承認を登録しました。")


def seats(page: Page) -> str:
    """What the 決裁欄 says, in the order of work."""
    return " ".join(page.get_by_role("list", name="決裁欄").inner_text().split())


@pytest.mark.parametrize("head", HEADS)
def test_the_head_of_each_body_decides(city: City, visit, head: str) -> None:
    """AP-01, AP-05 to AP-07: 合議 after the own room, 審査 before the first seat above 部長, and the head of the body whose
    route it is decides."""
    key, changes, by_hand = HEADS[head]
    title = f"{head}が決裁する案件について（伺い）{uuid.uuid4().hex[:6]}"
    drafter, document, case_id = city.submitted(key, title=title, **changes)
    line = [step for step in case(city, drafter, case_id) if step["state"] != "struck" and step["kind"] != "inform"]
    for step in line[: -len(by_hand)]:
        now = next(one for one in case(city, drafter, case_id) if one["step_id"] == step["step_id"])
        # Who is away on record was passed over (AP-15).
        if now["state"] != "postview_due":
            city.act(city.holder(step["post_id"]), case_id, "approve")
    for step in line[-len(by_hand) :]:
        page = visit(city.holder(step["post_id"]))
        journey.open_from_inbox(page, title)
        journey.act(page, *PRESSED.get(step["kind"], APPROVED))
    until(lambda: city.person(drafter).document(document)[0]["state"] == "decided")
    shown = seats(visit(drafter, f"/documents/{document}"))
    places = [shown.find(seat) for seat in by_hand]
    assert -1 not in places, shown
    assert places == sorted(places), shown


def case(city: City, drafter: str, case_id: str) -> list[dict[str, Any]]:
    """The steps of the case as the drafter sees them."""
    steps: list[dict[str, Any]] = city.person(drafter).get(f"/cases/{case_id}")["steps"]
    return steps


def test_a_department_decides_against_a_dissent(city: City, visit, picture) -> None:
    """AP-07, AP-08, AP-20: two 合議 side by side, one against it; the 部長 says that they weighed it, and decides."""
    title = f"令和9年河川水質等環境測定業務委託契約の締結について（伺い）{uuid.uuid4().hex[:6]}"
    drafter, document, case_id = city.submitted("sokutei-01", title=title)
    for post in ROOM:
        city.act(city.holder(post), case_id, "approve")
    opinion = "当初予算に計上がありません。"
    finance = visit(city.holder("P-020-04-01"))
    journey.open_from_inbox(finance, title)
    journey.act(finance, "不同意", "不同意を登録しました。", opinion)
    city.act(city.holder("P-020-05-01"), case_id, "concur")
    city.act(city.holder("P-040-00-02"), case_id, "approve")
    director = visit(city.holder("P-040-00-01"))
    journey.open_from_inbox(director, title)
    expect(director.get_by_role("main")).to_contain_text(opinion)
    journey.press(director, "決裁する")
    expect(director.get_by_role("alert")).to_contain_text("読んで判断した")
    assert findings(director) == []
    picture(director, "dissent")
    director.get_by_role("checkbox", name="財政経営室　室長の意見を読んで判断した").check()
    journey.act(director, "決裁する", "決裁を登録しました。", "補正予算で対応する。")
    clerk = visit(drafter, f"/documents/{document}")
    journey.reload_until(clerk, "次は施行の登録です。")
    shown = seats(clerk)
    for words in (
        "財政経営室 室長（合議） 不同意",
        "契約検査室 室長（合議） 同意",
        "部長 決裁",
        "市長 この決裁では対象外",
    ):
        assert words in shown, shown
    picture(clerk, "dissent-decided")


def test_a_substitute_is_asked_decides_and_the_absent_views_it(city: City, visit, title, picture) -> None:
    """AP-13, AP-16 to AP-18: asked by the drafter, marked 代 with both names, and the 後閲 waits for the absent."""
    document = city.draft(title=title)["id"]
    case_id = city.person("clerk").submit(document)["case_id"]
    with city.away("head"):
        city.act("chief", case_id, "approve")
        city.act("deputy", case_id, "approve")
        clerk = visit("clerk", f"/documents/{document}")
        journey.reload_until(clerk, "代決を依頼する")
        journey.press(clerk, "代決を依頼する")
        journey.told(clerk, "代決を依頼しました。")
        deputy = visit("deputy", f"/documents/{document}")
        journey.act(deputy, "代決する", "代決を登録しました。")
    head = visit("head")
    journey.open_from_inbox(head, title)
    assert "代 山﨑 由紀子" in seats(head), seats(head)
    journey.act(head, "後閲する", "後閲を登録しました。")
    head.goto(f"{city.stack.url}/documents/{document}")
    assert "代 山﨑 由紀子 後閲 髙橋 誠司" in seats(head), seats(head)
    picture(head, "substituted")


def test_an_upper_seat_takes_it_out_of_a_lower_ones_hands(city: City, visit, title) -> None:
    """AP-11: 引上げ on the page of the upper seat; the lower one finds a 後閲."""
    document = city.draft(title=title)["id"]
    case_id = city.person("clerk").submit(document)["case_id"]
    city.act("chief", case_id, "approve")
    head = visit("head", f"/documents/{document}")
    journey.reload_until(head, "室長補佐の処理を待っています。")
    journey.act(head, "引き上げて処理する", "引上げを登録しました。", "至急のため")
    head.goto(f"{city.stack.url}/documents/{document}")
    journey.act(head, "決裁する", "決裁を登録しました。")
    deputy = visit("deputy")
    journey.open_from_inbox(deputy, title)
    assert "引上げ 髙橋 誠司 後閲 山﨑 由紀子" in seats(deputy), seats(deputy)
    journey.act(deputy, "後閲する", "後閲を登録しました。")
