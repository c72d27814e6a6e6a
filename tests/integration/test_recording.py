"""No access without a record (I1, SC-05): what cannot be recorded is not served, and what is served is in the log."""

from __future__ import annotations

import concurrent.futures
import contextlib

import httpx2
import psycopg
import pytest

from deploy.walkthrough.client import Refused
from tests.conftest import access_record
from tests.patience import until

pytestmark = pytest.mark.system


@contextlib.contextmanager
def outbox_not_writable(city, service):
    """The operator's mistake, or an attack: the application role loses INSERT on its outbox."""
    with psycopg.connect(city.stack.database_url(f"{service}_owner"), autocommit=True) as owner:
        owner.execute(f"REVOKE INSERT ON {service}.outbox FROM {service}_app")
        try:
            yield
        finally:
            owner.execute(f"GRANT INSERT ON {service}.outbox TO {service}_app")


def test_every_read_of_documents_is_refused_when_it_cannot_be_recorded(city):
    document_id, _ = city.circulating()
    clerk = city.person("clerk")
    document, _ = clerk.document(document_id)
    attachment = document["attachments"][0]["id"]
    paths = [
        f"/documents/{document_id}",
        f"/documents/{document_id}/viewers",
        f"/documents/{document_id}/history",
        f"/documents/{document_id}/attachments/{attachment}/content",
        "/documents",
        "/documents?q=浄化槽",
        "/receipts",
        "/classes",
        "/folders",
    ]
    with outbox_not_writable(city, "documents"):
        for path in paths:
            response = clerk.http.get(f"/api/v1{path}")
            assert response.status_code == 503, path
            assert document["title"] not in response.text
            assert response.json()["reason"] == "NOT_RECORDED", path
        # Writes append events to the same table: refused as well, and nothing half-done.
        with pytest.raises(Refused) as caught:
            city.draft()
        assert caught.value.status == 503
    until(lambda: clerk.document(document_id)[0]["title"] == document["title"], patient_with=(503,))


def test_every_read_of_approvals_is_refused_when_it_cannot_be_recorded(city):
    _, case_id = city.circulating()
    chief = city.person("chief")
    with outbox_not_writable(city, "approvals"):
        for path in (f"/cases/{case_id}", "/units", "/posts", "/staff", "/absences"):
            response = chief.http.get(f"/api/v1{path}")
            assert (response.status_code, response.json()["reason"]) == (503, "NOT_RECORDED"), path
        assert chief.http.get("/api/v1/inbox").status_code == 503
    until(lambda: chief.get(f"/cases/{case_id}"), patient_with=(503,))


def test_the_log_itself_is_not_shown_when_that_cannot_be_recorded(city):
    auditor = city.person("auditor")
    with outbox_not_writable(city, "audit"):
        assert auditor.http.get("/api/v1/audit/entries").status_code == 503
    until(lambda: auditor.get("/audit/entries")["items"], patient_with=(503,))


def test_every_served_read_has_its_leaf(city):
    """Sixteen readers at once; each answer names its record, and each record arrives in the log."""
    document_id, _ = city.circulating()
    clerk, auditor = city.person("clerk"), city.person("auditor")

    def read(_):
        response = clerk.request("GET", f"/documents/{document_id}")
        return response.headers["x-access-record"]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        references = list(pool.map(read, range(100)))
    assert len(set(references)) == 100

    def logged():
        entries = auditor.items("/audit/entries", document=document_id, action="document.viewed")
        return set(references) <= {access_record(entry) for entry in entries}

    until(logged, 30)


def test_a_refused_look_is_in_the_log_with_the_person_and_the_reason(city):
    document_id, _ = city.circulating()
    stranger, auditor = city.person("stranger"), city.person("auditor")
    with pytest.raises(Refused):
        stranger.document(document_id)
    me = stranger.get("/me")["staff_id"]

    def denied():
        entries = auditor.items("/audit/entries", document=document_id, actor=me)
        return [entry for entry in entries if entry["outcome"] == "denied"]

    (entry,) = until(denied)
    assert entry["action"] == "document.viewed"
    assert entry["reason"] == "NOT_FOUND"


def test_reading_the_log_is_in_the_log(city):
    auditor = city.person("auditor")
    response = auditor.request("GET", "/audit/entries")
    reference = response.headers["x-access-record"]

    def logged():
        entries = auditor.items("/audit/entries", action="audit.read")
        return reference in {access_record(entry) for entry in entries}

    until(logged)


def test_the_log_is_contiguous_and_complete(city):
    """Every event and record exactly once, in one order; the outboxes empty; no source has a gap."""
    city.completed()
    auditor = city.person("auditor")

    def outboxes_empty():
        for service in ("documents", "approvals"):
            with psycopg.connect(city.stack.database_url(f"{service}_owner")) as conn:
                row = conn.execute(
                    f"SELECT count(*) FROM {service}.outbox WHERE created_at < now() - interval '2 seconds'"
                ).fetchone()
            if row != (0,):
                return False
        return True

    # At no moment is a number missing below the highest: those of a source do not overtake each other.
    looks = [auditor.get("/audit/sources") for _ in range(20)]
    assert [source for look in looks for source in look["items"] if source["missing"]] == []
    until(outboxes_empty, 30)
    until(lambda: auditor.get("/audit/sources")["gaps"] == [], 30)
    with psycopg.connect(city.stack.database_url("audit_owner")) as conn:
        row = conn.execute(
            "SELECT count(*), min(leaf_index), max(leaf_index), count(DISTINCT event_id) FROM audit.entries"
        ).fetchone()
    assert row is not None
    count, first, last, distinct = row
    assert (first, last + 1, distinct) == (0, count, count)


def test_titles_and_names_never_reach_the_log_or_the_broker(city):
    """I6 and decision 10: identifiers only."""
    document = city.draft(title="極秘調査対象者一覧の作成について（伺い）", counterparty="髙﨑 邦夫")
    city.attach(document["id"])
    city.person("clerk").submit(document["id"])
    until(lambda: city.person("auditor").get("/audit/entries", document=document["id"])["items"])
    with psycopg.connect(city.stack.database_url("audit_owner")) as conn:
        for needle in ("極秘調査対象者", "髙﨑"):
            row = conn.execute(
                "SELECT count(*) FROM audit.entries WHERE position(%s IN convert_from(leaf, 'UTF8')) > 0", (needle,)
            ).fetchone()
            assert row == (0,)


def test_the_logs_entries_are_for_audit_officers_and_fetching_them_is_recorded(city):
    """SC-06: hashes are open, entries name people."""
    auditor, clerk = city.person("auditor"), city.person("clerk")
    path = "/log/tile/entries/000"
    size = int(clerk.http.get("/log/checkpoint").text.splitlines()[1])
    partial = "" if size >= 256 else f".p/{size}"
    assert clerk.http.get(f"/log/tile/0/000{partial}").status_code == 200
    assert clerk.http.get(f"{path}{partial}").status_code == 403
    assert httpx2.get(f"{city.stack.url}{path}{partial}").status_code == 401
    assert auditor.http.get(f"{path}{partial}").status_code == 200

    def recorded():
        entries = auditor.items("/audit/entries", action="audit.exported")
        return {"granted", "denied"} <= {entry["outcome"] for entry in entries}

    until(recorded)
