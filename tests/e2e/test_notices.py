"""通知 in a browser: what comes while a page is open, the list, the settings, and 滞留の連絡先."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import psycopg
from playwright.sync_api import expect

from chassis import clock
from tests.conftest import City
from tests.e2e import journey
from tests.e2e.conftest import Visit, findings


def test_an_open_page_hears_of_what_comes(city: City, visit: Visit, title: str, picture) -> None:
    """AP-50, AC-14: without a reload, in the header, number and kind; on the page 通知 too; never the title."""
    page = visit("chief", "/organisation")
    said, count = page.get_by_role("status"), page.get_by_role("link", name="通知").locator(".count").first
    with page.expect_response("**/api/v1/notices/stream"):
        page.reload()
    city.circulating(title=title, urgent=True)
    expect(said).to_have_text(re.compile(r"^至急の未処理\s+\S*[0-9]+\S*$"))
    expect(count).not_to_have_text("0")
    assert findings(page) == []
    picture(page, "notice-live")
    city.circulating(title=title)
    page.get_by_role("banner").get_by_role("link", name="通知").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("通知")
    rows = page.get_by_role("region", name="通知の一覧").get_by_role("row")
    expect(rows.nth(1)).to_contain_text("未処理")
    expect(rows.nth(2)).to_contain_text("至急の未処理")
    assert title not in page.get_by_role("main").inner_text()
    assert findings(page) == []
    picture(page, "notices")
    rows.nth(1).get_by_role("button", name="既読にする").click()
    journey.told(page, "既読にしました。")
    expect(rows.nth(1)).to_contain_text("既読")
    # The number leads to the document, and there the title is read by who may read it.
    rows.nth(1).get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(title)


def test_reading_and_choosing_need_no_script(city: City, visit: Visit, picture) -> None:
    city.circulating()
    page = visit("chief", "/notices", script=False)
    journey.press(page, "ここまでをすべて既読にする")
    journey.told(page, "既読にしました。")
    expect(page.get_by_role("banner").get_by_role("link", name="通知").locator(".count").first).to_have_text("0")
    journey.follow(page, "未読だけ表示する")
    expect(page.get_by_role("main")).to_contain_text("未読の通知はありません。")
    page.goto(f"{city.stack.url}/notices/settings")
    # Where no mail server is, e-mail is not offered, and what was chosen for it stays.
    main = page.get_by_role("main")
    expect(main).to_contain_text("メールサーバーが設定されていないため、電子メールでは知らせていません。")
    expect(page.get_by_role("group", name="電子メール")).to_have_count(0)
    expect(page.get_by_role("heading", name="デスクトップのお知らせ")).not_to_be_visible()
    chosen = city.person("chief").get("/notice-choices")["mail"]
    turn = page.get_by_role("group", name="画面のお知らせ").get_by_label("未処理・供覧・後閲")
    expect(turn).to_be_checked()
    turn.uncheck()
    journey.press(page, "保存する")
    journey.told(page, "通知の設定を保存しました。")
    expect(turn).not_to_be_checked()
    assert city.person("chief").get("/notice-choices")["mail"] == chosen != []
    turn.check()
    journey.press(page, "保存する")


# What a page says on the desktop, kept where the test can read it: no window of the system shows it here. And a page that is
# not looked at, for here every page is.
KEPT = """
window.shown = [];
const Real = window.Notification;
window.Notification = class extends Real {
  constructor(title, options) {
    super(title, options);
    window.shown.push([title, Object.keys(options).sort()]);
  }
};
window.look = (state) => {
  document.hasFocus = () => state === "visible";
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
  document.dispatchEvent(new Event("visibilitychange"));
};
"""
# The last that was said, as soon as it is this.
TOLD = """async (title) => {
  for (let look = 0; look < 150 && window.shown.at(-1)?.[0] !== title; look++)
    await new Promise((done) => setTimeout(done, 100));
  return window.shown.at(-1);
}"""
FREE = """async () => {
  for (let look = 0; look < 150; look++) {
    const all = await navigator.locks.query();
    if (all.held.length + all.pending.length === 0) return true;
    await new Promise((done) => setTimeout(done, 100));
  }
  return false;
}"""
LOCKS = """async () => { const all = await navigator.locks.query(); return [all.held.length, all.pending.length]; }"""


def test_who_wants_it_hears_on_the_desktop_that_something_came(city: City, visit: Visit, title: str, picture) -> None:
    """AP-50, AC-14: asked for by a press; the kind and 「1件」, never number or title; while no page is looked at, by one page
    of the browser though several are open, and by the next when that is left; no more when it is switched off."""
    page = visit("chief", "/notices/settings", permissions=["notifications"])
    page.context.add_init_script(KEPT)
    page.reload()
    main = page.get_by_role("main")
    expect(main).to_contain_text("今は知らせていません。")
    page.get_by_role("button", name="このブラウザーで知らせる").click()
    expect(main).to_contain_text("このブラウザーで知らせています。")
    assert findings(page) == []
    main.get_by_role("heading", name="デスクトップのお知らせ").scroll_into_view_if_needed()
    picture(page, "notice-desktop")
    other = page.context.new_page()
    other.goto(f"{city.stack.url}/organisation")
    assert other.evaluate(LOCKS) == [1, 1], "one page keeps the stream, the other waits for its turn"
    for one in (page, other):
        one.evaluate("look('hidden')")
    city.circulating(title=title, urgent=True)
    assert page.evaluate(TOLD, "至急の未処理　1件") == ["至急の未処理　1件", ["lang", "tag"]]
    assert len(page.evaluate("window.shown")) == 1
    assert other.evaluate("window.shown") == []
    with other.expect_response("**/api/v1/notices/stream"):
        page.close()
    city.circulating(title=title)
    assert other.evaluate(TOLD, "未処理　1件") == ["未処理　1件", ["lang", "tag"]]
    other.goto(f"{city.stack.url}/notices/settings")
    other.get_by_role("button", name="このブラウザーでは知らせない").click()
    expect(other.get_by_role("main")).to_contain_text("今は知らせていません。")
    assert other.evaluate(FREE), "no page keeps a stream any more"


@contextlib.contextmanager
def ended(city: City, post_id: str) -> Iterator[None]:
    """The post is over since this morning, for a while."""
    with psycopg.connect(city.stack.database_url("approvals_owner"), autocommit=True) as conn:

        def until(day: str, held: str) -> None:
            for table in ("posts", "appointments"):
                statement = f"UPDATE approvals.{table} SET valid_to = %s WHERE post_id = %s AND valid_to = %s"
                conn.execute(statement, (day, post_id, held))

        today = clock.today().isoformat()
        until(today, "infinity")
        try:
            yield
        finally:
            until("infinity", today)


def test_the_head_says_who_hears_of_what_waits_far_too_long(city: City, visit: Visit, picture) -> None:
    """LC-13: the unit's own list goes before the one above; emptied it gives way."""
    page = visit("head", "/escalation")
    expect(page.get_by_role("main")).to_contain_text("連絡先はありません。")
    assert findings(page) == []
    page.get_by_label("職 1", exact=True).select_option("P-040-03-01")
    journey.press(page, "保存する")
    journey.told(page, "滞留の連絡先を保存しました。")
    expect(page.get_by_role("main")).to_contain_text("次の職に知らせます。")
    picture(page, "escalation")
    # As many as are wanted, up to twenty: five more rows than there are posts.
    posts = [f"P-040-0{room}-0{number}" for room in (3, 1) for number in (1, 2, 3)] + ["P-040-02-01"]
    for number, post in enumerate(posts[:6], start=1):
        page.get_by_label(f"職 {number}", exact=True).select_option(post)
    journey.press(page, "保存する")
    page.get_by_label("職 7", exact=True).select_option(posts[6])
    journey.press(page, "保存する")
    journey.told(page, "滞留の連絡先を保存しました。")
    expect(page.get_by_label("職 7", exact=True)).to_have_value(posts[6])
    expect(page.get_by_label("職 12", exact=True)).to_have_value("")
    # A post ends while it is listed (AP-41): it is named as such, and the form is without it.
    with ended(city, posts[6]):
        page.reload()
        expect(page.get_by_role("main")).to_contain_text(
            "市民サービス政策室長（廃止）：引き継いだ職がないため、知らせません。"
        )
        expect(page.get_by_label("職 7", exact=True)).to_have_value("")
        assert findings(page) == []
        picture(page, "escalation-ended")
    for number in range(1, 8):
        page.get_by_label(f"職 {number}", exact=True).select_option("")
    journey.press(page, "保存する")
    expect(page.get_by_role("main")).to_contain_text("連絡先はありません。")
    assert visit("chief").goto(page.url.split("?")[0]).status == 403
