"""The main job by keyboard alone, the ring of the focus always visible."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e import journey
from tests.e2e.keyboard import Keyboard


def test_the_main_job_needs_no_mouse(visit, title) -> None:
    clerk = visit("clerk")
    keys = Keyboard(clerk)
    keys.go("収受する")
    keys.write("件名", "浄化槽設置整備事業補助金交付申請書")
    keys.pick("相手方の区分")
    keys.write("差出人", "髙﨑 邦夫")
    keys.pick("受領方法")
    keys.choose("分類", "環境－補助金－浄化槽")
    # The browser is told now that choosers are ours: told while one opens, it may be too late.
    clerk.on("filechooser", lambda chooser: None)
    keys.go("収受を登録する", "button")
    keys.go("この収受から起案する")
    keys.write("件名", title)
    keys.write("伺い文", journey.BODY, "textarea")
    keys.choose("簿冊", "令和8年度浄化槽")
    keys.pick("決裁区分")
    keys.pick("公開区分", 1)
    keys.pick("個人情報", 1)
    keys.write("金額", "332000")
    keys.write("施行予定日", "R8.12.1")
    keys.go("保存して添付へ進む", "button")
    keys.to("ファイル", "input")
    with clerk.expect_file_chooser() as chooser:
        clerk.keyboard.press("Enter")
    chooser.value.set_files(journey.FILES / "application-johkaso.pdf")
    keys.go("追加する", "button")
    keys.go("回議ルートの確認へ進む")
    keys.go("回議を開始する", "button")
    journey.told(clerk, "回議を開始しました。")
    document = journey.address(clerk)

    for role, button, sentence in (
        ("chief", "承認する", "承認を登録しました。"),
        ("deputy", "承認する", "承認を登録しました。"),
        ("head", "決裁する", "決裁を登録しました。"),
    ):
        approver = visit(role)
        journey.reload_until(approver, title)
        keys = Keyboard(approver)
        keys.go(title)
        keys.write("意見・コメント", "確認しました。", "textarea")
        keys.go(button, "button")
        journey.told(approver, sentence)

    clerk.goto(document)
    journey.reload_until(clerk, "次は施行の登録です。")
    keys = Keyboard(clerk)
    keys.go("施行を登録する")
    keys.pick("施行方法")
    keys.write("宛先", "申請者")
    keys.choose("照合者", "渡邉")
    keys.go("施行を登録する", "button")
    keys.go("完結を登録する")
    keys.go("完結を登録する", "button")
    journey.told(clerk, "完結を登録しました。")


def test_the_first_stop_leads_past_the_menu(visit) -> None:
    page = visit("clerk")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="本文へ移動")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("main").get_by_role("link").first).to_be_focused()


def test_a_refused_form_puts_the_focus_on_what_is_wrong(visit) -> None:
    """The typed text stays, the summary has the focus, and each message belongs to its field (UI-06)."""
    page = visit("clerk", "/receipts/new")
    journey.box(page, "差出人").fill("髙﨑 邦夫")
    page.get_by_role("group", name="到達日").get_by_label("日").fill("31")
    page.get_by_role("group", name="到達日").get_by_label("月").fill("2")
    journey.press(page, "収受を登録する")
    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("件名を入力してください。")
    expect(journey.box(page, "差出人")).to_have_value("髙﨑 邦夫")
    title = journey.box(page, "件名")
    expect(title).to_have_attribute("aria-invalid", "true")
    described = (title.get_attribute("aria-describedby") or "").split()
    assert "件名を入力してください。" in " ".join(page.locator(f"#{one}").inner_text() for one in described)
    summary.get_by_role("link", name="件名を入力してください。").click()
    expect(title).to_be_focused()
    expect(page.get_by_role("group", name="到達日")).to_contain_text("2月31日という日はありません。")
