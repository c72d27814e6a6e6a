"""一括承認 as people do it: open, choose, look once more, and read what became of each (AP-52)."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.conftest import BULK_CLASS, City
from tests.e2e import journey
from tests.e2e.conftest import findings


def test_what_was_opened_is_approved_together(city: City, visit, picture) -> None:
    """AP-52: unopened cannot be chosen; one that changed since is refused, the others pass; sent twice it is one act."""
    titles = [
        f"令和8年度生ごみ処理機購入補助金の交付決定について（{place}）" for place in ("牧落", "桜井", "瀬川", "半町")
    ]
    found = [city.circulating(title=title, decision_class=BULK_CLASS) for title in titles]
    chief = visit("chief")
    rows = chief.get_by_role("region", name="未処理の一覧").get_by_role("row")
    for title in titles:
        expect(rows.filter(has_text=title)).to_contain_text("まだ開いていません")
    for title in titles[:3]:
        journey.open_from_inbox(chief, title)
    chief.get_by_role("link", name="ホーム", exact=True).click()
    expect(rows.filter(has_text=titles[3]).get_by_role("checkbox")).to_have_count(0)
    assert findings(chief) == []
    for title in titles[:3]:
        rows.filter(has_text=title).get_by_role("checkbox").check()
    picture(chief, "bulk_inbox")
    journey.press(chief, "一括承認")
    expect(chief.get_by_role("heading", level=1)).to_have_text("一括承認の確認")
    assert findings(chief) == []
    picture(chief, "bulk_confirm")

    # Meanwhile the drafter shows one of them to a colleague: the case is not as it was opened.
    clerk = city.person("clerk")
    case = clerk.request("GET", f"/cases/{found[1][1]}")
    clerk.post(f"/cases/{found[1][1]}/circulate", {"post_ids": ["P-040-02-01"]}, etag=case.headers["etag"])
    sent = chief.locator("form[action='/bulk-approval']").evaluate(
        "form => new URLSearchParams(new FormData(form)).toString()"
    )
    journey.press(chief, "この3件を登録する")
    journey.told(chief, "2件を登録しました。1件は登録していません。")
    expect(chief.get_by_role("row").filter(has_text=titles[0])).to_contain_text("承認（一括）を登録しました")
    expect(chief.get_by_role("row").filter(has_text=titles[1])).to_contain_text("ほかの人が先に変更しました")
    assert findings(chief) == []
    picture(chief, "bulk_result")
    again = chief.request.post(
        f"{city.stack.url}/bulk-approval",
        data=sent,
        headers={"Content-Type": "application/x-www-form-urlencoded", "Origin": city.stack.url},
    )
    assert again.ok
    decisions = clerk.get(f"/cases/{found[0][1]}")["decisions"]
    assert [(one["action"], one["bulk"]) for one in decisions] == [("approve", True)]

    chief.goto(f"{city.stack.url}/documents/{found[0][0]}")
    expect(chief.get_by_role("list", name="決裁欄")).to_contain_text("一括")
    picture(chief, "bulk_sheet")
    # Nobody's desk is left with them.
    for _, case_id in found:
        clerk.post(f"/cases/{case_id}/withdraw", {}, etag=clerk.request("GET", f"/cases/{case_id}").headers["etag"])
