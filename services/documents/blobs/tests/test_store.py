"""Small objects, locks, listings and failures of the store, against the store of the embedded stack."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import socket
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.documents.blobs import (
    NotFound,
    ObjectStore,
    StoreConfig,
    StoreRefused,
    StoreUnavailable,
)
from services.documents.blobs.store import new_object_key

MANIFEST = '{"件名":"個人情報ファイル簿の公表について","番号":"箕総第123号"}'.encode()
JST = timezone(timedelta(hours=9))


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_bucket_is_fit(store: ObjectStore) -> None:
    await store.ready()


async def test_small_object_round_trip(store: ObjectStore) -> None:
    item = await store.put_small(MANIFEST, "manifest")
    assert item.size == len(MANIFEST)
    assert item.sha256 == hashlib.sha256(MANIFEST).hexdigest()
    assert await store.get_small(item.object_key, item.version_id) == MANIFEST
    await store.delete_version(item.object_key, item.version_id)
    with pytest.raises(NotFound):
        await store.get_small(item.object_key, item.version_id)
    await store.delete_version(item.object_key, item.version_id)  # gone already is fine


async def test_names_are_random_and_say_nothing() -> None:
    names = {new_object_key("manifest") for _ in range(1000)}
    assert len(names) == 1000
    assert all(name.startswith("manifest/") and len(name) == len("manifest/") + 40 for name in names)


async def test_small_has_a_limit(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="too long"):
        await store.put_small(bytes(5 * 1024 * 1024), "manifest")


async def test_deleting_needs_a_version(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="version"):
        await store.delete_version("manifest/x", "")


async def test_retention_only_grows(store: ObjectStore) -> None:
    item = await store.put_small(MANIFEST, "canary")
    bare = await store.retention_of(item.object_key, item.version_id)
    assert (bare.until, bare.mode, bare.legal_hold) == (None, None, False)

    first = soon(3)
    held = await store.retain(item.object_key, item.version_id, first)
    assert first <= held < first + timedelta(seconds=1)
    assert held.microsecond == 0
    assert await store.retain(item.object_key, item.version_id, held.astimezone(JST)) == held  # the job runs again

    later = await store.retain(item.object_key, item.version_id, held + timedelta(seconds=1))
    assert later == held + timedelta(seconds=1)
    with pytest.raises(StoreRefused) as refused:
        await store.retain(item.object_key, item.version_id, held)
    assert refused.value.code == "shorter"
    now = await store.retention_of(item.object_key, item.version_id)
    assert (now.until, now.mode) == (later, "COMPLIANCE")
    with pytest.raises(StoreRefused):
        await store.delete_version(item.object_key, item.version_id)
    assert await store.get_small(item.object_key, item.version_id) == MANIFEST
    await deleted_after_expiry(store, item.object_key, item.version_id)


async def deleted_after_expiry(store: ObjectStore, object_key: str, version_id: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                return await store.delete_version(object_key, version_id)
            except StoreRefused:
                await asyncio.sleep(0.2)


async def test_retention_date_needs_a_zone(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="zone"):
        await store.retain("manifest/x", "v", datetime(2031, 3, 31))


async def test_retention_in_the_past_is_refused(store: ObjectStore) -> None:
    item = await store.put_small(MANIFEST, "canary")
    with pytest.raises(StoreRefused):
        await store.retain(item.object_key, item.version_id, soon(-60))
    await store.delete_version(item.object_key, item.version_id)


async def test_legal_hold(store: ObjectStore) -> None:
    item = await store.put_small(MANIFEST, "canary")
    await store.legal_hold(item.object_key, item.version_id, on=True)
    assert (await store.retention_of(item.object_key, item.version_id)).legal_hold
    with pytest.raises(StoreRefused):
        await store.delete_version(item.object_key, item.version_id)
    await store.legal_hold(item.object_key, item.version_id, on=False)
    await store.delete_version(item.object_key, item.version_id)


async def test_locking_what_is_not_there(store: ObjectStore) -> None:
    item = await store.put_small(MANIFEST, "canary")
    await store.delete_version(item.object_key, item.version_id)
    with pytest.raises(NotFound):
        await store.retain(item.object_key, item.version_id, soon(60))
    with pytest.raises(NotFound):
        await store.retention_of(item.object_key, item.version_id)


async def test_listing_versions_markers_and_age(store: ObjectStore) -> None:
    item = await store.put_small(MANIFEST, "canary")
    await store.run(store.s3.remove_object, store.config.bucket, item.object_key)  # a marker, as a stranger would write
    found = [v async for v in store.list_versions(item.object_key, soon(60))]
    assert sorted((v.is_marker, v.size) for v in found) == [(False, len(MANIFEST)), (True, 0)]
    assert {v.object_key for v in found} == {item.object_key}
    assert item.version_id in {v.version_id for v in found}
    assert [v async for v in store.list_versions(item.object_key, soon(-60))] == []
    for version in found:
        await store.delete_version(version.object_key, version.version_id)
    assert [v async for v in store.list_versions(item.object_key, soon(60))] == []


async def test_listing_over_more_than_one_page(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.documents.blobs.store._PAGE", 5)
    items = [await store.put_small(b"x", "canary") for _ in range(12)]
    names = [v.object_key async for v in store.list_versions("canary/", soon(60))]
    assert {item.object_key for item in items} <= set(names)
    assert names == sorted(names)
    await asyncio.gather(*(store.delete_version(item.object_key, item.version_id) for item in items))


async def test_incomplete_uploads_are_found_and_aborted(store: ObjectStore) -> None:
    name = new_object_key("canary")
    upload_id = await store.run(store.s3.create_multipart, store.config.bucket, name)
    await store.run(store.s3.put_part, store.config.bucket, name, upload_id, 1, bytes(5 * 1024 * 1024))
    found = [u async for u in store.list_incomplete("canary/", soon(60)) if u.object_key == name]
    assert [u.upload_id for u in found] == [upload_id]
    assert [u async for u in store.list_incomplete("canary/", soon(-60)) if u.object_key == name] == []
    await store.abort_incomplete(found[0])
    assert [u async for u in store.list_incomplete("canary/", soon(60)) if u.object_key == name] == []


@pytest.mark.parametrize("field", ["access_key", "secret_key"])
async def test_wrong_credentials_are_unavailable_not_missing(config: StoreConfig, field: str) -> None:
    store = ObjectStore(dataclasses.replace(config, **{field: "wrong-but-well-formed"}))
    with pytest.raises(StoreUnavailable):
        await store.get_small("manifest/x", "v")
    with pytest.raises((StoreUnavailable, StoreRefused)):
        await store.ready()
    await store.close()


async def test_another_bucket_is_not_ours(config: StoreConfig) -> None:
    store = ObjectStore(dataclasses.replace(config, bucket="another-city"))
    with pytest.raises((StoreUnavailable, StoreRefused)):
        await store.get_small("manifest/x", "v")
    with pytest.raises((StoreUnavailable, StoreRefused)):
        await store.ready()
    await store.close()


async def test_store_that_is_down(config: StoreConfig) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = ObjectStore(dataclasses.replace(config, endpoint=f"http://127.0.0.1:{port}"))
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.put_small(b"x", "canary")
    assert time.monotonic() - started < 2  # no retries
    await store.close()


async def test_store_that_accepts_and_never_answers(config: StoreConfig) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        store = ObjectStore(dataclasses.replace(config, endpoint=endpoint, read_timeout=0.3))
        with pytest.raises(StoreUnavailable):
            await store.put_small(b"x", "canary")
        await store.close()


async def test_something_else_listens_there(config: StoreConfig) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store = ObjectStore(dataclasses.replace(config, endpoint=f"http://127.0.0.1:{port}"))
    with pytest.raises(StoreUnavailable):
        await store.put_small(b"x", "canary")  # it said 200, and gave no version
    with pytest.raises(StoreUnavailable):
        await store.retention_of("canary/x", "v")
    await store.close()
    server.close()


@pytest.mark.parametrize("endpoint", ["", "127.0.0.1:9000", "ftp://x", "https://", "http://x/path"])
def test_malformed_endpoint(config: StoreConfig, endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        ObjectStore(dataclasses.replace(config, endpoint=endpoint))


def test_the_secret_is_not_printed(config: StoreConfig) -> None:
    assert config.secret_key not in repr(config)
