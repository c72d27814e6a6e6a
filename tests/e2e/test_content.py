"""What people put into the system is shown as it is and never runs; files are viewed in the browser or downloaded."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote

from playwright.sync_api import Locator, expect

from tests.conftest import City
from tests.e2e import journey

NASTY = '"><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}について（伺い）'
# 「が」 in two characters, as macOS sends it, with 髙 and 﨑 (NM-05).
NAME = unicodedata.normalize("NFD", "補助金額算定調書がわ（髙") + "\ufa11）.txt"


def test_text_is_text_everywhere(city: City, visit) -> None:
    document = city.draft(title=NASTY, body=NASTY, counterparty=NASTY)["id"]
    page = visit("clerk")
    for path in ("/", "/documents", f"/documents/{document}", f"/documents/{document}/edit"):
        page.goto(city.stack.url + path)
        expect(page.get_by_role("main")).to_contain_text(
            "<script>alert(2)</script>{{7*7}}"
        ) if "edit" not in path else (expect(journey.box(page, "件名")).to_have_value(NASTY))
        assert page.locator("img[src=x]").count() == 0


def test_files_are_seen_in_the_browser_or_downloaded_under_their_name(city: City, visit, tmp_path: Path) -> None:
    document = city.draft()["id"]
    page = visit("clerk", f"/documents/{document}/attachments")
    note = tmp_path / NAME
    note.write_text("議事録（抜粋）\n髙﨑委員", encoding="utf-8")
    evil = tmp_path / "通知（案）.html"
    evil.write_text("<script>alert(document.cookie)</script>", encoding="utf-8")
    journey.attach(page, journey.FILES / "application-johkaso.pdf", journey.FILES / "map-johkaso.png", note, evil)

    def link_of(name: str, word: str) -> Locator:
        return page.get_by_role("row").filter(has_text=name).get_by_role("link", name=re.compile(f"^{word}"))

    def view(name: str) -> tuple[str, str, str]:
        link = link_of(name, "表示")
        with page.context.expect_page() as opened, page.context.expect_event("response") as answered:
            link.click()
        headers = answered.value.all_headers()
        opened.value.close()
        return headers["content-type"], headers["content-disposition"].split(";")[0], headers["content-security-policy"]

    assert view("application-johkaso.pdf")[:2] == ("application/pdf", "inline")
    kind, disposition, policy = view("map-johkaso.png")
    assert (kind, disposition) == ("image/png", "inline")
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert view(NAME)[:2] == ("text/plain; charset=utf-8", "inline")

    expect(link_of("通知（案）.html", "表示")).to_have_count(0)
    href = link_of("通知（案）.html", "ダウンロード").get_attribute("href")
    shown = page.request.get(city.stack.url + href.replace("/download", "/view"))
    assert shown.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in shown.headers["content-security-policy"]

    with page.expect_download() as saved:
        link_of(NAME, "ダウンロード").click()
    # The browser composes the name; what the system sends is the name as given (NM-05).
    assert saved.value.suggested_filename == unicodedata.normalize("NFC", NAME)
    sent = page.request.get(saved.value.url).headers["content-disposition"]
    assert unquote(sent.rpartition("''")[2]) == NAME
    assert Path(saved.value.path()).read_bytes() == note.read_bytes()


def test_several_files_go_up_one_after_the_other_with_script(city: City, visit) -> None:
    document = city.draft()["id"]
    page = visit("clerk", f"/documents/{document}/attachments")
    names = ["application-johkaso.pdf", "calculation-johkaso.xlsx", "notice-johkaso.docx"]
    journey.choose_files(page, *(journey.FILES / name for name in names))
    journey.press(page, "追加する")
    journey.told(page, "添付を追加しました。")
    for name in names:
        expect(page.get_by_role("row").filter(has_text=name)).to_be_visible()
    page.get_by_role("row").filter(has_text="calculation-johkaso.xlsx").get_by_role("button").click()
    journey.told(page, "添付を削除しました。")
    expect(page.get_by_role("row").filter(has_text="calculation-johkaso.xlsx")).to_have_count(0)


def test_every_answer_forbids_what_is_not_ours(city: City, visit) -> None:
    page = visit("clerk")
    answer = page.goto(city.stack.url)
    headers = answer.all_headers()
    policy = headers["content-security-policy"]
    for rule in (
        "default-src 'self'",
        "script-src 'self'",
        "object-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ):
        assert rule in policy
    assert "unsafe" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    static = page.request.get(city.stack.url + page.locator("link[rel=stylesheet]").last.get_attribute("href"))
    assert "immutable" in static.headers["cache-control"]
