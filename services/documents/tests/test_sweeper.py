"""The sweeper proves that nothing is orphaned, and touches nothing that a row names or that is still young."""

from __future__ import annotations

import datetime as dt

from chassis import clock, db
from services.documents import attachment_store, sweeper
from services.documents.blobs import new_document_key, open_document_key, upload
from services.documents.tests.conftest import House

SOON = dt.timedelta(minutes=5)


async def versions(house: House) -> set[tuple[str, str]]:
    """Every object version there is."""
    blobs, far = house.service.blobs, clock.now() + SOON
    return {
        (version.object_key, version.version_id)
        for prefix in sweeper.PREFIXES
        for version in [v async for v in blobs.list_versions(prefix, far)]
    }


async def orphan(house: House) -> tuple[str, str]:
    """A process died after its upload and before its row."""
    document_id, attachment_id = clock.new_id(), clock.new_id()
    wrapped = await new_document_key(house.service.keys, document_id)
    key = await open_document_key(house.service.keys, wrapped, document_id)

    async def chunks():
        yield b"orphan"

    made = await upload(house.service.blobs, key, attachment_id, chunks(), limit=100)
    return made.object_key, made.version_id


async def test_it_removes_orphans_and_nothing_else(house: House) -> None:
    draft = await house.drafter.draft()
    await house.drafter.upload(draft.document_id, b"kept")
    completed = await house.completed()
    before = await versions(house)
    lost = await orphan(house)
    stored = await house.service.blobs.put_small(b"manifest of a transaction that failed", "manifest")
    assert await versions(house) == before | {lost, (stored.object_key, stored.version_id)}
    # Young ones may belong to an upload that is about to commit.
    await sweeper.sweep(house.pool, house.service.blobs, clock.now() - dt.timedelta(hours=1))
    assert lost in await versions(house)
    swept = await sweeper.sweep(house.pool, house.service.blobs, clock.now() + SOON)
    assert swept.orphans >= 2
    named = {
        tuple(row)
        for row in await house.rows(
            "SELECT object_key, version_id FROM attachments UNION SELECT object_key, version_id FROM manifests"
        )
    }
    left = await versions(house)
    assert named & before <= left
    assert not {lost, (stored.object_key, stored.version_id)} & left
    assert (await house.drafter.call("GetManifest", document_id=completed.document_id)).manifest


async def test_unfinished_multiparts_and_dead_uploads_go(house: House) -> None:
    s3 = house.service.blobs.s3
    draft = await house.drafter.draft()
    upload_id = await house.service.blobs.run(s3.create_multipart, house.engines.bucket, "content/" + "a" * 40)
    assert upload_id
    async with db.transaction(house.pool) as conn:
        await attachment_store.begin_upload(
            conn, clock.new_id(), draft.document_id, "S0072", clock.now() - dt.timedelta(hours=3)
        )
    swept = await sweeper.sweep(house.pool, house.service.blobs, clock.now() + SOON)
    assert swept.incomplete >= 1
    assert swept.uploads >= 1
    assert await house.rows("SELECT 1 FROM uploads") == []
    assert [u async for u in house.service.blobs.list_incomplete("content/", clock.now() + SOON)] == []


async def test_removed_attachments_leave_the_store(house: House) -> None:
    draft = await house.drafter.draft()
    attachment = (await house.drafter.upload(draft.document_id, b"mistake")).attachment
    (key,) = await house.rows(
        "SELECT object_key, version_id FROM attachments WHERE attachment_id = %s", attachment.attachment_id
    )
    current = await house.drafter.see(draft.document_id)
    await house.drafter.call(
        "RemoveAttachment",
        document_id=draft.document_id,
        attachment_id=attachment.attachment_id,
        expected_version=current.version,
    )
    assert key in await versions(house)
    assert await sweeper.delete_discarded(house.pool, house.service.blobs) >= 1
    assert key not in await versions(house)
    assert await house.rows("SELECT 1 FROM object_discards") == []
