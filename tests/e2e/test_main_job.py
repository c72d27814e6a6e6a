"""The main job by two people in two browsers, with another looking in vain and the audit officer seeing it all."""

from __future__ import annotations

import uuid

from playwright.sync_api import expect

from tests.conftest import TODAY, City
from tests.e2e import journey
from tests.e2e.conftest import log_in, login_of


def test_two_people_receive_decide_and_complete_in_two_browsers(launch, visit, title, picture, busy) -> None:
    clerk = visit("clerk")
    journey.receive(clerk)
    journey.draft(clerk, title)
    names = ("application-johkaso.pdf", "calculation-johkaso.xlsx", "map-johkaso.png")
    journey.attach(clerk, *(journey.FILES / name for name in names))
    picture(clerk, "attachments")
    journey.look_at_route(clerk)
    picture(clerk, "route")
    journey.circulate(clerk)
    document = journey.address(clerk)
    busy()

    # The other person's browser is another program; the chief goes, the deputy and the head use it after them.
    second = launch()
    chief = visit("chief", within=second)
    picture(chief, "inbox")
    journey.open_from_inbox(chief, title)
    with chief.context.expect_page() as opened:
        chief.get_by_role("row").filter(has_text="application-johkaso.pdf").get_by_role("link", name="表示").click()
    opened.value.wait_for_load_state()
    opened.value.close()
    journey.act(chief, "承認する", "承認を登録しました。", "申請書類及び算定額を確認しました。")
    chief.get_by_role("link", name="処理した文書を開く").click()
    expect(chief.get_by_role("list", name="決裁欄")).to_contain_text("承認")
    journey.press(chief, "ログアウト")

    deputy = visit("deputy", within=second)
    journey.open_from_inbox(deputy, title)
    journey.act(deputy, "承認する", "承認を登録しました。")
    head = visit("head", within=second)
    journey.open_from_inbox(head, title)
    picture(head, "decide")
    journey.act(head, "決裁する", "決裁を登録しました。")

    clerk.goto(document)
    journey.reload_until(clerk, "次は施行の登録です。")
    expect(clerk.get_by_role("list", name="決裁欄")).to_contain_text("決裁")
    journey.enforce(clerk, "渡邉 浩")
    journey.complete(clerk)
    expect(clerk.get_by_role("main")).to_contain_text("この文書はだれにも変更できません。")
    expect(clerk.get_by_role("link", name="取り下げる")).to_have_count(0)
    picture(clerk, "completed")

    clerk.get_by_role("link", name="閲覧できる人").click()
    expect(clerk.get_by_role("region", name="閲覧できる人と理由")).to_contain_text("文書の所属")
    picture(clerk, "viewers")
    clerk.get_by_role("link", name="処理経過").click()
    course = clerk.get_by_role("region", name="処理経過")
    for words in ("起案", "回議を開始", "承認", "決裁", "施行", "完結"):
        expect(course).to_contain_text(words)

    stranger = visit("stranger", "/documents?q=浄化槽")
    expect(stranger.get_by_role("main")).to_contain_text("条件に合う文書はありません。")
    assert stranger.goto(document).status == 404

    auditor = visit("auditor", f"/audit?document={document.rsplit('/', 1)[1]}")
    records = auditor.get_by_role("region", name="監査ログ")
    expect(records).to_contain_text("文書を閲覧")
    journey.reload_until(auditor, "拒否", at=auditor.url, within=records)
    picture(auditor, "audit")
    records.get_by_role("link").first.click()
    expect(auditor.get_by_role("main")).to_contain_text("この記録が改ざんされていないことの証明")


def test_absence_is_registered_and_the_absent_reads_afterwards(city: City, visit) -> None:
    """AP-15, AP-18: passed over while away, 後閲 stays in the list until done."""
    person = visit("deputy", "/absences")
    for group in ("不在になる日", "不在の最後の日"):
        person.get_by_role("group", name=group).get_by_label("年").fill(TODAY)
    journey.choose(person, "理由", "研修")
    journey.press(person, "不在を登録する")
    journey.told(person, "不在を登録しました。")
    try:
        title = f"浄化槽の補助金の交付決定について（伺い）{uuid.uuid4().hex[:6]}"
        document = city.draft(title=title)
        clerk = visit("clerk", f"/documents/{document['id']}/route")
        expect(clerk.get_by_role("region", name="回議の順序")).to_contain_text("飛ばして進み、後で後閲します")
        journey.press(clerk, "回議を開始する")
        for role, button, sentence in (
            ("chief", "承認する", "承認を登録しました。"),
            ("head", "決裁する", "決裁を登録しました。"),
        ):
            approver = visit(role)
            journey.open_from_inbox(approver, title)
            journey.act(approver, button, sentence)
        journey.open_from_inbox(person, title)
        expect(person.get_by_role("list", name="決裁欄")).to_contain_text("後閲待ち")
        journey.act(person, "後閲する", "後閲を登録しました。")
    finally:
        person.goto(f"{city.stack.url}/absences")
        person.get_by_role("button", name="取りやめる").first.click()
        journey.told(person, "不在を取りやめました。")


def test_whoever_is_logged_out_comes_back_to_where_they_were(city: City, visit) -> None:
    page = visit("clerk")
    page.context.clear_cookies()
    page.goto(f"{city.stack.url}/receipts?q=浄化槽")
    log_in(page, login_of("clerk"))
    assert page.url.endswith("/receipts?q=%E6%B5%84%E5%8C%96%E6%A7%BD")
    expect(page.get_by_role("heading", level=1)).to_have_text("収受簿")
