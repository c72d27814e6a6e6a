"""What Kanketsu relies on in an object store: the same questions to every server (I3, RT-02).

The questions are those operations can ask with `python -m services.documents check-store`. The second half shows that
they notice a store that does not keep its promises.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from minio.commonconfig import GOVERNANCE
from minio.retention import Retention
from minio.versioningconfig import VersioningConfig

from services.documents.blobs import (
    MountedKeys,
    ObjectStore,
    StoreConfig,
    download,
    new_document_key,
    open_document_key,
    upload,
)
from services.documents.check_store import PROBES, Canary, Check, Probe, check_store, line, run_probe
from tests.conformance.conftest import Server

# Building MinIO may be part of the first test.
pytestmark = pytest.mark.timeout(420)

# Probes that MinIO is known to answer otherwise, none of them required. It lists unfinished uploads only by their full
# name, and drops them by itself after a day.
KNOWN = {("minio", "unfinished_by_prefix")}


@pytest.mark.parametrize("probe", PROBES, ids=[probe.name for probe in PROBES])
async def test_store_conforms(server: Server, check: Check, probe: Probe) -> None:
    result = await run_probe(check, probe)
    if (server.name, probe.name) in KNOWN:
        assert not probe.required
        assert not result.ok, "it conforms now: take it out of KNOWN"
        return
    assert result.ok, line(result)


async def test_the_command_says_the_store_is_fit_and_leaves_nothing(server: Server, store: ObjectStore) -> None:
    results = await check_store(store, lock_seconds=3.0)
    lines = [line(result) for result in results]
    assert all(result.ok for result in results if result.required), lines
    assert {result.name for result in results} == {p.name for p in PROBES if not p.scratch_only} | {"clean_up"}
    assert all(text.startswith(("OK  ", "--  ")) for text in lines)
    assert "OK  保存期間中の版は削除できない / locked versions cannot be deleted" in "\n".join(lines)


async def test_readers_that_leave_early_disturb_nobody(server: Server, store: ObjectStore) -> None:
    """Connections cut in the middle of an answer, with and without TLS, are not used again for other requests."""
    document_id, item_id = str(uuid.uuid4()), str(uuid.uuid4())
    keys = MountedKeys({"k1": os.urandom(32)})
    key = await open_document_key(keys, await new_document_key(keys, document_id), document_id)
    data = os.urandom(12 * 1024 * 1024)

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    up = await upload(store, key, item_id, chunks(), limit=len(data))

    async def read(chunks_wanted: int) -> bytes:
        got = bytearray()
        async with aclosing(download(store, key, item_id, up.object_key, up.version_id)) as stream:
            async for chunk in stream:
                got += chunk
                chunks_wanted -= 1
                if chunks_wanted == 0:
                    break
        return bytes(got)

    for wanted in (1, 8, 9, 20, 47):
        early = await asyncio.gather(*(read(wanted) for _ in range(4)), read(1000))
        assert all(data.startswith(part) for part in early)
        assert early[-1] == data
    await store.delete_version(up.object_key, up.version_id)


# --- the probes themselves: a store that breaks a promise is found


class NeverLocked(Check):
    """As if the store had accepted the lock, and not kept it."""

    async def lock(self, canary: Canary) -> Canary:
        until = datetime.now(UTC).replace(microsecond=0) + self.ahead + timedelta(seconds=4)
        return dataclasses.replace(canary, until=until)


class LockedInGovernance(Check):
    """As if the store had made GOVERNANCE of COMPLIANCE: with the bypass header an administrator gets around it."""

    async def lock(self, canary: Canary) -> Canary:
        until = datetime.now(UTC).replace(microsecond=0) + self.ahead + timedelta(seconds=4)
        s3, place = self.store.s3, (self.bucket, canary.object_key)
        await self.store.run(s3.set_object_retention, *place, Retention(GOVERNANCE, until), canary.version_id)
        return dataclasses.replace(canary, until=until)


LOCKS = [p for p in PROBES if p.name in ("locked_delete", "locked_overwrite", "locked_shorten", "locked_downgrade")]


async def test_a_lock_that_is_not_kept_is_noticed(store: ObjectStore) -> None:
    check = NeverLocked(store, lock_seconds=4.0)
    results = [await run_probe(check, probe) for probe in LOCKS]
    assert [line(result) for result in results if not line(result).startswith("NG  ")] == []
    assert await check.clean_up() == []


async def test_deletion_before_the_end_is_noticed(store: ObjectStore) -> None:
    check = NeverLocked(store, lock_seconds=4.0)
    result = await run_probe(check, next(p for p in PROBES if p.name == "expiry"))
    assert not result.ok
    assert "before its time" in result.detail


async def test_a_lock_that_can_be_bypassed_is_noticed(server: Server) -> None:
    admin = ObjectStore(server.admin_access)
    check = LockedInGovernance(admin, lock_seconds=4.0)
    results = [await run_probe(check, probe) for probe in LOCKS]
    assert [line(result) for result in results if result.ok] == []
    assert await check.clean_up() == []
    await admin.close()


async def test_a_key_that_may_too_much_is_noticed(server: Server) -> None:
    admin = ObjectStore(server.admin_access)
    result = await run_probe(Check(admin), next(p for p in PROBES if p.name == "configuration"))
    assert not result.ok
    assert "accepted" in result.detail
    await admin.close()


@pytest.mark.parametrize("versioned", [False, True])
async def test_a_bucket_without_lock_is_noticed(server: Server, versioned: bool) -> None:
    name = f"not-locked-{'versioned' if versioned else 'plain'}"
    server.admin.make_bucket(name)
    if versioned:
        server.admin.set_bucket_versioning(name, VersioningConfig("Enabled"))
    store = ObjectStore(dataclasses.replace(server.admin_access, bucket=name))
    results = await check_store(store)
    assert [(result.name, result.ok) for result in results] == [("bucket", False)]
    await store.close()
    server.admin.remove_bucket(name)


@pytest.mark.parametrize("wrong", ["secret_key", "access_key", "endpoint"])
async def test_no_access_is_said_plainly(server: Server, wrong: str) -> None:
    changed: dict[str, str] = {wrong: "https://127.0.0.1:9" if wrong == "endpoint" else "wrong-but-well-formed"}
    store = ObjectStore(_replaced(server.app, changed))
    (result,) = await check_store(store)
    assert not result.ok
    assert result.name == "bucket"
    assert result.detail
    await store.close()


def _replaced(config: StoreConfig, changed: dict[str, str]) -> StoreConfig:
    return StoreConfig(**(dataclasses.asdict(config) | changed))
