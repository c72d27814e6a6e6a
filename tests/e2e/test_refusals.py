"""What people are told when something cannot be done, and that they lose nothing by it."""

from __future__ import annotations

import re
import uuid

from playwright.sync_api import expect

from tests.conftest import City
from tests.e2e import journey
from tests.e2e.conftest import findings


def test_hidden_and_absent_look_the_same(city: City, visit) -> None:
    """AC-03: the same page but for the number to quote."""
    hidden, _ = city.circulating()
    page = visit("stranger")
    seen = []
    for document in (hidden, str(uuid.uuid4())):
        answer = page.goto(f"{city.stack.url}/documents/{document}")
        note = page.get_by_text("問い合わせのときは").inner_text()
        # As it was sent: the counts beside the menu come a moment later, to every page. How long the login lasts goes on.
        sent = re.sub(r'data-session="\d+"', "", answer.text())
        seen.append((answer.status, sent.replace(note.split("：")[1], "")))
    assert seen[0] == seen[1]
    assert seen[0][0] == 404


def test_a_reason_is_asked_for_beside_its_field(city: City, visit) -> None:
    """差戻し needs a reason; nothing happens without one, and nothing has to be typed again."""
    document, _ = city.circulating()
    page = visit("chief", f"/documents/{document}")
    journey.press(page, "差戻し")
    comment = journey.box(page, "意見・コメント")
    expect(comment).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert")).to_contain_text("理由または意見が必要です")
    assert findings(page) == []
    journey.act(page, "差戻し", "差戻しを登録しました。", "算定調書が添付されていません。")
    clerk = visit("clerk", f"/documents/{document}")
    journey.reload_until(clerk, "差し戻されました。")
    expect(clerk.get_by_role("main")).to_contain_text("算定調書が添付されていません。")


def test_acting_twice_from_two_windows_is_refused_kindly(city: City, visit) -> None:
    """AP-32: one act, and the second window is told what happened and keeps its text."""
    document, _ = city.circulating()
    first, second = (visit("chief", f"/documents/{document}") for _ in range(2))
    journey.act(first, "承認する", "承認を登録しました。")
    journey.box(second, "意見・コメント").fill("確認しました。")
    journey.press(second, "承認する")
    alert = second.get_by_role("alert")
    expect(alert).to_contain_text("開き直")
    expect(second.get_by_role("button", name="承認する")).to_have_count(0)


def test_an_approver_who_reads_an_old_version_must_read_the_new_one(city: City, visit, title) -> None:
    """AP-31: the drafter takes it back, changes it and circulates again while the approver's page is open."""
    document = city.draft(title=title)["id"]
    clerk = visit("clerk", f"/documents/{document}/route")
    journey.press(clerk, "回議を開始する")
    chief = visit("chief")
    journey.open_from_inbox(chief, title)
    clerk.goto(f"{city.stack.url}/documents/{document}")
    journey.reload_until(clerk, "次の人が処理するまでの間")
    journey.press(clerk, "引き戻す")
    journey.told(clerk, "引き戻しました。")
    journey.reload_until(clerk, "引き戻しました。直してから")
    journey.follow(clerk, "内容を編集する")
    journey.box(clerk, "伺い文").fill("差し替えました。伺います。")
    journey.press(clerk, "保存して添付へ進む")
    journey.follow(clerk, "回議ルートの確認へ進む")
    journey.choose(clerk, "差替えの程度", "要旨の変更")
    journey.press(clerk, "回議を開始する")
    journey.told(clerk, "回議を開始しました。")
    journey.press(chief, "承認する")
    expect(chief.get_by_role("alert")).to_be_visible()
    journey.open_from_inbox(chief, title)
    expect(chief.get_by_role("main")).to_contain_text("差し替えました。伺います。")
    journey.act(chief, "承認する", "承認を登録しました。")


def test_two_people_editing_one_draft_do_not_overwrite_each_other(city: City, visit) -> None:
    document = city.draft()["id"]
    first, second = (visit("clerk", f"/documents/{document}/edit") for _ in range(2))
    journey.box(first, "副題").fill("第3次交付分")
    journey.press(first, "一時保存")
    journey.told(first, "保存しました。")
    journey.box(second, "副題").fill("第4次交付分")
    journey.press(second, "一時保存")
    expect(second.get_by_role("alert")).to_contain_text("ほかの人が先に変更しました")
    expect(journey.box(second, "副題")).to_have_value("第4次交付分")


def test_a_form_without_its_token_changes_nothing(city: City, visit) -> None:
    page = visit("clerk", "/folders")
    page.locator("input[name=csrf_token]").evaluate_all("all => all.forEach(one => one.value = 'x')")
    journey.box(page, "簿冊の名称").fill("だれかが仕掛けた簿冊")
    page.get_by_label("分類").last.select_option(index=1)
    journey.press(page, "簿冊を作る")
    expect(page.get_by_role("heading", level=1)).to_have_text("ほかのサイトからの操作は受け付けません")
    page.goto(f"{city.stack.url}/folders")
    expect(page.get_by_role("main")).not_to_contain_text("だれかが仕掛けた簿冊")


def test_only_audit_officers_see_the_log(visit) -> None:
    page = visit("clerk", "/audit")
    expect(page.get_by_role("heading", level=1)).to_have_text("監査ログは閲覧できません")
    expect(page.get_by_role("navigation", name="主なメニュー")).not_to_contain_text("監査ログ")


def test_what_is_missing_is_listed_instead_of_a_dead_button(city: City, visit) -> None:
    document = city.draft(folder_id=None, class_code=None, body="")["id"]
    page = visit("clerk", f"/documents/{document}/route")
    expect(page.get_by_role("main")).to_contain_text("回議を始める前に、次の項目が必要です")
    expect(page.get_by_role("button", name="回議を開始する")).to_have_count(0)
    page.get_by_role("link", name="簿冊がまだありません。").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("起案の内容")
