"""閲覧区分 on the pages (AC-02): chosen at 収受 and in a draft, told where it is wider, named where one asks who sees it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import psycopg
import pytest
from playwright.sync_api import Page, expect

from deploy.local import database
from deploy.walkthrough.client import Refused
from tests.conftest import PLAN, TODAY, City
from tests.e2e import journey
from tests.e2e.conftest import Visit, findings
from tests.patience import until

OTHER_FOLDER = "F-2026-0403-02-02"
NARROW_RECEIPT = {
    "title": "職員の処分に関する照会",
    "sender_kind": "citizen",
    "medium": "post",
    "received_on": TODAY,
    "arrived_on": TODAY,
    "view_class": "designated",
}


@contextlib.contextmanager
def narrowed(city: City, class_code: str) -> Iterator[None]:
    """As if the file plan admitted 指定者のみ alone for the class; afterwards it is as it was."""
    statement = "UPDATE documents.classes SET view_class = %s WHERE class_code = %s"
    with psycopg.connect(city.stack.database_url(database.SUPERUSER), autocommit=True) as conn:
        conn.execute(statement, (2, class_code))
        try:
            yield
        finally:
            conn.execute(statement, (1, class_code))


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


def test_a_draft_is_not_moved_to_a_folder_that_admits_less(
    city: City, visit: Visit, picture: Callable[[Page, str], None]
) -> None:
    """AC-02: the folder says so before it is chosen; another folder of another class is no contradiction (FL-06)."""
    document = city.draft()["id"]
    with narrowed(city, "0403-02-02"):
        page = visit("clerk", f"/documents/{document}/edit")
        folder = page.get_by_label("簿冊")
        expect(folder.locator(f"option[value='{OTHER_FOLDER}']")).to_contain_text("閲覧区分は「指定者のみ」まで")
        folder.select_option(OTHER_FOLDER)
        journey.press(page, "一時保存")
        expect(page.get_by_role("alert")).to_contain_text("より狭い区分を選んでください。")
        picture(page, "draft_narrow_folder")
        assert findings(page) == []
        journey.choose(page, "閲覧区分", "指定者のみ")
        journey.press(page, "一時保存")
        journey.told(page, "保存しました。")
    moved = city.person("clerk").document(document)[0]
    assert (moved["class_code"], moved["view_class"]) == ("0403-02-02", "designated")


def test_a_decided_document_goes_to_a_folder_that_admits_it(
    city: City, visit: Visit, picture: Callable[[Page, str], None]
) -> None:
    """AC-02: the page offers folders that admit it, and a page that was open before is told what to do."""
    document, _ = city.decided(enforcement={"required": False})
    page = visit("clerk", f"/documents/{document}/complete")
    with narrowed(city, PLAN["class_code"]):
        with pytest.raises(Refused) as caught:
            city.write("clerk", document, "complete", {"folder_id": PLAN["folder_id"]})
        assert (caught.value.status, caught.value.reason) == (409, "VIEW_CLASS_NOT_ADMITTED")
        journey.press(page, "完結を登録する")
        expect(page.get_by_role("alert")).to_contain_text("この簿冊には綴れない閲覧区分です")
        expect(page.get_by_text("この文書の分類の簿冊には綴れません")).to_be_visible()
        picture(page, "complete_narrow_folder")
        assert findings(page) == []
        folder = page.get_by_label("簿冊")
        expect(folder.locator(f"option[value='{PLAN['folder_id']}']")).to_have_count(0)
        folder.select_option(OTHER_FOLDER)
        journey.press(page, "完結を登録する")
        journey.told(page, "完結を登録しました。")
    assert city.person("clerk").document(document)[0]["folder_id"] == OTHER_FOLDER


def test_a_draft_wider_than_its_receipt_circulates_when_that_is_confirmed(
    city: City, visit: Visit, title: str, picture: Callable[[Page, str], None]
) -> None:
    """AC-02: refused on the page and in the API until the drafter says that it is meant; then it stands in the history."""
    clerk = city.person("clerk")
    receipt = clerk.post("/receipts", NARROW_RECEIPT)["receipt_id"]
    draft = city.draft(title=title, receipt_ids=[receipt], view_class="unit")
    assert draft["wider_than_receipts"]
    with pytest.raises(Refused) as caught:
        clerk.submit(draft["id"])
    assert (caught.value.status, caught.value.reason) == (409, "WIDER_THAN_RECEIPTS")

    page = visit("clerk", f"/documents/{draft['id']}/route")
    sentence = "元の収受を見られない職員にも見せることを確かめました"
    expect(page.get_by_role("checkbox", name=sentence)).not_to_be_checked()
    journey.press(page, "回議を開始する")
    expect(page.get_by_role("alert")).to_contain_text("元の収受より広い閲覧区分です")
    assert findings(page) == []
    picture(page, "route_wider")
    page.get_by_role("checkbox", name=sentence).check()
    page.get_by_role("checkbox", name=sentence).scroll_into_view_if_needed()
    picture(page, "route_wider_confirmed")
    journey.circulate(page)
    page.goto(f"{city.stack.url}/documents/{draft['id']}/history")
    expect(page.get_by_role("main")).to_contain_text("元の収受より広い閲覧区分 確認済み")


def test_the_api_takes_the_confirmation(city: City) -> None:
    """AC-02, and it stands in the log as a flag."""
    clerk = city.person("clerk")
    receipt = clerk.post("/receipts", NARROW_RECEIPT)["receipt_id"]
    document = city.draft(receipt_ids=[receipt], view_class="unit")["id"]
    plan = clerk.post(f"/documents/{document}/route", {})["route_plan_id"]
    body = {"route_plan_id": plan, "wider_than_receipts_confirmed": True}
    assert city.write("clerk", document, "submit", body)["document"]["state"] == "circulating"

    def logged() -> list[str]:
        found = city.person("auditor").get("/audit/entries", document=document, action="document.submitted")["items"]
        return [one["detail"].get("wider_than_receipts") for one in found]

    assert until(logged) == ["confirmed"]
