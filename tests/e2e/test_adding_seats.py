"""回議先の追加 as people do it: who is asked first, what the drafter reads about it (AP-54)."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.conftest import City
from tests.e2e import journey
from tests.e2e.conftest import findings


def test_an_approver_has_another_room_asked_first(city: City, visit, title, picture) -> None:
    """AP-54: reason and post are asked for; the added seat stands before the own one, which waits."""
    document = city.draft(title=title)["id"]
    clerk = visit("clerk", f"/documents/{document}/route")
    journey.press(clerk, "回議を開始する")
    chief = visit("chief")
    journey.open_from_inbox(chief, title)
    journey.follow(chief, "回議先を追加する")
    assert findings(chief) == []
    journey.press(chief, "回議先に加える")
    expect(chief.get_by_role("alert")).to_contain_text("追加する職を選んでください。")
    expect(chief.get_by_role("alert")).to_contain_text("追加する理由を入力してください。")
    chief.get_by_label("ほかの所属から選ぶ").select_option(label="財政経営室")
    journey.press(chief, "この所属の職を表示する")
    post = chief.get_by_label("追加する職").get_by_role("option").filter(has_text="室長").first.get_attribute("value")
    chief.get_by_label("追加する職").select_option(post)
    journey.box(chief, "追加する理由").fill("補助金の予算の残額を確かめるため")
    picture(chief, "add_seat")
    journey.press(chief, "回議先に加える")
    journey.told(chief, "回議先を追加しました。")
    expect(chief.get_by_role("button", name="承認する")).to_have_count(0)

    clerk.goto(f"{city.stack.url}/documents/{document}")
    expect(clerk.get_by_role("list", name="決裁欄").get_by_role("listitem").nth(1)).to_contain_text("追加")
    said = clerk.get_by_role("listitem").filter(has_text="補助金の予算の残額を確かめるため")
    expect(said).to_contain_text("回議先の追加（財政経営室")
    assert findings(clerk) == []
    picture(clerk, "added_seat")
