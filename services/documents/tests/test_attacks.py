"""I3: a completed document never changes; not through SQL as the application, not with its key to the store.

The attacker here is the application itself: its own database role and its own S3 credentials.
"""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass

import psycopg
import pytest
import pytest_asyncio
from minio.commonconfig import COMPLIANCE, GOVERNANCE
from minio.error import S3Error
from minio.retention import Retention

from services.documents.tests.conftest import House, snapshot

REFUSED = (psycopg.errors.IntegrityConstraintViolation, psycopg.errors.InsufficientPrivilege)


@dataclass
class Target:
    """A completed document and a decided one."""

    house: House
    completed: str
    decided: str

    async def attack(self, statement: str) -> None:
        """The statement as the application role; {completed} and {decided} are ids."""
        sql = statement.format(completed=self.completed, decided=self.decided)
        async with await psycopg.AsyncConnection.connect(self.house.where.app_url, autocommit=True) as conn:
            await conn.execute("SET search_path = documents")
            await conn.execute(sql.encode())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def target(house: House) -> Target:
    """Both with an attachment, the completed one with everything a document can have."""
    draft = await house.drafter.draft(enforcement_required=False)
    await house.drafter.upload(draft.document_id, b"application form", "申請書.pdf")
    document = await house.drafter.submit(draft)
    await house.decide(document)
    current = await house.drafter.see(draft.document_id)
    await house.drafter.call(
        "AnnotateDocument", document_id=draft.document_id, expected_version=current.version, text="追記"
    )
    await house.drafter.call("CompleteDocument", document_id=draft.document_id, expected_version=current.version + 1)
    await house.locked()
    other = await house.drafter.draft()
    await house.drafter.upload(other.document_id, b"second form", "別紙.pdf")
    other = await house.drafter.submit(other)
    await house.decide(other)
    await house.locked()
    return Target(house, draft.document_id, other.document_id)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE documents SET title = '別の件名', version = version + 1 WHERE document_id = '{completed}'",
        "UPDATE documents SET body = '', version = version + 1 WHERE document_id = '{completed}'",
        "UPDATE documents SET state = 1, version = version + 1 WHERE document_id = '{completed}'",
        "UPDATE documents SET state = 6, version = version + 1 WHERE document_id = '{completed}'",
        "UPDATE documents SET retention_until = '2027-03-31', version = version + 1 WHERE document_id = '{completed}'",
        "UPDATE documents SET manifest_digest = '', version = version + 1 WHERE document_id = '{completed}'",
        "UPDATE documents SET version = version + 1 WHERE document_id = '{completed}'",
        "UPDATE documents SET draft_number = '箕市第9号' WHERE document_id = '{completed}'",
        "DELETE FROM documents WHERE document_id = '{completed}'",
        "UPDATE attachments SET file_name = 'x' WHERE document_id = '{completed}'",
        "UPDATE attachments SET sha256 = repeat('0', 64) WHERE document_id = '{completed}'",
        "UPDATE attachments SET removed_revision = 2 WHERE document_id = '{completed}'",
        "DELETE FROM attachments WHERE document_id = '{completed}'",
        "INSERT INTO attachments SELECT gen_random_uuid(), document_id, 99, 2, NULL, 'x', 'text/plain', 1, sha256,"
        " 'content/x', 'v', true, now(), 'S0001' FROM attachments WHERE document_id = '{completed}'",
        "INSERT INTO annotations SELECT gen_random_uuid(), '{completed}', 'x', 'S0001', now()",
        "UPDATE annotations SET text = 'x' WHERE document_id = '{completed}'",
        "DELETE FROM annotations WHERE document_id = '{completed}'",
        "UPDATE revisions SET content = '', version_digest = '' WHERE document_id = '{completed}'",
        "DELETE FROM revisions WHERE document_id = '{completed}'",
        "INSERT INTO revisions VALUES ('{completed}', 2, '', '', now())",
        "UPDATE manifests SET manifest_digest = '' WHERE document_id = '{completed}'",
        "DELETE FROM manifests WHERE document_id = '{completed}'",
        "INSERT INTO document_receipts VALUES ('{completed}', gen_random_uuid())",
        "UPDATE document_texts SET key = '' WHERE document_id = '{completed}'",
        "DELETE FROM document_texts WHERE document_id = '{completed}'",
        "DELETE FROM document_keys WHERE document_id = '{completed}'",
        "UPDATE document_keys SET wrapped = '' WHERE document_id = '{completed}'",
        "DELETE FROM document_keys WHERE document_id = '{decided}'",
        "UPDATE numbers SET number = number + 1",
        "DELETE FROM numbers",
        "DELETE FROM number_cancellations",
        "DELETE FROM registers",
        "UPDATE history SET staff_id = 'S0001' WHERE document_id = '{completed}'",
        "DELETE FROM history WHERE document_id = '{completed}'",
        "DELETE FROM viewers WHERE document_id = '{completed}'",
        "UPDATE viewers SET principal = 'unit:U-120-02' WHERE document_id = '{completed}'",
        "UPDATE viewers SET valid_to = NULL WHERE document_id = '{completed}' AND valid_to IS NOT NULL",
        "UPDATE receipts SET title = 'x'",
        "DELETE FROM receipts",
        "DELETE FROM cases",
        "UPDATE object_locks SET retain_until = now() WHERE document_id = '{completed}'",
        "DELETE FROM object_locks WHERE document_id = '{completed}'",
        "DELETE FROM content_locks",
        "TRUNCATE history",
        "TRUNCATE documents",
        "DROP TABLE history",
        "ALTER TABLE documents DISABLE TRIGGER ALL",
        "DROP TRIGGER guard ON documents",
        "CREATE OR REPLACE FUNCTION guard_document() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "SET session_replication_role = replica",
        "SET ROLE documents_owner",
        # LC-15: what was decided is not overwritten either.
        "UPDATE documents SET title = '別の件名', version = version + 1 WHERE document_id = '{decided}'",
        "UPDATE documents SET amount = 1, version = version + 1 WHERE document_id = '{decided}'",
        "UPDATE documents SET version_digest = '', version = version + 1 WHERE document_id = '{decided}'",
        "UPDATE documents SET decided_by = 'S0001', version = version + 1 WHERE document_id = '{decided}'",
        "UPDATE documents SET folder_id = 'F', version = version + 1 WHERE document_id = '{decided}'",
        "UPDATE documents SET state = 3, version = version + 1 WHERE document_id = '{decided}'",
        "UPDATE documents SET state = 7 WHERE document_id = '{decided}'",
        "DELETE FROM documents WHERE document_id = '{decided}'",
        "DELETE FROM attachments WHERE document_id = '{decided}'",
        "UPDATE attachments SET removed_revision = 2 WHERE document_id = '{decided}'",
        "INSERT INTO attachments SELECT gen_random_uuid(), document_id, 99, 2, NULL, 'x', 'text/plain', 1, sha256,"
        " 'content/y', 'v', false, now(), 'S0001' FROM attachments WHERE document_id = '{decided}'",
    ],
)
async def test_sql_as_the_application_is_refused(target: Target, statement: str) -> None:
    shown = [await target.house.drafter.see(d) for d in (target.completed, target.decided)]
    with pytest.raises(REFUSED):
        await target.attack(statement)
    assert [await target.house.drafter.see(d) for d in (target.completed, target.decided)] == shown


async def objects(house: House, document_id: str) -> list[tuple[str, str]]:
    """Every object version of a document."""
    rows = await house.rows(
        "SELECT object_key, version_id FROM attachments WHERE document_id = %s"
        " UNION ALL SELECT object_key, version_id FROM manifests WHERE document_id = %s",
        document_id,
        document_id,
    )
    return [(key, version) for key, version in rows]


async def test_the_applications_key_cannot_undo_the_locks(target: Target) -> None:
    house = target.house
    s3, bucket = house.engines.s3("app"), house.engines.bucket
    kept = await objects(house, target.completed)
    assert len(kept) == 4, "the file, two approval sheets, the manifest"
    for key, version in kept + await objects(house, target.decided):
        held = s3.get_object_retention(bucket, key, version)
        assert held is not None
        assert held.mode == COMPLIANCE
        assert held.retain_until_date.year >= 2032
        for attack in (
            lambda k=key, v=version: s3.remove_object(bucket, k, v),
            lambda k=key, v=version, h=held: s3.set_object_retention(
                bucket, k, Retention(COMPLIANCE, h.retain_until_date - dt.timedelta(days=365)), v
            ),
            lambda k=key, v=version, h=held: s3.set_object_retention(
                bucket, k, Retention(GOVERNANCE, h.retain_until_date), v
            ),
        ):
            with pytest.raises(S3Error):
                attack()
        assert s3.get_object_retention(bucket, key, version) == held


async def test_overwriting_and_hiding_an_object_changes_nothing_that_is_read(target: Target) -> None:
    house = target.house
    document = await house.drafter.see(target.completed)
    s3, bucket = house.engines.s3("app"), house.engines.bucket
    for key, _ in await objects(house, target.completed):
        s3.put_object(bucket, key, io.BytesIO(b"forged"), 6)
        s3.remove_object(bucket, key)
    _, content = await house.drafter.read(target.completed, document.attachments[0].attachment_id)
    assert content == b"application form"
    manifest = await house.drafter.call("GetManifest", document_id=target.completed)
    assert manifest.manifest_digest == document.manifest_digest


async def test_no_announcement_moves_a_completed_document(target: Target) -> None:
    house = target.house
    before = await house.drafter.see(target.completed)
    for state in ("sent_back", "withdrawn", "rejected", "circulating", "decided"):
        await house.announce("CaseClosed", snapshot(before, 50 + len(state), state, active=["P-120-02-05"]))
    assert await house.drafter.see(target.completed) == before
