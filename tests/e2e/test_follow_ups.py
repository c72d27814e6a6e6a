"""文書分類 → 次にすること: the records office edits what usually follows, and everybody's pages show it at once (FL-06)."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.conftest import TODAY, City
from tests.e2e import journey
from tests.e2e.conftest import Visit, findings
from tests.e2e.test_accessibility import RECORDS_OFFICER

# Another officer of the same office.
COLLEAGUE = "miyazaki.sakura"
CLASS = "0403-03-02"
TITLE = "{年度}公害苦情の処理状況について（報告）"


def rows(page: Page) -> Locator:
    """The lines of the list, under its heading."""
    return (
        page.get_by_role("region", name="次にすることの一覧")
        .get_by_role("row")
        .filter(has=page.get_by_role("rowheader"))
    )


def titles(page: Page) -> list[str]:
    """In their order."""
    return [text.split("\n")[0] for text in rows(page).get_by_role("rowheader").all_inner_texts()]


def add(page: Page, title: str, words: str = "") -> None:
    journey.choose(page, "何の後に", "収受")
    journey.box(page, "件名に含むことば").fill(words)
    journey.choose(page, "次にすること", "起案")
    journey.box(page, "次の件名").fill(title)
    page.get_by_label("次の分類").select_option(CLASS)
    journey.press(page, "保存する")


def test_the_records_office_edits_what_usually_follows(
    city: City, visit: Visit, picture: Callable[[Page, str], None]
) -> None:
    """FL-06: added, put in order, changed, taken away, each at once on the page of a clerk; the second of two is told."""
    arrival = {"title": "騒音に関する苦情の申立書", "sender_kind": "citizen", "medium": "post", "class_code": CLASS}
    receipt = city.person("clerk").post("/receipts", arrival | {"received_on": TODAY, "arrived_on": TODAY})["id"]
    clerk = visit("clerk", f"/receipts/{receipt}")
    page = visit(RECORDS_OFFICER, "/")
    page.get_by_role("navigation", name="主なメニュー").get_by_role("link", name="文書分類").click()
    assert findings(page) == []
    picture(page, "classes")
    journey.follow(page, "環境－公害－苦情")
    expect(page.get_by_text("次にすることはまだありません。")).to_be_visible()
    other = visit(COLLEAGUE, f"/classes/{CLASS}/follow-ups")

    journey.press(page, "保存する")
    expect(page.get_by_role("alert")).to_contain_text("次の件名を入力してください。")
    add(page, "あ" * 101)
    expect(page.get_by_role("alert")).to_contain_text("次の件名：長すぎます。")
    assert findings(page) == []
    picture(page, "follow_ups_refused")
    add(page, TITLE, "苦情")
    journey.told(page, "次にすることを保存しました。")
    add(page, "現地の測定について（伺い）")
    assert titles(page) == [TITLE, "現地の測定について（伺い）"]
    page.get_by_role("button", name=re.compile("^上へ.*現地の測定")).click()
    journey.told(page, "次にすることを保存しました。")
    assert titles(page) == ["現地の測定について（伺い）", TITLE]
    assert findings(page) == []
    picture(page, "follow_ups")

    clerk.reload()
    offered = clerk.get_by_role("main").get_by_role("listitem").get_by_role("paragraph")
    expect(offered).to_have_text(["現地の測定について（伺い）", "令和8年度公害苦情の処理状況について（報告）"])
    picture(clerk, "follow_ups_offered")

    # Who had opened the list before is told, keeps what was typed, and sees the list as it is now.
    add(other, "回答について（通知）")
    expect(other.get_by_role("alert")).to_contain_text("ほかの人が先に変更しました")
    expect(journey.box(other, "次の件名")).to_have_value("回答について（通知）")
    assert titles(other) == ["現地の測定について（伺い）", TITLE]
    journey.press(other, "保存する")
    journey.told(other, "次にすることを保存しました。")
    assert titles(other)[2] == "回答について（通知）"

    rows(other).nth(1).get_by_role("link", name="変更する").click()
    expect(journey.box(other, "次の件名")).to_have_value(TITLE)
    journey.box(other, "件名に含むことば").fill("悪臭")
    journey.press(other, "保存する")
    journey.told(other, "次にすることを保存しました。")
    expect(rows(other).nth(1)).to_contain_text("件名に「悪臭」")
    for title in ("回答について（通知）", "現地の測定について（伺い）"):
        other.get_by_role("button", name=re.compile(f"^外す.*{re.escape(title)}")).click()
        journey.told(other, "次にすることを保存しました。")
    assert titles(other) == [TITLE]
    clerk.reload()
    expect(offered).to_have_count(0)
