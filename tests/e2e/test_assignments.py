"""引継ぎ as the 所属長 does it: what a leaver left, given to a colleague, who finds it among their drafts (AC-16)."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.conftest import City
from tests.e2e import journey
from tests.e2e.conftest import findings
from tests.patience import until


def test_the_head_gives_a_leavers_draft_to_a_colleague(city: City, visit, title, picture) -> None:
    draft = city.draft("kobayashi.miho", title=title)["id"]
    with city.transferred("S0073", "P-050-01-05"):
        until(
            lambda: any(
                one["document_id"] == draft for one in city.person("head").get("/unattended-documents")["items"]
            )
        )
        head = visit("head")
        head.get_by_role("navigation", name="主なメニュー").get_by_role("link", name="引き継ぐ案件").click()
        expect(head.get_by_role("main")).not_to_contain_text(title)
        journey.press(head, "引き継ぐ")
        expect(head.get_by_role("alert")).to_contain_text("引き継ぐ案件を選んでください。")
        head.get_by_role("row").filter(has_text="小林 美穂").first.get_by_role("checkbox").check()
        head.get_by_label("引き継ぐ職員").select_option(label="葛󠄀城 拓也")
        journey.box(head, "引き継ぐ理由").fill("小林主事の異動に伴う引継ぎ")
        assert findings(head) == []
        picture(head, "unattended")
        journey.press(head, "引き継ぐ")
        journey.told(head, "引き継ぎました。")

        clerk = visit("clerk", f"/documents/{draft}")
        expect(clerk.get_by_role("main")).to_contain_text("葛󠄀城 拓也（引継ぎ）")
        expect(clerk.get_by_role("link", name="内容を編集する")).to_be_visible()
        picture(clerk, "assigned")
        clerk.get_by_role("link", name="処理経過", exact=True).click()
        expect(clerk.get_by_role("main")).to_contain_text("新しい担当者 葛󠄀城 拓也　理由 小林主事の異動に伴う引継ぎ")
        assert findings(clerk) == []
        picture(clerk, "assigned-history")
