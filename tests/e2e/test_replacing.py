"""差替え and 供覧 as people do them: what is corrected, who approved already, who only looks (AP-30, AP-10, AC-12)."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.conftest import City
from tests.e2e import journey
from tests.e2e.conftest import findings


def test_a_slip_is_corrected_and_nobody_has_to_approve_again(city: City, visit, title, picture) -> None:
    """Minor: the approval stays, the reader sees letter by letter what changed, and who approved is told."""
    document = city.draft(title=title)["id"]
    clerk = visit("clerk", f"/documents/{document}/route")
    journey.press(clerk, "回議を開始する")
    chief = visit("chief")
    journey.open_from_inbox(chief, title)
    journey.act(chief, "承認する", "承認を登録しました。")

    clerk.goto(f"{city.stack.url}/documents/{document}")
    replaced(clerk, "軽微")

    deputy = visit("deputy")
    journey.open_from_inbox(deputy, title)
    expect(deputy.get_by_role("list", name="決裁欄")).to_contain_text("承認")
    expect(deputy.get_by_role("main")).to_contain_text("今の版でも有効です。")
    expect(deputy.get_by_role("button", name="最初から回議")).to_be_visible()
    picture(deputy, "carried")
    deputy.get_by_role("link", name="版", exact=True).click()
    expect(deputy.get_by_role("insertion")).to_contain_text("（七人槽）")
    assert findings(deputy) == []
    picture(deputy, "versions")

    journey.open_from_inbox(chief, title)
    journey.act(chief, "確認した", "供覧の確認を登録しました。")


def replaced(clerk: Page, kind: str) -> None:
    """Taken back with a reason, revised and circulated again, from the open document."""
    journey.reload_until(clerk, "差し替える")
    journey.follow(clerk, "差し替える")
    journey.press(clerk, "手元に戻す")
    expect(clerk.get_by_role("alert")).to_contain_text("差し替える理由を入力してください。")
    journey.box(clerk, "差し替える理由").fill("人槽の誤記を直すため")
    journey.press(clerk, "手元に戻す")
    journey.told(clerk, "差替えのため、手元に戻しました。")
    journey.reload_until(clerk, "手元に戻しました。直してから")
    journey.follow(clerk, "内容を編集する")
    journey.box(clerk, "伺い文").fill(f"{journey.box(clerk, '伺い文').input_value()}\n（七人槽）")
    journey.press(clerk, "保存して添付へ進む")
    journey.follow(clerk, "回議ルートの確認へ進む")
    journey.choose(clerk, "差替えの程度", kind)
    journey.circulate(clerk)


def test_a_change_of_substance_is_approved_anew(city: City, visit, title) -> None:
    """AP-30: nobody's approval of the version before counts, and whoever gave it is asked again."""
    document = city.draft(title=title)["id"]
    clerk = visit("clerk", f"/documents/{document}/route")
    journey.press(clerk, "回議を開始する")
    chief = visit("chief")
    journey.open_from_inbox(chief, title)
    journey.act(chief, "承認する", "承認を登録しました。")
    clerk.goto(f"{city.stack.url}/documents/{document}")
    replaced(clerk, "要旨の変更")
    journey.reload_until(clerk, "担当主査の処理を待っています。")
    journey.open_from_inbox(chief, title)
    expect(chief.get_by_role("main")).to_contain_text("（七人槽）")
    journey.act(chief, "承認する", "承認を登録しました。")


def test_a_document_is_shown_to_colleagues_of_the_department(city: City, visit, title, picture) -> None:
    """供覧 asks for nothing, several at once are 同報; beyond the department only a 所属長 shows it (AP-10, AC-12)."""
    document, case_id = city.circulating(title=title)
    clerk = visit("clerk", f"/documents/{document}")
    journey.reload_until(clerk, "供覧先を追加する")
    journey.follow(clerk, "供覧先を追加する")
    assert findings(clerk) == []
    journey.press(clerk, "供覧先に加える")
    expect(clerk.get_by_role("alert")).to_contain_text("供覧先の職を選んでください。")
    picture(clerk, "circulate")
    colleagues = clerk.get_by_role("group", name="供覧先").get_by_role("checkbox")
    colleagues.nth(0).check()
    colleagues.nth(1).check()
    journey.press(clerk, "供覧先に加える")
    journey.told(clerk, "供覧先を追加しました。")
    steps = city.person("clerk").get(f"/cases/{case_id}")["steps"]
    assert [one["state"] for one in steps if one["kind"] == "inform"] == ["active", "active"], "同報"

    journey.follow(clerk, "供覧先を追加する")
    clerk.get_by_label("ほかの所属から選ぶ").select_option(label="財政経営室")
    journey.press(clerk, "この所属の職を表示する")
    clerk.get_by_role("group", name="供覧先").get_by_role("checkbox").first.check()
    journey.press(clerk, "供覧先に加える")
    expect(clerk.get_by_role("alert")).to_be_visible()
