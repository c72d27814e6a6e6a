"""Locks: wanted with the decision, applied whatever happens meanwhile, extended at completion, never shortened."""

from __future__ import annotations

import asyncio
import datetime as dt

from minio.commonconfig import COMPLIANCE

from chassis import clock, db
from kanketsu.documents.v1 import events_pb2
from services.documents import content_locks, domain, retention
from services.documents.blobs import ObjectStore, StoreConfig
from services.documents.content_locks import Locker
from services.documents.tests.conftest import House


async def decided_unlocked(house: House, **given: object) -> str:
    draft = await house.drafter.draft(**given)
    for n in range(2):
        await house.drafter.upload(draft.document_id, f"別紙{n}".encode(), f"別紙{n}.pdf")
    document = await house.drafter.submit(draft)
    await house.decide(document)
    return str(document.document_id)


async def held(house: House, document_id: str) -> list[dt.datetime]:
    """What the store says about every attachment."""
    rows = await house.rows("SELECT object_key, version_id FROM attachments WHERE document_id = %s", document_id)
    found = [await house.service.blobs.retention_of(key, version) for key, version in rows]
    assert all(r.mode in (None, COMPLIANCE) for r in found)
    return [r.until for r in found if r.until is not None]


async def locked_events(house: House, document_id: str) -> list[events_pb2.ContentLocked]:
    rows = await house.rows(
        "SELECT lock_id::text FROM content_locks WHERE document_id = %s ORDER BY wanted_at", document_id
    )
    found = []
    for (lock_id,) in rows:
        for envelope in await house.envelopes(lock_id):
            assert (envelope.aggregate, envelope.aggregate_version) == ("content_lock", 1)
            found.append(events_pb2.ContentLocked.FromString(envelope.payload))
    return found


async def test_the_decision_locks_as_if_completed_that_day(house: House) -> None:
    document_id = await decided_unlocked(house)
    assert await held(house, document_id) == []
    assert not (await house.drafter.see(document_id)).content_locked
    await house.locked()
    until = retention.lock_until("5", domain.day_of(clock.now()))
    assert await held(house, document_id) == [until, until]
    shown = await house.drafter.see(document_id)
    assert shown.content_locked
    assert shown.attachments[0].locked_until.ToDatetime(tzinfo=dt.UTC) == until
    (event,) = await locked_events(house, document_id)
    assert (event.objects, dt.datetime.fromisoformat(event.retain_until)) == (2, until)


async def test_a_document_without_files_is_locked_at_once(house: House) -> None:
    document = await house.decided()
    assert document.content_locked
    events = await locked_events(house, document.document_id)
    assert [event.objects for event in events] == [0, 1], "nothing at the decision, then its approval sheet"


async def test_what_never_expires_is_locked_for_thirty_years_and_moved_on(house: House) -> None:
    clerk = house.person("S0016", "P-020-01-05")
    draft = await clerk.draft(
        class_code="0201-03-01", folder_id="F-2026-0201-03-01", enforcement_required=False, decision_class="body_head"
    )
    await clerk.upload(draft.document_id, b"bill")
    document = await clerk.submit(draft)
    await house.decide(document)
    await house.locked()
    current = await clerk.see(draft.document_id)
    done = (
        await clerk.call("CompleteDocument", document_id=draft.document_id, expected_version=current.version)
    ).document
    assert (done.retention, done.retention_until) == ("perpetual", "")
    await house.locked()
    assert [d.year for d in await held(house, draft.document_id)] == [2057] * 3, "the file and two sheets"
    for _ in range(2):
        async with db.transaction(house.pool) as conn:
            await content_locks.renew(conn, clock.now() + dt.timedelta(days=366))
        await house.locked()
        assert [d.year for d in await held(house, draft.document_id)] == [2058] * 3
    assert len(await locked_events(house, draft.document_id)) == 4


async def test_a_shorter_folder_at_completion_leaves_the_longer_lock(house: House) -> None:
    """Decided in a ten-year folder, completed in a five-year one: what the store holds stays."""
    document_id = await decided_unlocked(
        house, class_code="0403-03-01", folder_id="F-2026-0403-03-01", enforcement_required=False
    )
    await house.locked()
    (long, _) = await held(house, document_id)
    current = await house.drafter.see(document_id)
    await house.drafter.call(
        "CompleteDocument", document_id=document_id, expected_version=current.version, folder_id="F-2026-0403-02-01"
    )
    await house.locked()
    assert await held(house, document_id) == [long, long, long, retention.lock_until("5", domain.day_of(clock.now()))]
    assert (await house.drafter.see(document_id)).content_locked


async def test_while_the_store_is_down_the_decision_stands_and_the_lock_follows(house: House) -> None:
    document_id = await decided_unlocked(house)
    nowhere = ObjectStore(
        StoreConfig(
            endpoint="http://127.0.0.1:9", bucket="kanketsu", access_key="a", secret_key="b", connect_timeout=0.2
        )
    )
    without = Locker(house.pool, house.service.relay, nowhere)
    assert await without.apply_once()
    await nowhere.close()
    assert await locked_events(house, document_id) == []
    postponed = await house.rows(
        "SELECT 1 FROM object_locks WHERE document_id = %s AND next_attempt_at > now() AND attempts = 1", document_id
    )
    assert len(postponed) == 2
    for _ in range(60):
        await house.service.locker.apply_once()
        if len(await held(house, document_id)) == 2:
            break
        await asyncio.sleep(0.1)
    await house.locked()
    assert len(await locked_events(house, document_id)) == 1


async def test_many_lockers_do_the_work_once(house: House) -> None:
    document_ids = [await decided_unlocked(house) for _ in range(3)]
    lockers = [Locker(house.pool, house.service.relay, house.service.blobs) for _ in range(4)]
    for _ in range(4):
        await asyncio.gather(*(locker.apply_once() for locker in lockers))
    for document_id in document_ids:
        assert len(await held(house, document_id)) == 2
        assert len(await locked_events(house, document_id)) == 1


async def test_a_locker_that_died_after_the_store_is_repeated_without_effect(house: House) -> None:
    document_id = await decided_unlocked(house)
    (key, version, until), *_ = await house.rows(
        "SELECT object_key, version_id, retain_until FROM object_locks WHERE document_id = %s", document_id
    )
    # It set the date and died before it could say so.
    await house.service.blobs.retain(key, version, until)
    await house.locked()
    assert await held(house, document_id) == [until, until]
    assert len(await locked_events(house, document_id)) == 1
