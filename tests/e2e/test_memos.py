"""付箋 on the page: kept, changed, taken off; for its person alone, gone at 決裁 (AP-53)."""

from __future__ import annotations

import psycopg
import pytest
from playwright.sync_api import expect

from deploy.local import database
from deploy.walkthrough.client import Refused
from tests.conftest import City
from tests.e2e import journey
from tests.e2e.conftest import findings
from tests.patience import until

TEXT = "見積りの日付を髙﨑さんに電話で確かめる。"


def rows(city: City) -> int:
    """Memos in the database."""
    with psycopg.connect(city.stack.database_url(database.SUPERUSER), autocommit=True) as conn:
        found = conn.execute("SELECT count(*) FROM documents.memos").fetchone()
    assert found is not None
    return int(found[0])


def test_a_memo_is_for_its_person_and_until_the_decision(city: City, visit, title, picture) -> None:
    """AP-53: neither the drafter nor the next seat see it, and no export holds it."""
    document_id, case_id = city.circulating(title=title)
    chief = visit("chief", f"/documents/{document_id}")
    panel = chief.get_by_role("region", name="付箋")
    journey.press(chief, "付箋を保存する")
    expect(chief.get_by_role("alert")).to_contain_text("付箋の内容を入力してください。")
    journey.box(chief, "付箋の内容").fill(TEXT)
    journey.press(chief, "付箋を保存する")
    journey.told(chief, "付箋を保存しました。")
    expect(journey.box(chief, "付箋の内容")).to_have_value(TEXT)
    assert findings(chief) == []
    panel.scroll_into_view_if_needed()
    picture(chief, "memo")

    clerk = visit("clerk", f"/documents/{document_id}")
    expect(clerk.get_by_role("region", name="付箋")).to_have_count(0)
    city.act("chief", case_id, "approve")
    until(lambda: city.may("deputy", case_id, "approve"))
    deputy = visit("deputy", f"/documents/{document_id}")
    expect(journey.box(deputy, "付箋の内容")).to_have_value("")
    # Who acted keeps it until the decision.
    assert city.person("chief").get(f"/documents/{document_id}/memo")["text"] == TEXT
    for role in ("clerk", "deputy", "chief"):
        document, _ = city.person(role).document(document_id)
        assert TEXT not in str(document)
        assert TEXT not in str(city.person(role).get(f"/cases/{case_id}"))
        assert TEXT not in str(city.person(role).get(f"/documents/{document_id}/history"))
        assert city.person(role).get("/documents", q=TEXT[:6])["items"] == []
    for role in ("stranger", "auditor"):
        with pytest.raises(Refused) as refused:
            city.person(role).get(f"/documents/{document_id}/memo")
        assert refused.value.status == 404

    before = rows(city)
    city.act("deputy", case_id, "approve")
    city.act("head", case_id, "decide")
    until(lambda: rows(city) < before)
    until(lambda: city.locked(document_id))
    assert city.person("chief").get(f"/documents/{document_id}/memo")["text"] == ""
    chief.goto(f"{city.stack.url}/documents/{document_id}")
    expect(chief.get_by_role("region", name="付箋")).to_have_count(0)
    expect(chief.get_by_text(TEXT)).to_have_count(0)


def test_a_memo_is_taken_off(city: City, visit, title) -> None:
    """AP-53: by its person, at any time."""
    document_id, _ = city.circulating(title=title)
    chief = visit("chief", f"/documents/{document_id}")
    journey.box(chief, "付箋の内容").fill(TEXT)
    journey.press(chief, "付箋を保存する")
    journey.press(chief, "付箋を削除する")
    journey.told(chief, "付箋を削除しました。")
    expect(journey.box(chief, "付箋の内容")).to_have_value("")
