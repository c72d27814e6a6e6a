"""AC-08 on the pages: an administrator asks to see one document, the records office consents, the 所属長 ends it."""

from __future__ import annotations

import uuid

from playwright.sync_api import expect

from tests.conftest import City
from tests.e2e import journey
from tests.e2e.conftest import findings
from tests.patience import until

ADMINISTRATOR, RECORDS_OFFICER = "S0051", "S0018"
REASON = "担当者の急病により、交付期限を確かめるため"


def test_two_persons_show_a_document_to_one_until_the_head_ends_it(city: City, visit, picture) -> None:
    document_id, _ = city.circulating()
    document = city.person("clerk").get(f"/documents/{document_id}")
    number, title = document["draft_number"], document["title"]
    admin = visit(city.login(ADMINISTRATOR), "/break-glass")
    journey.press(admin, "申請する")
    expect(admin.get_by_role("alert")).to_contain_text("文書の番号を入力してください。")
    assert findings(admin) == []
    journey.box(admin, "文書の番号").fill(number)
    journey.box(admin, "理由").fill(REASON)
    admin.get_by_label("見る時間").select_option(label="2時間")
    journey.press(admin, "申請する")
    journey.told(admin, "別の役割の別の人が24時間以内に同意すると、見られるようになります。")
    row = admin.get_by_role("row").filter(has_text=number)
    expect(row).to_contain_text("同意待ち")
    expect(row.get_by_role("button", name="同意する")).to_have_count(0)
    expect(row.get_by_role("link")).to_have_count(0)
    assert admin.goto(f"{city.stack.url}/documents/{document_id}").status == 404

    officer = visit(city.login(RECORDS_OFFICER))
    officer.get_by_role("navigation", name="主なメニュー").get_by_role("link", name="緊急閲覧", exact=True).click()
    row = officer.get_by_role("row").filter(has_text=number)
    expect(row).to_contain_text(REASON)
    picture(officer, "break-glass-asked")
    row.get_by_role("button", name="同意する").click()
    journey.told(officer, "申請した人に文書が表示され、所属長に通知されます。")
    expect(officer.get_by_role("row").filter(has_text=number)).to_contain_text("閲覧中")
    expect(officer.get_by_role("main")).not_to_contain_text(title)
    assert findings(officer) == []
    picture(officer, "break-glass")
    assert officer.goto(f"{city.stack.url}/documents/{document_id}").status == 404

    admin.goto(f"{city.stack.url}/break-glass")
    admin.get_by_role("row").filter(has_text=number).get_by_role("link", name=number).click()
    admin.get_by_role("main").get_by_role("link", name=title).first.click()
    main = admin.get_by_role("main")
    expect(main.get_by_role("status").filter(has_text="緊急閲覧中")).to_contain_text("まで")
    expect(main.get_by_text("緊急閲覧では、決裁欄と意見は表示されません。")).to_be_visible()
    expect(main.get_by_role("link", name="印刷用の画面を開く")).to_have_count(0)
    assert findings(admin) == []
    picture(admin, "break-glass-document")
    for tab in ("viewers", "history", "versions"):
        assert admin.goto(f"{city.stack.url}/documents/{document_id}/{tab}").status == 200
        expect(admin.get_by_role("main").get_by_role("status").filter(has_text="緊急閲覧中")).to_have_count(1)

    head = visit("head", "/notices")
    journey.reload_until(head, "所属の文書の緊急閲覧")
    told = head.get_by_role("row").filter(has_text="所属の文書の緊急閲覧").filter(has_text=number)
    expect(head.get_by_role("main")).not_to_contain_text(title)
    expect(told.get_by_role("link", name=number)).to_have_attribute("href", "/break-glass/unit")
    picture(head, "break-glass-notice")
    head.get_by_role("navigation", name="主なメニュー").get_by_role("link", name="所属の緊急閲覧").click()
    row = head.get_by_role("row").filter(has_text=number)
    expect(row).to_contain_text(REASON)
    assert findings(head) == []
    picture(head, "break-glass-head")
    row.get_by_role("button", name="終了する").click()
    journey.told(head, "緊急閲覧を終了しました。")
    # Also the page that is open already.
    assert admin.reload().status == 404

    def logged() -> list[str]:
        log = list(city.person("auditor").items("/audit/entries"))
        seen = [one for one in log if '"purpose":"break_glass"' in one["leaf"] and document_id in str(one)]
        steps = [one["action"] for one in log if one["action"].startswith("break_glass.") and document_id in str(one)]
        return steps if seen and len(steps) == 2 else []

    assert sorted(until(logged)) == ["break_glass.consented", "break_glass.ended"]


def test_a_number_that_is_nobodys_goes_the_same_way(city: City, visit) -> None:
    """AC-03: only following the way to it shows that there is nothing."""
    absent = str(uuid.uuid4())
    admin = city.person(city.login(ADMINISTRATOR))
    made = admin.post("/break-glass", {"named": absent, "reason": REASON, "hours": 1})
    officer = city.person(city.login(RECORDS_OFFICER))
    opened = officer.post(f"/break-glass/{made['id']}/consent", etag=f'"{made["version"]}"')
    assert (opened["state"], opened["named"]) == ("open", absent)
    page = visit(city.login(ADMINISTRATOR), "/break-glass")
    expect(page.get_by_role("row").filter(has_text=absent)).to_contain_text("閲覧中")
    assert page.goto(f"{city.stack.url}/documents/{absent}").status == 404
