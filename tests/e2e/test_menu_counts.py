"""The numbers beside the menu, on every page and while it is open (UI-01)."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.conftest import City


def beside(page: Page, entry: str) -> int:
    """The number beside an entry of the menu, once it is there."""
    link = page.get_by_role("navigation", name="主なメニュー").get_by_role("link", name=entry)
    count = link.locator(".count")
    count.wait_for()
    return int(count.inner_text().removesuffix("件").removesuffix("+"))


def test_the_menu_counts_on_every_page_and_follows(city: City, visit, picture) -> None:
    """UI-01, AC-03: away from ホーム; a new case is counted on the open page, without loading it again."""
    page = visit("chief", "/folders")
    before = beside(page, "回議")
    assert before == city.person("chief").get("/inbox")["counts"]["decision"]
    assert beside(page, "差戻し") == city.person("chief").get("/menu-counts")["sent_back"]
    city.circulating()
    entry = page.get_by_role("navigation", name="主なメニュー").get_by_role("link", name="回議")
    expect(entry.locator(".count")).to_have_text(f"{before + 1}件")
    picture(page, "menu_counts")
