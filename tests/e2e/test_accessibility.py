"""axe on every page as the person who uses it sees it; 400 % zoom, forced colours, still motion, paper."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pypdfium2
import pytest

from tests.conftest import TODAY, City
from tests.e2e import journey
from tests.e2e.conftest import findings

# The fiscal year, whose log the pages of records are of.
YEAR = int(TODAY[:4]) - (TODAY[5:7] < "04")
# A records officer of the sample city, for the pages of the 専決規程.
RECORDS_OFFICER = "miyake.hideki"
NARROW = {"width": 320, "height": 700}


@dataclass(frozen=True)
class Places:
    """Documents in the states whose pages differ, and a version of the 専決規程."""

    draft: str
    circulating: str
    decided: str
    completed: str
    receipt: str
    version: str


@pytest.fixture(scope="session")
def places(city: City) -> Places:
    receipt = city.person("clerk").post(
        "/receipts",
        {
            "title": "一般廃棄物処理実態調査について（照会）",
            "sender_kind": "government",
            "received_on": TODAY,
            "arrived_on": TODAY,
            "medium": "lgwan",
            "unit_id": "U-040-03",
        },
    )
    draft = city.draft()
    city.attach(draft["id"])
    return Places(
        draft=draft["id"],
        circulating=city.circulating()[0],
        decided=city.decided()[0],
        completed=city.completed()[0],
        receipt=receipt["id"],
        version=next(city.person(RECORDS_OFFICER).items("/decision-rules/versions", body="mayor"))["id"],
    )


PAGES = (
    ("clerk", "/"),
    ("clerk", "/?kind=post_view"),
    ("clerk", "/receipts"),
    ("clerk", "/receipts/new"),
    ("clerk", "/receipts/{receipt}"),
    ("clerk", "/documents"),
    ("clerk", "/documents?q=浄化槽&state=completed"),
    ("clerk", "/documents?from=きのう"),
    ("clerk", "/documents/new?receipt={receipt}"),
    ("clerk", "/documents/{draft}"),
    ("clerk", "/documents/{draft}/edit"),
    ("clerk", "/documents/{draft}/attachments"),
    ("clerk", "/documents/{draft}/route"),
    ("clerk", "/route-templates"),
    ("clerk", "/body-templates"),
    ("chief", "/"),
    ("chief", "/documents/{circulating}"),
    ("chief", "/documents/{circulating}/decider"),
    ("clerk", "/documents/{circulating}"),
    ("clerk", "/documents/{circulating}/replace"),
    ("clerk", "/documents/{circulating}/circulate"),
    ("clerk", "/documents/{circulating}/versions"),
    ("clerk", "/documents/{decided}"),
    ("clerk", "/documents/{decided}/enforce"),
    ("clerk", "/documents/{decided}/complete"),
    ("clerk", "/documents/{decided}/annotations/new"),
    ("clerk", "/documents/{decided}/attachments"),
    ("clerk", "/documents/{completed}"),
    ("clerk", "/documents/{completed}/viewers"),
    ("head", "/documents/{completed}/history"),
    ("clerk", "/folders"),
    ("clerk", "/organisation"),
    ("clerk", "/organisation?unit=U-040-03"),
    ("head", "/absences"),
    ("clerk", "/documents/nothing-here"),
    ("clerk", "/audit"),
    (RECORDS_OFFICER, "/rules"),
    (RECORDS_OFFICER, "/rules/new"),
    (RECORDS_OFFICER, "/rules/{version}"),
    (RECORDS_OFFICER, "/classes"),
    (RECORDS_OFFICER, "/classes/0403-02-01/follow-ups"),
    ("auditor", "/audit"),
    ("auditor", f"/audit/{YEAR}/0"),
)


def test_axe_finds_nothing_serious_on_any_page(city: City, visit, places: Places) -> None:
    windows = {role: visit(role) for role in dict(PAGES)}
    found: dict[str, list[str]] = {}
    for role, path in PAGES:
        windows[role].goto(city.stack.url + path.format(**vars(places)))
        if problems := findings(windows[role]):
            found[path] = problems
    assert found == {}


def test_no_page_scrolls_sideways_at_four_hundred_percent(city: City, visit, places: Places) -> None:
    """1280 px at 400 % are 320 px; the menu that unfolds there is as good as the wide one."""
    windows = {role: visit(role, viewport=NARROW) for role in dict(PAGES)}
    wide: dict[str, int] = {}
    for role, path in PAGES:
        page = windows[role]
        page.goto(city.stack.url + path.format(**vars(places)))
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if beyond > 0:
            wide[path] = beyond
    assert wide == {}
    page = windows["chief"]
    page.goto(f"{city.stack.url}/documents/{places.circulating}")
    assert findings(page) == []
    page.get_by_role("link", name="メニュー", exact=True).click()
    assert findings(page) == []


def test_axe_finds_nothing_serious_in_a_refused_form(visit) -> None:
    page = visit("clerk", "/receipts/new")
    journey.press(page, "収受を登録する")
    assert findings(page) == []


def test_pages_can_be_read_with_colours_forced_and_motion_reduced(visit, places: Places) -> None:
    page = visit("chief", f"/documents/{places.circulating}", forced_colors="active", reduced_motion="reduce")
    assert findings(page) == []
    moving = "[...document.querySelectorAll('*')].filter(e => parseFloat(getComputedStyle(e).transitionDuration) > 0)"
    assert page.evaluate(f"{moving}.length") == 0


def test_the_sheet_of_a_decided_document_prints_on_one_page(visit, places: Places) -> None:
    """UI-03: 鑑 on one A4 page, without menu and forms."""
    page = visit("clerk", f"/documents/{places.completed}/print")
    assert findings(page) == []
    printed = pypdfium2.PdfDocument(page.pdf(prefer_css_page_size=True))
    width, height = printed[0].get_size()
    assert (round(width), round(height)) == (595, 842)
    text = printed[0].get_textpage().get_text_bounded()
    assert "起案番号" in text
    assert "ログアウト" not in text
    assert len(printed) == 1
    # AC-15: who printed it and when; the page to read says where to print, and shows nothing on paper.
    assert re.search(r"印刷\s+葛󠄀城 拓也（S0072）", text), text
    page = visit("clerk", f"/documents/{places.completed}")
    unprinted = pypdfium2.PdfDocument(page.pdf(prefer_css_page_size=True))
    text = "".join(sheet.get_textpage().get_text_bounded() for sheet in unprinted)
    assert "起案番号" not in text
    assert "印刷用の画面を開く" in text
