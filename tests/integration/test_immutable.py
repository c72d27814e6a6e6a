"""A completed document never changes, for anyone (I3, LC-14..17): API, SQL as the application, the store's key."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import zipfile

import psycopg
import pytest
from minio.commonconfig import COMPLIANCE, GOVERNANCE
from minio.error import S3Error
from minio.retention import Retention

from deploy.walkthrough.client import Refused
from tests.conftest import PLAN, TODAY
from tests.patience import until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def completed(city):
    return city.completed()[0]


def test_the_api_refuses_every_change(city, completed):
    clerk = city.person("clerk")
    _, etag = clerk.document(completed)
    attempts = [
        ("PATCH", f"/documents/{completed}", {"title": "改ざん"}),
        ("DELETE", f"/documents/{completed}", None),
        ("POST", f"/documents/{completed}/complete", {"completed_on": TODAY, "folder_id": PLAN["folder_id"]}),
        (
            "POST",
            f"/documents/{completed}/enforce",
            {"enforced_on": TODAY, "method": "post", "addressee": "誰か", "collated_by": "S0070"},
        ),
        ("POST", f"/documents/{completed}/submit", {"route_plan_id": "0193e0a0-0000-7000-8000-000000000000"}),
    ]
    for method, path, body in attempts:
        with pytest.raises(Refused) as caught:
            clerk.request(method, path, json=body, headers={"If-Match": etag})
        assert caught.value.status == 409, (method, path, caught.value)
    with pytest.raises(Refused) as caught:
        city.attach(completed)
    assert caught.value.status == 409
    assert clerk.document(completed)[1] == etag


SQL_ATTACKS = (
    "UPDATE documents SET title = '改ざん' WHERE document_id = %s",
    "UPDATE documents SET state = 1 WHERE document_id = %s",
    "UPDATE documents SET retention_until = '2026-12-31' WHERE document_id = %s",
    "UPDATE documents SET manifest_digest = repeat('0', 64) WHERE document_id = %s",
    "UPDATE document_keys SET wrapped = '\\x00' WHERE document_id = %s",
    "DELETE FROM document_keys WHERE document_id = %s",
    "UPDATE manifests SET manifest_digest = repeat('0', 64) WHERE document_id = %s",
    "DELETE FROM manifests WHERE document_id = %s",
    "UPDATE revisions SET content = '\\x00' WHERE document_id = %s",
    "DELETE FROM revisions WHERE document_id = %s",
    "DELETE FROM content_locks WHERE document_id = %s",
    "UPDATE object_locks SET retain_until = now() WHERE document_id = %s",
    "DELETE FROM documents WHERE document_id = %s",
    "UPDATE attachments SET sha256 = repeat('0', 64) WHERE document_id = %s",
    "UPDATE attachments SET file_name = 'x' WHERE document_id = %s",
    "DELETE FROM attachments WHERE document_id = %s",
    "DELETE FROM history WHERE document_id = %s",
    "UPDATE history SET action = 'x' WHERE document_id = %s",
    "DELETE FROM viewers WHERE document_id = %s",
    "DELETE FROM numbers WHERE issued_to = %s",
)


@pytest.mark.parametrize("attack", SQL_ATTACKS)
def test_the_applications_own_role_changes_nothing(city, completed, attack):
    with psycopg.connect(city.stack.database_url("documents_app")) as conn:
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.IntegrityConstraintViolation)):
            conn.execute(attack.encode(), (completed,))
        conn.rollback()


@pytest.fixture(scope="module")
def objects(city, completed):
    with psycopg.connect(city.stack.database_url("documents_owner")) as conn:
        rows = conn.execute(
            "SELECT object_key, version_id FROM documents.attachments WHERE document_id = %s"
            " UNION ALL SELECT object_key, version_id FROM documents.manifests WHERE document_id = %s",
            (completed, completed),
        ).fetchall()
    assert len(set(rows)) >= 2, "an attachment and the manifest"
    store = city.stack.s3()
    until(lambda: all(_retention(store, city, *row) for row in rows))
    return sorted(set(rows))


def _retention(store, city, key, version):
    try:
        return store.get_object_retention(city.stack.bucket, key, version_id=version)
    except S3Error:
        return None


def test_the_retention_reaches_the_day_after_the_period(city, completed, objects):
    until_day = dt.date.fromisoformat(city.person("clerk").document(completed)[0]["retention_until"])
    store = city.stack.s3()

    def reached():
        found = [_retention(store, city, *row) for row in objects]
        return all(r.mode == COMPLIANCE and r.retain_until_date.date() >= until_day for r in found if r is not None)

    until(reached)


def test_the_applications_store_key_changes_nothing(city, objects):
    store, bucket = city.stack.s3(), city.stack.bucket
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    for key, version in objects:
        before = hashlib.sha256(store.get_object(bucket, key, version_id=version).read()).hexdigest()
        with pytest.raises(S3Error):
            store.remove_object(bucket, key, version_id=version)
        with pytest.raises(S3Error):
            store.set_object_retention(bucket, key, Retention(COMPLIANCE, tomorrow), version_id=version)
        with pytest.raises(S3Error):
            store.set_object_retention(bucket, key, Retention(GOVERNANCE, tomorrow), version_id=version)
        after = hashlib.sha256(store.get_object(bucket, key, version_id=version).read()).hexdigest()
        assert before == after


def test_after_the_decision_nothing_is_overwritten_but_notes_may_follow(city):
    """LC-15, LC-16, LC-17."""
    document_id, _ = city.decided()
    clerk = city.person("clerk")
    _, etag = clerk.document(document_id)
    with pytest.raises(Refused) as caught:
        clerk.request("PATCH", f"/documents/{document_id}", json={"body": "書換え"}, headers={"If-Match": etag})
    assert caught.value.status == 409
    with psycopg.connect(city.stack.database_url("documents_app")) as conn:
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
            conn.execute("UPDATE documents SET body = '書換え' WHERE document_id = %s", (document_id,))
        conn.rollback()
    city.write("clerk", document_id, "annotations", {"text": "通知書の発送先住所に枝番を追記"})
    city.attach(document_id)
    document, _ = clerk.document(document_id)
    assert [note["text"] for note in document["annotations"]] == ["通知書の発送先住所に枝番を追記"]
    files = [item for item in document["attachments"] if not item["sheet"]]
    assert [item["added_after_decision"] for item in files] == [False, True]


def test_the_manifest_says_what_was_decided(city, completed):
    """I4: the digest each approver was served is the digest that is kept."""

    content = city.person("clerk").request("GET", f"/documents/{completed}/evidence").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        raw = archive.read("manifest.json")
        manifest = json.loads(raw)
        files = {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if name.startswith("files/")
        }
    document, _ = city.person("clerk").document(completed)
    assert hashlib.sha256(raw).hexdigest() == document["manifest_digest"]
    assert {item["sha256"] for item in manifest["attachments"]} == set(files.values())
    assert [item["sheet"] for item in manifest["attachments"] if item["sheet"]] == ["decided", "completed"]
    digests = {decision["version_digest"] for decision in manifest["decisions"]}
    assert digests == {document["version_digest"]}
    assert [decision["action"] for decision in manifest["decisions"]] == ["approve", "approve", "decide"]
