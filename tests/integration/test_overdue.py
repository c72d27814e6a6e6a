"""滞留: what waits beyond its term, from the step to the page of who answers for the unit."""

from __future__ import annotations

import datetime as dt

import psycopg
import pytest

from chassis import clock
from deploy.walkthrough.client import Refused

pytestmark = pytest.mark.system


def test_the_head_of_the_unit_sees_what_waits_and_nobody_else(city):
    """LC-13, AP-09: case, desk and days on the page; for the holder a mark in the inbox."""
    title = "髙﨑邸の補助金の交付決定について（伺い）"
    document_id, case_id = city.circulating(title=title)
    with psycopg.connect(city.stack.database_url("approvals_owner"), autocommit=True) as conn:
        conn.execute(
            "UPDATE approvals.steps SET waiting_since = %s WHERE case_id = %s AND inbox_kind IS NOT NULL",
            (clock.now() - dt.timedelta(days=40), case_id),
        )
    head, chief = city.person("head"), city.person("chief")
    (found,) = [one for one in head.items("/overdue") if one["case_id"] == case_id]
    assert (found["title"], found["post_title"], found["document_id"]) == (title, "担当主査", document_id)
    assert found["opening_days"] > 5
    page = head.http.get("/overdue", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert title in page.text
    assert f"{found['opening_days']}開庁日" in page.text
    (waiting,) = [one for one in chief.items("/inbox") if one["case_id"] == case_id]
    assert waiting["overdue"]
    assert "期限超過" in chief.http.get("/", headers={"Accept": "text/html"}).text
    with pytest.raises(Refused) as caught:
        chief.get("/overdue")
    assert (caught.value.status, caught.value.reason) == (403, "NOT_PERMITTED")
