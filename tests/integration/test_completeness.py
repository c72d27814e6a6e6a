"""No record missing without an alarm (SC-05): the counts agree while all is well, and name the source when it is not."""

from __future__ import annotations

import psycopg
import pytest

from deploy.walkthrough.client import Refused
from tests.patience import until

pytestmark = pytest.mark.system


def test_only_audit_officers_reconcile(city):
    with pytest.raises(Refused) as caught:
        city.person("clerk").post("/audit/reconciliation", {})
    assert (caught.value.status, caught.value.problem["reason"]) == (403, "NOT_PERMITTED")


def test_the_counts_agree_and_the_result_is_a_leaf(city):
    document_id, _ = city.circulating()
    city.person("clerk").document(document_id)
    auditor = city.person("auditor")
    result = auditor.post("/audit/reconciliation", {})
    assert result["agreed"] is True
    assert auditor.get("/audit/sources")["reconciliation"] == result
    until(lambda: list(auditor.items("/audit/entries", action="reconciliation.done")))
    alarms = auditor.get("/audit/sources")["alarms"]
    assert [one for one in alarms if one["kind"] == "reconciliation.failed" and not one["until"]] == []


# --- attacks with the powers of the owner of a service's schema --------------------------------------------------


DROP = """
    CREATE TABLE documents.dropped AS TABLE documents.outbox WITH NO DATA;
    CREATE FUNCTION documents.drop_it() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        IF NOT starts_with(NEW.subject, 'kanketsu.access.') THEN RETURN NEW; END IF;
        INSERT INTO documents.dropped SELECT NEW.*;
        RETURN NULL;
    END $$;
    CREATE TRIGGER drop_it BEFORE INSERT ON documents.outbox FOR EACH ROW EXECUTE FUNCTION documents.drop_it()
"""
PUT_BACK = """
    INSERT INTO documents.outbox (event_id, subject, payload, trace_parent, awaits)
    SELECT event_id, subject, payload, trace_parent, awaits FROM documents.dropped;
    DROP TABLE documents.dropped
"""


def test_a_record_that_an_administrator_drops_on_the_way_is_an_alarm_until_it_is_back(city):
    """The owner removes a row of the outbox as it is written, before anybody sees it."""
    auditor, clerk = city.person("auditor"), city.person("clerk")
    document_id, _ = city.circulating()
    with psycopg.connect(city.stack.database_url("documents_owner"), autocommit=True) as owner:
        owner.execute(DROP)
        try:
            reference = clerk.request("GET", f"/documents/{document_id}").headers["x-access-record"]
        finally:
            owner.execute("DROP TRIGGER drop_it ON documents.outbox; DROP FUNCTION documents.drop_it()")
        try:
            found = _alarm_of(auditor, clerk, document_id, reference)
        finally:
            owner.execute(PUT_BACK)

    def ended():
        alarms = auditor.get("/audit/sources")["alarms"]
        mine = [one for one in alarms if (one["kind"], one["subject"]) == (found["kind"], found["subject"])]
        return all(one["until"] for one in mine)

    until(ended, 90)
    until(lambda: list(auditor.items("/audit/entries", action="source.gap_filled")))


def _alarm_of(auditor, clerk, document_id, reference):
    """The alarm about this record, which is also on the page of audit officers and a leaf."""
    source, epoch, number = reference.split("/")

    def gap():
        # A later record of the same process, whichever replica answers: only then the number is missed.
        clerk.document(document_id)
        sources = auditor.get("/audit/sources")["items"]
        return [one for one in sources if one["epoch"] == epoch and int(number) in one["missing"]]

    until(gap, 30)

    def alarm():
        alarms = auditor.get("/audit/sources")["alarms"]
        return [one for one in alarms if one["kind"] == "source.gap" and one["subject"] == f"{source}/{epoch}"]

    found = until(alarm, 180)[0]
    assert found["first"] <= int(number) <= found["last"]
    assert found["until"] is None
    until(lambda: list(auditor.items("/audit/entries", action="source.gap_found")))
    page = auditor.http.get("/audit", headers={"Accept": "text/html"}).text
    assert "警報が出ています" in page
    assert f"{source}/{epoch}" in page
    return found


def standing(city, kind):
    """Alarms of a kind that have not ended."""
    alarms = city.person("auditor").get("/audit/sources")["alarms"]
    return [one for one in alarms if one["kind"] == kind and not one["until"]]


DROP_CANARY = DROP.replace(
    "NOT starts_with(NEW.subject, 'kanketsu.access.')", "position('service:canary'::bytea IN NEW.payload) = 0"
)


def test_a_record_of_the_canary_that_is_dropped_on_the_way_is_an_alarm_until_it_is_back(city):
    """Removed as it is written, with its outbox row; the answer to the canary had named it."""
    with psycopg.connect(city.stack.database_url("documents_owner"), autocommit=True) as owner:
        owner.execute(DROP_CANARY)
        try:
            until(lambda: owner.execute("SELECT count(*) FROM documents.dropped").fetchone()[0] >= 1, 60)
        finally:
            owner.execute("DROP TRIGGER drop_it ON documents.outbox; DROP FUNCTION documents.drop_it()")
        try:
            [*found] = until(lambda: standing(city, "canary.missing"), 180)
        finally:
            owner.execute(PUT_BACK)
    assert {one["subject"].split()[1] for one in found} <= {"document.listed", "document.viewed"}
    until(lambda: list(city.person("auditor").items("/audit/entries", action="canary.missing")))
    until(lambda: standing(city, "canary.missing") == [], 90)


def test_a_canary_that_cannot_return_is_an_alarm_until_it_sings_again(city):
    """Approvals records nothing, so it shows nothing: no round comes to its end, on either gateway."""
    with psycopg.connect(city.stack.database_url("approvals_owner"), autocommit=True) as owner:
        owner.execute("REVOKE INSERT ON approvals.outbox FROM approvals_app")
        try:
            until(lambda: len(standing(city, "canary.silent")) == 2, 180)
        finally:
            owner.execute("GRANT INSERT ON approvals.outbox TO approvals_app")
    until(lambda: standing(city, "canary.silent") == [], 90)
    assert standing(city, "canary.misused") == []
