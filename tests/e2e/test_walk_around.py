"""持回り as people do it: decided on paper, registered by the drafter, seen by the decider at once (AP-50)."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from playwright.sync_api import expect

from chassis import clock
from tests.conftest import City
from tests.e2e import journey
from tests.e2e.conftest import findings


def test_what_was_decided_on_paper_is_registered_and_seen_by_the_decider(
    city: City, visit, title, picture, tmp_path: Path
) -> None:
    scan = tmp_path / "決裁を受けた紙の写し.pdf"
    scan.write_bytes(b"%PDF-1.7 " + "紙で決裁を受けた".encode() * 100)
    document = city.draft(title=title, urgent=True)["id"]
    clerk = visit("clerk", f"/documents/{document}/route")
    journey.press(clerk, "回議を開始する")
    clerk.goto(f"{city.stack.url}/documents/{document}")
    journey.reload_until(clerk, "持回りの決裁を登録する")
    journey.follow(clerk, "持回りの決裁を登録する")
    assert findings(clerk) == []
    journey.press(clerk, "事後登録する")
    expect(clerk.get_by_role("alert")).to_contain_text("決裁を証する書類のファイルを選んでください。")
    picture(clerk, "form")
    decider = clerk.get_by_label("決裁した人")
    decider.select_option(label=next(name for name in decider.locator("option").all_inner_texts() if "室長　" in name))
    clerk.get_by_label("決裁した時刻").fill((clock.now() + dt.timedelta(minutes=5)).strftime("%H:%M"))
    journey.box(clerk, "持回りとした理由と決裁の方法").fill("停電のため、紙で説明し決裁を受けた。")
    clerk.get_by_label("決裁を証する書類").set_input_files(scan)
    journey.press(clerk, "事後登録する")
    expect(clerk.get_by_role("alert")).to_contain_text("先の日付は入力できません。")
    clerk.get_by_label("決裁した時刻").fill(clock.now().strftime("%H:%M"))
    clerk.get_by_label("決裁を証する書類").set_input_files(scan)
    journey.press(clerk, "事後登録する")
    journey.told(clerk, "持回りの決裁を事後登録しました。")

    journey.reload_until(clerk, "証拠書類がまだ添付されていません")
    seats = clerk.get_by_role("list", name="決裁欄")
    expect(seats).to_contain_text("事後登録")
    assert findings(clerk) == []
    picture(clerk, "unproven")
    journey.follow(clerk, "証拠書類を追加する")
    journey.attach(clerk, scan)
    clerk.goto(f"{city.stack.url}/documents/{document}")
    expect(clerk.get_by_role("main")).to_contain_text("事後登録の証拠書類")
    expect(clerk.get_by_role("link", name="施行を登録する")).to_be_visible()
    picture(clerk, "proven")

    head = visit("head")
    journey.open_from_inbox(head, title)
    expect(head.get_by_role("main")).to_contain_text("決裁したものとして登録しました")
    picture(head, "decider")
    journey.act(head, "後閲する", "後閲を登録しました。")
    clerk.goto(f"{city.stack.url}/documents/{document}/history")
    expect(clerk.get_by_role("main")).to_contain_text("持回りの事後登録")
    picture(clerk, "history")
