"""閲覧区分 on the pages (AC-02): chosen at 収受 and in a draft, told where it is wider, named where one asks who sees it."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.e2e import journey
from tests.e2e.conftest import Visit, findings


def test_a_draft_wider_than_its_receipt_is_told_before_it_circulates(
    visit: Visit, title: str, picture: Callable[[Page, str], None]
) -> None:
    page = visit("clerk", "/receipts/new")
    journey.box(page, "件名").fill("職員の処分に関する照会")
    journey.choose(page, "相手方の区分", "住民")
    journey.choose(page, "受領方法", "郵送")
    journey.choose(page, "閲覧区分", "指定者のみ")
    page.get_by_role("group", name="閲覧区分").scroll_into_view_if_needed()
    picture(page, "receipt_view_class")
    assert findings(page) == []
    journey.press(page, "収受を登録する")
    journey.told(page, "収受を登録しました。")
    expect(page.get_by_role("main")).to_contain_text("指定者のみ")

    journey.follow(page, "この収受から起案する")
    journey.box(page, "件名").fill(title)
    classes = page.get_by_role("group", name="閲覧区分")
    # 環境政策室 is no 係; 例規 of the file plan may be for the whole city.
    assert [one.strip() for one in classes.locator(".choice__label").all_inner_texts()] == [
        "全庁",
        "部内",
        "課（室）内",
        "指定者のみ",
    ]
    page.get_by_label("簿冊").select_option(index=1)
    journey.choose(page, "閲覧区分", "全庁")
    journey.press(page, "一時保存")
    expect(page.get_by_role("alert")).to_contain_text("市が認めた分類の文書だけに使えます。")
    journey.choose(page, "閲覧区分", "課（室）内")
    journey.press(page, "一時保存")
    journey.told(page, "元の収受より広い閲覧区分です")
    classes.scroll_into_view_if_needed()
    picture(page, "draft_view_class")
    assert findings(page) == []
    journey.choose(page, "閲覧区分", "指定者のみ")
    journey.press(page, "一時保存")
    expect(page.get_by_text("元の収受より広い閲覧区分です")).to_have_count(0)

    page.goto(page.url.split("?")[0].removesuffix("/edit") + "/viewers")
    expect(page.get_by_role("main")).to_contain_text("閲覧区分は「指定者のみ」です。")
    picture(page, "viewers")
