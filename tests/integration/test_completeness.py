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
    until(lambda: auditor.items("/audit/entries", action="reconciliation.done"))
    assert auditor.get("/audit/sources")["alarms"] == []


def test_a_record_that_an_administrator_drops_on_the_way_fails_the_reconciliation(city):
    """The superuser deletes the row of the outbox before audit has it. Its process says what its database committed."""
    auditor, clerk = city.person("auditor"), city.person("clerk")
    document_id, _ = city.circulating()
    with psycopg.connect(city.stack.database_url("documents_owner"), autocommit=True) as owner:
        # Removed as it is written, before any relay sees it.
        owner.execute(
            "CREATE FUNCTION documents.drop_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF starts_with(NEW.subject, 'kanketsu.access.') THEN RETURN NULL; END IF; RETURN NEW; END $$"
        )
        owner.execute(
            "CREATE TRIGGER drop_it BEFORE INSERT ON documents.outbox FOR EACH ROW EXECUTE FUNCTION documents.drop_it()"
        )
        try:
            reference = clerk.request("GET", f"/documents/{document_id}").headers["x-access-record"]
        finally:
            owner.execute("DROP TRIGGER drop_it ON documents.outbox")
            owner.execute("DROP FUNCTION documents.drop_it()")
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

    [found] = until(alarm, 180)
    assert found["first"] <= int(number) <= found["last"]
    assert found["until"] is None
    until(lambda: auditor.items("/audit/entries", action="source.gap_found"))
