"""AC-09 on the page: an administrator asks for a 保守時間枠, the records office confirms it and ends it."""

from __future__ import annotations

import datetime as dt

from playwright.sync_api import expect

from tests.conftest import TODAY, City
from tests.e2e import journey
from tests.e2e.conftest import findings

ADMINISTRATOR, RECORDS_OFFICER = "S0051", "S0018"


def test_two_persons_open_a_window_for_a_vendor(city: City, visit, picture) -> None:
    admin = visit(city.login(ADMINISTRATOR), "/vendors")
    journey.press(admin, "登録する")
    expect(admin.get_by_role("alert")).to_contain_text("番号を入力してください。")
    for label, text in (
        ("番号", "V-e2e"),
        ("ログイン名", "higashi@vendor.example"),
        ("氏名", "東 一郎"),
        ("会社名", "北摂システム保守"),
    ):
        journey.box(admin, label).fill(text)
    journey.press(admin, "登録する")
    journey.told(admin, "保守時間枠が開くまで使えません。")

    admin.get_by_label("保守業者").select_option(label="東 一郎（北摂システム保守）")
    admin.locator("[name=opens_at_time]").fill("00:00")
    admin.locator("[name=closes_at_time]").fill("23:59")
    journey.box(admin, "作業番号").fill("INC-0042")
    journey.box(admin, "理由").fill("夜間バッチの障害対応")
    journey.press(admin, "申請する")
    expect(admin.get_by_role("alert")).to_contain_text("終わり：定められた時間より長くできません。")
    assert findings(admin) == []
    picture(admin, "vendors-too-long")
    tomorrow = dt.date.fromisoformat(TODAY) + dt.timedelta(days=1)
    for name in ("opens_at", "closes_at"):
        for part in ("year", "month", "day"):
            admin.locator(f"[name={name}_{part}]").fill(str(getattr(tomorrow, part)))
    admin.locator("[name=opens_at_time]").fill("18:00")
    admin.locator("[name=closes_at_time]").fill("23:00")
    journey.press(admin, "申請する")
    journey.told(admin, "別の人が確認すると、その期間だけ使えるようになります。")
    row = admin.get_by_role("row").filter(has_text="INC-0042")
    expect(row).to_contain_text("確認待ち")
    expect(row.get_by_role("button", name="確認する")).to_have_count(0)

    officer = visit(city.login(RECORDS_OFFICER))
    officer.get_by_role("navigation", name="主なメニュー").get_by_role("link", name="保守業者").click()
    row = officer.get_by_role("row").filter(has_text="INC-0042")
    row.get_by_role("button", name="確認する").click()
    journey.told(officer, "終わりの時刻に自動で使えなくなります。")
    expect(officer.get_by_role("row").filter(has_text="INC-0042")).to_contain_text("確認済（開始前）")
    assert findings(officer) == []
    picture(officer, "vendors")
    officer.get_by_role("row").filter(has_text="INC-0042").get_by_role("button", name="取りやめる").click()
    journey.told(officer, "終了しました。")
    expect(officer.get_by_role("row").filter(has_text="INC-0042")).to_contain_text("終了")
