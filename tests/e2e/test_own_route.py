"""The drafter changes the proposed route on the page (AP-54)."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from samples.load import draft_of
from tests.conftest import City
from tests.e2e import journey
from tests.e2e.conftest import Visit, findings

Picture = Callable[[Page, str], None]


def rows(page: Page) -> list[str]:
    """The route as it stands, row by row."""
    found = page.get_by_role("region", name="回議の順序").get_by_role("row").all_inner_texts()
    return [" ".join(row.split()) for row in found[1:]]


def search(page: Page, words: str) -> None:
    journey.box(page, "加える職を探す").fill(words)
    journey.box(page, "加える職を探す").press("Enter")


def test_the_drafter_adds_moves_and_leaves_out_seats(city: City, visit: Visit, picture: Picture) -> None:
    """AP-54: what is optional goes, another room is asked where the drafter wants; what the rules ask for stays."""
    row = next(row for row in city.samples.documents if row["key"] == "sokutei-01")
    drafter = city.login(row["drafter"])
    document = city.person(drafter).post("/documents", draft_of(row))["id"]
    page = visit(drafter, f"/documents/{document}/route")
    before = rows(page)
    assert "規程で定められた合議のため外せません" in before[4], before
    assert "決裁者は外せません" in before[-1]
    picture(page, "route_own")
    page.get_by_role("button", name=re.compile("^外す.*室長補佐")).click()
    journey.told(page, "回議先を外しました。")
    assert len(rows(page)) == len(before) - 1

    page.get_by_text("回議先を加える", exact=True).click()
    search(page, "存在しない室")
    expect(page.get_by_text("「存在しない室」に当たる職がないか")).to_be_visible()
    search(page, "法制 室長")
    journey.press(page, "回議先に加える")
    expect(page.get_by_role("alert")).to_contain_text("加える職を選んでください。")
    assert findings(page) == []
    page.get_by_role("radio", name=re.compile(r"法制室\s室長\s")).check()
    journey.choose(page, "求める処理", "合議")
    picture(page, "route_add")
    journey.press(page, "回議先に加える")
    journey.told(page, "回議先を加えました。")
    added = rows(page)[-2]
    assert "法制室" in added, added
    assert "起案者の追加" in added, added
    page.get_by_role("button", name=re.compile("^上へ.*法制室")).click()
    journey.told(page, "回議の順番を変えました。")
    assert "法制室" in rows(page)[-3]
    picture(page, "route_changed")

    journey.press(page, "回議を開始する")
    journey.told(page, "回議を開始しました。")
    case = city.person(drafter).get(f"/cases/{city.person(drafter).document(document)[0]['case_id']}")
    line = [f"{step['unit_name']} {step['post_title']}" for step in case["steps"] if step["state"] != "struck"]
    assert line == [
        "環境政策室 担当主査",
        "環境政策室 室長",
        "財政経営室 室長",
        "契約検査室 室長",
        "法制室 室長",
        "市民部 次長",
        "市民部 部長",
    ]
