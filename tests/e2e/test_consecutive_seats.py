"""Two seats in a row of the same person, on the page: told before, closed by one act, both on the sheet (AP-43)."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.conftest import City
from tests.e2e import journey
from tests.e2e.conftest import findings
from tests.patience import until

CHIEF, DIRECTOR = "P-030-02-03", "P-030-00-01"
FILED = {"class_code": "0302-01-01", "folder_id": "F-2026-0302-01-01"}
ALSO = "この承認で次の『人権文化部　部長』（決裁）の欄も同時に処理されます"


def before_the_head(city: City, title: str) -> str:
    """The document of a case of 文化国際室 that waits for its 室長, who is 人権文化部長 by 事務取扱."""
    drafter, chief = city.login("S0057"), city.holder(CHIEF)
    document_id = city.draft(drafter, title=title, decision_class="director", **FILED)["id"]
    case_id = city.person(drafter).submit(document_id)["case_id"]
    city.act(chief, case_id, "approve")
    until(lambda: city.may(city.holder(DIRECTOR), case_id, "approve"))
    return document_id


def in_seats(page: Page, post: str) -> str:
    """What the window with this post says."""
    window = page.get_by_role("list", name="決裁欄").get_by_role("listitem")
    return window.filter(has=page.get_by_text(post, exact=True)).inner_text()


def test_one_act_closes_both_seats(city: City, visit, title, picture) -> None:
    """AP-43: the page says so before; both windows bear the name and the day."""
    document_id = before_the_head(city, title)
    page = visit(city.holder(DIRECTOR), f"/documents/{document_id}")
    expect(page.get_by_role("checkbox", name=ALSO)).to_be_checked()
    expect(page.get_by_text("決裁すると、この内容は固定され")).to_be_visible()
    assert findings(page) == []
    picture(page, "consecutive_seats")
    journey.press(page, "承認する")
    journey.told(page, "承認")
    page.goto(f"{city.stack.url}/documents/{document_id}")
    for post in ("文化国際室長事務取扱人権文化部長", "部長"):
        assert "桒野" in in_seats(page, post)
    expect(page.get_by_role("button", name="決裁する")).to_have_count(0)
    picture(page, "consecutive_seats_done")


def test_who_wishes_closes_one_seat(city: City, visit, title) -> None:
    """AP-43: without the mark the next seat waits for an act of its own."""
    document_id = before_the_head(city, title)
    page = visit(city.holder(DIRECTOR), f"/documents/{document_id}")
    page.get_by_role("checkbox", name=ALSO).uncheck()
    journey.press(page, "承認する")
    journey.told(page, "承認")
    page.goto(f"{city.stack.url}/documents/{document_id}")
    expect(page.get_by_role("button", name="決裁する")).to_be_visible()
    journey.press(page, "決裁する")
    journey.told(page, "決裁")
