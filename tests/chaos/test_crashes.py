"""Killed at the worst moment (I1, I8, I9): nothing lost, nothing twice, no hole, nothing served unrecorded.

The moments are made from outside, with locks that an operator's session could hold as well: the
product has no switch for its tests. Every process is one replica, so that nobody else helps out.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import http.client
import random
import time
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest

from deploy.walkthrough.client import Refused
from tests.conftest import access_record
from tests.patience import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

SERVICES = ("documents", "approvals", "audit")
MIB = 1024 * 1024
# What a client may see while something is down; never a wrong answer.
AWAY = (401, 404, 409, 412, 500, 502, 503, 504)


@pytest.fixture(scope="module")
def town(new_city):
    """A city of its own that may be broken; everything comes back before the next test."""
    return new_city(
        "chaos",
        replicas=1,
        overrides={"*": {"RESEND_AFTER": "2", "RECOVER_AFTER": "6"}, "documents": {"SWEEP_AFTER": "2"}},
    )


@pytest.fixture(autouse=True)
def whole_again(town):
    """After every test: all parts run, and all promises hold."""
    yield
    for name in ("postgres", "nats", "store", *(f"{service}-1" for service in (*SERVICES, "gateway"))):
        if not town.stack.is_running(name):
            town.stack.start_one(name)
    assert_whole(town)


def owner(town, service):
    return psycopg.connect(town.stack.database_url(f"{service}_owner"), autocommit=True)


def one(town, service, query, *arguments):
    with owner(town, service) as conn:
        return conn.execute(query.encode(), arguments).fetchone()[0]


@contextlib.contextmanager
def locked(town, service, table):
    """Hold a lock that lets others read the table but makes every writer wait."""
    with psycopg.connect(town.stack.database_url(f"{service}_owner")) as conn:
        conn.execute(f"LOCK TABLE {service}.{table} IN SHARE MODE".encode())
        yield conn
        conn.rollback()


def somebody_waits(town, table):
    """Whether a backend waits for a lock on the table."""
    with psycopg.connect(town.stack.database_url("postgres"), autocommit=True) as conn:
        row = conn.execute(
            "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE NOT l.granted AND c.relname = %s",
            (table,),
        ).fetchone()
    return row[0] > 0


def assert_whole(town):
    """All promises, looked at from the databases."""
    for service in SERVICES:
        until(
            lambda s=service: (
                one(town, s, f"SELECT count(*) FROM {s}.outbox WHERE created_at < now() - interval '1 second'") == 0
            ),
            90,
        )
    # Nothing twice, no hole in the log.
    count, distinct, last = (
        one(town, "audit", f"SELECT {what} FROM audit.entries")
        for what in ("count(*)", "count(DISTINCT event_id)", "max(leaf_index)")
    )
    assert count == distinct == last + 1
    # No missing number of any source, no missing version of any aggregate.
    auditor = town.person("auditor")

    def complete():
        sources = auditor.get("/audit/sources")
        return sources["gaps"] == [] and all(source["missing"] == [] for source in sources["items"])

    until(complete, 60, patient_with=AWAY)
    with owner(town, "documents") as conn:
        rows = conn.execute(
            "SELECT register, symbol, fiscal_year, array_agg(number ORDER BY number) FROM documents.numbers"
            " GROUP BY register, symbol, fiscal_year"
        ).fetchall()
    for *_, numbers in rows:
        assert numbers == list(range(1, len(numbers) + 1))
    # What approvals decided is what documents shows.
    with owner(town, "approvals") as conn:
        decided = conn.execute("SELECT document_id::text FROM approvals.cases WHERE state = 'decided'").fetchall()
    with owner(town, "documents") as conn:
        shown = conn.execute(
            "SELECT document_id::text FROM documents.documents WHERE state IN ('decided', 'enforced', 'completed')"
        ).fetchall()
    assert sorted(decided) == sorted(shown)


def submitted_while(town, breaking):
    """Submit a document while `breaking` holds; returns its id."""
    document = town.draft()
    town.attach(document["id"])
    clerk = town.person("clerk")
    plan = clerk.post(f"/documents/{document['id']}/route", {})
    _, etag = clerk.document(document["id"])
    with breaking:
        clerk.post(f"/documents/{document['id']}/submit", {"route_plan_id": plan["route_plan_id"]}, etag=etag)
    return document["id"]


def cases_of(town, document_id):
    return one(town, "approvals", "SELECT count(*) FROM approvals.cases WHERE document_id = %s", document_id)


def test_killed_after_the_commit_and_before_the_publish(town):
    """The event waits in the outbox; the broker was away when the process died."""
    town.stack.kill("nats")
    document_id = submitted_while(town, contextlib.nullcontext())
    town.stack.kill("documents-1")
    assert cases_of(town, document_id) == 0
    town.stack.start_one("nats")
    town.stack.start_one("documents-1")
    until(lambda: cases_of(town, document_id) == 1, 60)


def test_killed_after_the_publish_and_before_the_mark(town):
    """The event is with the broker, the outbox does not know it yet: it is sent again and applied once."""
    town.stack.kill("nats")
    document_id = submitted_while(town, contextlib.nullcontext())
    with locked(town, "documents", "outbox"):
        town.stack.start_one("nats")
        until(lambda: cases_of(town, document_id) == 1, 60)
        town.stack.kill("documents-1")
        assert one(town, "documents", "SELECT count(*) FROM documents.outbox") > 0
    town.stack.start_one("documents-1")
    until(lambda: one(town, "documents", "SELECT count(*) FROM documents.outbox WHERE attempts > 0") >= 0, 30)
    assert_whole(town)
    assert cases_of(town, document_id) == 1


def test_killed_after_the_effect_and_before_the_acknowledgement(town):
    """The case is open, the broker never heard so: delivered again, nothing happens twice."""
    town.stack.stop_one("approvals-1")
    with contextlib.ExitStack() as late:
        document = town.draft()
        town.attach(document["id"])
        # The route was planned while approvals still ran.
        town.stack.start_one("approvals-1")
        clerk = town.person("clerk")
        plan = until(lambda: clerk.post(f"/documents/{document['id']}/route", {}), patient_with=AWAY)
        _, etag = clerk.document(document["id"])
        late.enter_context(locked(town, "approvals", "inbox"))
        clerk.post(f"/documents/{document['id']}/submit", {"route_plan_id": plan["route_plan_id"]}, etag=etag)
        until(lambda: somebody_waits(town, "inbox"), 30)
        town.stack.kill("nats")
    until(lambda: cases_of(town, document["id"]) == 1, 30)
    town.stack.kill("approvals-1")
    town.stack.start_one("nats")
    town.stack.start_one("approvals-1")
    assert_whole(town)
    assert cases_of(town, document["id"]) == 1


def test_killed_in_the_middle_of_a_recorders_batch(town):
    """The reader got nothing; the epoch is closed as recovered with what the database holds."""
    document = town.draft()
    clerk = town.person("clerk")
    clerk.document(document["id"])
    with concurrent.futures.ThreadPoolExecutor(8) as pool, locked(town, "documents", "record_epochs"):
        reads = [pool.submit(_try, clerk, document["id"]) for _ in range(8)]
        until(lambda: somebody_waits(town, "record_epochs"), 20)
        town.stack.kill("documents-1")
        answers = [read.result() for read in reads]
    assert all(document["title"] not in text for _, text in answers)
    assert {status for status, _ in answers} <= {503, 504}
    town.stack.start_one("documents-1")
    until(lambda: _try(clerk, document["id"])[0] == 200, 30)
    until(
        lambda: one(town, "documents", "SELECT count(*) FROM documents.record_epochs WHERE state = 'recovered'") > 0, 60
    )


def _try(person, document_id):
    try:
        response = person.http.get(f"/api/v1/documents/{document_id}")
    except httpx2.TransportError:
        return 503, ""
    return response.status_code, response.text


def half_an_upload(town, document_id, size=24 * MIB):
    """Send half of the announced bytes and keep the connection open."""
    url = urlsplit(town.stack.url)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    connection.putrequest("POST", f"/api/v1/documents/{document_id}/attachments?filename=half.bin")
    connection.putheader("Authorization", f"Bearer {town.person('clerk').token}")
    connection.putheader("Content-Type", "application/octet-stream")
    connection.putheader("Content-Length", str(size))
    connection.endheaders()
    connection.send(hashlib.shake_256(b"half").digest(size // 2))
    return connection


def nothing_orphaned(town):
    """Every object version in the bucket belongs to a row, and no multipart upload is left."""
    store, bucket = town.stack.s3("admin"), town.stack.bucket
    stored = {
        (item.object_name, item.version_id) for item in store.list_objects(bucket, recursive=True, include_version=True)
    }
    with owner(town, "documents") as conn:
        known = set(
            conn.execute(
                "SELECT object_key, version_id FROM documents.attachments"
                " UNION SELECT object_key, version_id FROM documents.manifests"
            ).fetchall()
        )
    return stored <= known and not store._list_multipart_uploads(bucket, prefix="").uploads


@pytest.mark.parametrize("victim", ["documents-1", "gateway-1", "store"])
def test_killed_in_the_middle_of_an_upload(town, victim):
    """Nothing visible; the sweeper leaves nothing orphaned in the store."""
    document = town.draft()
    connection = half_an_upload(town, document["id"])
    until(lambda: _bytes_in_flight(town) or True, 5)
    town.stack.kill(victim)
    connection.close()
    town.stack.start_one(victim)
    clerk = town.person("clerk")
    until(lambda: clerk.document(document["id"])[0]["attachments"] == [], 30, patient_with=AWAY)
    until(lambda: nothing_orphaned(town), 90)
    until(lambda: town.attach(document["id"]), 30, patient_with=AWAY)


def _bytes_in_flight(town):
    return town.stack.s3("admin")._list_multipart_uploads(town.stack.bucket, prefix="").uploads


def test_the_broker_stopped_and_its_data_wiped(town):
    """The outboxes refill it: nothing is lost, sessions are made anew by logging in."""
    document_id, case_id = town.circulating()
    town.stack.stop_one("nats")
    town.act("chief", case_id, "approve")
    town.stack.wipe_nats()
    town.stack.start_one("nats")
    town.act("deputy", case_id, "approve")
    town.act("head", case_id, "decide")
    until(lambda: town.locked(document_id), 60, patient_with=AWAY)


def test_the_database_restarted_under_load(town):
    """Clear errors meanwhile, recovery without a hand, and every served read has its record."""
    document_id, _ = town.circulating()
    clerk = town.person("clerk")
    served, refused, stop = [], [], False

    def read():
        while not stop:
            try:
                response = clerk.http.get(f"/api/v1/documents/{document_id}")
            except httpx2.TransportError as error:
                refused.append(type(error).__name__)
                continue
            if response.status_code == 200:
                served.append(response.headers["x-access-record"])
            else:
                refused.append(response.status_code)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read) for _ in range(8)]
        try:
            until(lambda: len(served) > 100, 30)
            town.stack.kill("postgres")
            town.stack.start_one("postgres")
            count = len(served)
            until(lambda: len(served) > count + 100, 60)
        finally:
            stop = True
        for reader in readers:
            reader.result()
    assert set(refused) <= {503, 504}, set(refused)
    auditor = town.person("auditor")

    def logged():
        entries = auditor.items("/audit/entries", document=document_id, action="document.viewed", limit=500)
        return set(served) <= {access_record(entry) for entry in entries}

    until(logged, 60, patient_with=AWAY)


def test_the_store_down(town):
    """Registration goes on, content says clearly that it is away, and the lock of a decision catches up."""
    document_id, case_id = town.circulating()
    town.act("chief", case_id, "approve")
    town.act("deputy", case_id, "approve")
    clerk = town.person("clerk")
    attachment = clerk.document(document_id)[0]["attachments"][0]["id"]
    town.stack.kill("store")
    try:
        response = clerk.http.get(f"/api/v1/documents/{document_id}/attachments/{attachment}/content")
        assert (response.status_code, response.json()["reason"]) == (503, "STORE_UNAVAILABLE")
        draft = town.draft()
        with pytest.raises(Refused) as caught:
            town.attach(draft["id"])
        assert caught.value.status == 503
        town.act("head", case_id, "decide")
        until(lambda: clerk.document(document_id)[0]["state"] == "decided", 30)
        assert not town.locked(document_id)
    finally:
        town.stack.start_one("store")
    until(lambda: town.locked(document_id), 60, patient_with=AWAY)
    town.attach(draft["id"])


def test_killed_again_and_again_while_work_goes_on(town):
    """Random processes die under mixed work; in the end all is whole (see whole_again)."""
    chance = random.Random(20261123)
    stop = False
    done: list[str] = []
    served: list[tuple[str, str]] = []
    odd: list[Refused] = []

    def work():
        while not stop:
            try:
                document = town.draft()
                _, case_id = document["id"], town.person("clerk").submit(document["id"])["case_id"]
                town.act("chief", case_id, "approve")
                response = town.person("chief").request("GET", f"/documents/{document['id']}")
                served.append((document["id"], response.headers["x-access-record"]))
                done.append(case_id)
            except Refused as refusal:
                odd.extend([refusal] if refusal.status not in AWAY else [])
            except (httpx2.TransportError, AssertionError, LookupError):
                # No answer, or patience ended while something was down: the person tries again.
                pass

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(work) for _ in range(3)]
        try:
            for _ in range(10):
                victim = chance.choice(["documents-1", "approvals-1", "audit-1", "gateway-1", "nats", "postgres"])
                time.sleep(chance.random())
                town.stack.kill(victim)
                town.stack.start_one(victim)
            count = len(done)
            until(lambda: len(done) > count, 60)
        finally:
            stop = True
        for worker in workers:
            worker.result()
    assert odd == []
    assert_whole(town)
    auditor = town.person("auditor")
    for document_id, reference in served:
        entries = auditor.items("/audit/entries", document=document_id)
        assert reference in {access_record(entry) for entry in entries}
