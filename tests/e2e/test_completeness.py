"""件数の照合 and the alarms, as an audit officer sees them."""

from __future__ import annotations

import psycopg
import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import findings

pytestmark = pytest.mark.system


def test_an_audit_officer_compares_the_counts_and_sees_what_stands(city, visit, picture):
    with psycopg.connect(city.stack.database_url("audit_app"), autocommit=True) as conn:
        # As the watch leaves it: a missing number of a process that has been gone for long.
        conn.execute(
            "INSERT INTO audit.alarms (kind, subject, first_number, last_number, since)"
            " VALUES ('source.gap', 'documents.documents-1/01a219ff-375c-7757-b13c-146b9b984f2f', 41, 43, now())"
        )
    page = visit("auditor", "/audit")
    expect(page.get_by_role("alert")).to_contain_text("41～43 番")
    page.get_by_role("button", name="今すぐ照合する").click()
    expect(page.get_by_role("main")).to_contain_text("件数を照合しました。")
    expect(page.get_by_role("main")).to_contain_text("一致")
    expect(page.get_by_role("region", name="警報の履歴")).to_contain_text("閲覧の記録が欠けています")
    assert findings(page) == []
    picture(page, "completeness")
