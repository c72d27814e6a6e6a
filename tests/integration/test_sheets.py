"""The approval sheet (鑑) from the decision to the reader, through every service."""

from __future__ import annotations

import re

import pypdfium2
import pytest

from tests.conftest import City, until

pytestmark = pytest.mark.system


def sheets_of(city: City, document_id: str) -> list[dict]:
    return [one for one in city.person("clerk").document(document_id)[0]["attachments"] if one["sheet"]]


def text_of(content: bytes) -> str:
    return "".join("".join(page.get_textpage().get_text_range().split()) for page in pypdfium2.PdfDocument(content))


def test_a_decision_with_its_names_is_on_paper_and_its_reading_is_recorded(city):
    """UI-03, AP-04, I1: posts, names and days as approvals knows them; opened from the page like any file."""
    document_id, _ = city.decided(title="髙﨑邸ほか1件の補助金の交付決定について（伺い）")
    clerk = city.person("clerk")
    page = clerk.http.get(f"/documents/{document_id}", headers={"Accept": "text/html"}).text
    (path,) = re.findall(r'<a href="([^"]+/view)"[^>]*>決裁時の鑑（PDF）', page)
    shown = clerk.http.get(path)
    assert shown.headers["content-type"] == "application/pdf"
    assert shown.headers["content-disposition"].startswith("inline")
    assert shown.headers["cache-control"] == "no-store"
    said = text_of(shown.content)
    document, _ = clerk.document(document_id)
    names = {person.get("/me")["name"].replace(" ", "") for person in map(city.person, ("chief", "deputy", "head"))}
    for words in ("髙﨑邸ほか1件", document["draft_number"], "決裁時の鑑", "市長", *(_plain(name) for name in names)):
        assert words in said, words
    (sheet,) = sheets_of(city, document_id)
    record = shown.headers["x-access-record"]

    def recorded():
        entries = city.person("auditor").items("/audit/entries", document=document_id, limit=500)
        return [one for one in entries if one["action"] in ("attachment.read", "sheet.drawn")]

    actions = until(lambda: {one["action"]: one for one in recorded()} if len(recorded()) >= 2 else None)
    assert set(actions) == {"attachment.read", "sheet.drawn"}
    assert actions["attachment.read"]["object_id"] == sheet["id"]
    assert record


def test_opinions_are_in_the_sheet_on_the_page_and_on_paper(city):
    """AP-20, AP-53, UI-03: a 不同意 of 600 characters and what the decider says to it, in their order, under the boxes; for
    whoever may read the document and nobody else (AC-03)."""
    drafter, document_id, case_id = city.submitted("sokutei-01")
    against = "".join(f"第{at:02}の理由により同意できません。" for at in range(1, 41))[:600]
    weighed = "補正予算で対応する。"
    for post in ("P-040-03-03", "P-040-03-02", "P-040-03-01"):
        city.act(city.holder(post), case_id, "approve")
    city.act(city.holder("P-020-04-01"), case_id, "dissent", against)
    city.act(city.holder("P-020-05-01"), case_id, "concur")
    city.act(city.holder("P-040-00-02"), case_id, "approve")
    director = city.holder("P-040-00-01")
    until(lambda: city.may(director, case_id, "decide"))
    opinions = city.person(director).get(f"/cases/{case_id}")["opinions"]
    city.act(director, case_id, "decide", weighed, acknowledged_opinions=opinions)
    clerk = city.person(drafter)

    def sheet():
        return next((one for one in clerk.document(document_id)[0]["attachments"] if one["sheet"]), None)

    path = f"/api/v1/documents/{document_id}/attachments/{until(sheet)['id']}/content"
    said = text_of(clerk.http.get(path).content)
    assert said.index("意見欄") < said.index(against) < said.index(weighed) < said.index("件名")
    assert re.search(r"財政経営室　?室長\S+不同意R\d+\.\d+\.\d+", said)
    page = clerk.http.get(f"/documents/{document_id}", headers={"Accept": "text/html"}).text
    shown = page[page.index('class="sheet"') : page.index('class="sheet__title"')]
    assert shown.index('class="seats"') < shown.index(against) < shown.index(weighed)
    assert page.count(against) == 1
    stranger = city.person("stranger")
    for hidden in (path, f"/documents/{document_id}", f"/api/v1/cases/{case_id}"):
        answer = stranger.http.get(hidden)
        assert answer.status_code == 404
        assert against not in answer.text


def test_who_acts_in_anothers_place_signs_with_both_posts(city):
    """AP-19, AP-40: 人権文化部長, who is 文化国際室長 by 事務取扱, decides; so say the page, the API, the person's choice and the 鑑."""
    label = "文化国際室長事務取扱人権文化部長"
    drafter, chief, director = city.login("S0057"), city.holder("P-030-02-03"), city.holder("P-030-00-01")
    filed = {"class_code": "0302-01-01", "folder_id": "F-2026-0302-01-01"}
    document_id = city.draft(drafter, decision_class="head", **filed)["id"]
    case_id = city.person(drafter).submit(document_id)["case_id"]
    city.act(chief, case_id, "approve")
    until(lambda: city.may(director, case_id, "decide"))
    page = {"Accept": "text/html"}
    asked = city.person(director).http.get(f"/documents/{document_id}", headers=page).text
    assert f"{label}として処理します" in asked
    assert re.search(f'<option value="P-030-02-01"[^>]*>{label}</option>', asked)
    city.act(director, case_id, "decide")
    clerk = city.person(drafter)
    (act,) = [one for one in clerk.get(f"/cases/{case_id}")["decisions"] if one["action"] == "decide"]
    assert (act["post_title"], act["post_id"], act["appointment"]) == (label, "P-030-02-01", "acting")

    def sheet():
        return next((one for one in clerk.document(document_id)[0]["attachments"] if one["sheet"]), None)

    paper = clerk.http.get(f"/api/v1/documents/{document_id}/attachments/{until(sheet)['id']}/content").content
    assert label in text_of(paper)
    shown = clerk.http.get(f"/documents/{document_id}", headers=page).text
    boxes = shown[shown.index('<ol class="seats"') :]
    assert label in boxes[: boxes.index("</ol>")]


def test_nobody_else_gets_it(city):
    """AC-03: another unit is told what it is told of a file that does not exist."""
    document_id, _ = city.decided()
    (sheet,) = sheets_of(city, document_id)
    stranger = city.person("stranger")
    for attachment_id in (sheet["id"], "0" * 8 + sheet["id"][8:]):
        path = f"/api/v1/documents/{document_id}/attachments/{attachment_id}/content"
        assert stranger.http.get(path).status_code == 404


def test_completion_right_after_the_decision_has_both(city):
    document_id, _ = city.completed()
    assert [one["sheet"] for one in sheets_of(city, document_id)] == ["decided", "completed"]


def _plain(name: str) -> str:
    """Without selectors, which no reader of PDFs gives back."""
    return re.sub("[\U000e0100-\U000e01ef]", "", name)
