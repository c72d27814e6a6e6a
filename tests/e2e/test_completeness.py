"""件数の照合 and the alarms, as an audit officer sees them."""

from __future__ import annotations

import psycopg
import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import findings

pytestmark = pytest.mark.system


def test_an_audit_officer_sees_an_alarm_and_compares_the_counts(city, visit, picture):
    page = visit("auditor", "/audit")
    # Today's comparison is done with this, so that no other ends the alarm below.
    page.get_by_role("button", name="今すぐ照合する").click()
    expect(page.get_by_role("main")).to_contain_text("件数を照合しました。")
    with psycopg.connect(city.stack.database_url("audit_app"), autocommit=True) as conn:
        # As a comparison leaves it that did not agree.
        conn.execute(
            "INSERT INTO audit.alarms (kind, subject, first_number, last_number, since)"
            " VALUES ('reconciliation.failed', 'none GetDocument', 0, 0, now())"
        )
    page.goto(f"{city.stack.url}/audit")
    expect(page.get_by_role("alert").filter(has_text="none GetDocument")).to_contain_text("警報が出ています")
    assert findings(page) == []
    picture(page, "completeness")
    page.get_by_role("button", name="今すぐ照合する").click()
    expect(page.get_by_role("main")).to_contain_text("件数を照合しました。")
    # It agrees: the alarm has ended, and stays in the history.
    expect(page.get_by_role("alert").filter(has_text="none GetDocument")).to_have_count(0)
    expect(page.get_by_role("region", name="警報の履歴")).to_contain_text("none GetDocument")
