"""Uploads: what is stored is what was sent; what is broken leaves nothing."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from services.documents.blobs import DocumentKey, ObjectStore, StoreUnavailable, TooLarge, Uploaded, download, upload
from services.documents.blobs.tests.conftest import Wired, eventually, in_chunks
from services.documents.blobs.uploads import PART_SIZE

MIB = 1024 * 1024
LIMIT = 100 * MIB
Residue = Callable[[], Awaitable[set[str]]]


async def read_back(store: ObjectStore, key: DocumentKey, item_id: str, up: Uploaded) -> bytes:
    stream = download(store, key, item_id, up.object_key, up.version_id)
    return b"".join([chunk async for chunk in stream])


@pytest.mark.parametrize(
    "size",
    # Empty; one segment of the cipher; the borders where one PUT becomes a multipart upload; several parts.
    [0, 1, MIB - 56, MIB, PART_SIZE - 4096, PART_SIZE - 136, PART_SIZE, PART_SIZE + 1, 3 * PART_SIZE + 12345],
)
async def test_what_is_stored_is_what_was_sent(store: ObjectStore, key: DocumentKey, item_id: str, size: int) -> None:
    data = os.urandom(size)
    up = await upload(store, key, item_id, in_chunks(data), limit=LIMIT)
    assert up.size == size
    assert up.sha256 == hashlib.sha256(data).hexdigest()
    assert up.object_key.startswith("content/")
    stat = await store.run(store.s3.stat_object, store.config.bucket, up.object_key, None, up.version_id)
    assert stat.size == up.ciphertext_size > size
    assert await read_back(store, key, item_id, up) == data
    await store.delete_version(up.object_key, up.version_id)


@pytest.mark.parametrize("chunk", [1000, 64 * 1024 + 1, 7 * MIB, 64 * MIB])
async def test_any_chunk_size(store: ObjectStore, key: DocumentKey, item_id: str, chunk: int) -> None:
    data = os.urandom(7 * MIB + 321)
    up = await upload(store, key, item_id, in_chunks(data, chunk), limit=LIMIT)
    assert await read_back(store, key, item_id, up) == data
    await store.delete_version(up.object_key, up.version_id)


async def test_the_store_sees_no_plaintext(store: ObjectStore, key: DocumentKey, item_id: str) -> None:
    secret = "住民税滞納者名簿 髙槻 﨑山".encode()
    up = await upload(store, key, item_id, in_chunks(secret * 1000), limit=LIMIT)
    response = await store.run(store.s3.get_object, store.config.bucket, up.object_key)
    stored = response.read()
    response.close()
    assert len(stored) == up.ciphertext_size
    assert secret not in stored
    await store.delete_version(up.object_key, up.version_id)


@pytest.mark.parametrize("size", [1000, 12 * MIB])
async def test_limit(store: ObjectStore, key: DocumentKey, item_id: str, size: int, residue: Residue) -> None:
    before = await residue()
    data = bytes(size)
    up = await upload(store, key, item_id, in_chunks(data), limit=size)
    await store.delete_version(up.object_key, up.version_id)
    with pytest.raises(TooLarge) as refused:
        await upload(store, key, item_id, in_chunks(data), limit=size - 1)
    assert refused.value.limit == size - 1
    await store.settle()
    assert await residue() == before


class ConnectionLost(Exception):
    """The sender has gone."""


@pytest.mark.parametrize("after", [0, 100_000, 4 * MIB, 12 * MIB, 17 * MIB])
async def test_broken_sender_leaves_nothing(
    store: ObjectStore, key: DocumentKey, item_id: str, after: int, residue: Residue
) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        async for chunk in in_chunks(bytes(after)):
            yield chunk
        raise ConnectionLost

    before = await residue()
    with pytest.raises(ConnectionLost):
        await upload(store, key, item_id, breaking(), limit=LIMIT)
    await store.settle()
    assert await residue() == before


@pytest.mark.parametrize("delay", [0.0, 0.002, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3])
@pytest.mark.parametrize("size", [3 * MIB, 17 * MIB])
async def test_cancelled_at_any_moment_leaves_nothing_or_is_complete(
    store: ObjectStore, key: DocumentKey, item_id: str, size: int, delay: float, residue: Residue
) -> None:
    before = await residue()
    task = asyncio.create_task(upload(store, key, item_id, in_chunks(bytes(size)), limit=LIMIT))
    await asyncio.wait([task], timeout=delay)
    task.cancel()
    (result,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(result, Uploaded):  # it was faster than we
        await store.delete_version(result.object_key, result.version_id)
    else:
        assert isinstance(result, asyncio.CancelledError)
    await store.settle()
    assert await residue() == before


async def test_cancelling_does_not_wait_for_the_store(
    wired: Wired, key: DocumentKey, item_id: str, residue: Residue
) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield bytes(12 * MIB)
        await asyncio.Event().wait()

    before = await residue()
    task = asyncio.create_task(upload(wired.store, key, item_id, stalled(), limit=LIMIT))
    await eventually(lambda: wired.wire.sent_by_us > PART_SIZE)
    started = asyncio.get_running_loop().time()
    task.cancel()
    await asyncio.wait([task])
    assert asyncio.get_running_loop().time() - started < 0.2
    await wired.store.settle()
    assert await residue() == before


async def test_store_lost_while_sending(wired: Wired, key: DocumentKey, item_id: str) -> None:
    wired.wire.cut_after_our_bytes = 8 * MIB
    with pytest.raises(StoreUnavailable):
        await upload(wired.store, key, item_id, in_chunks(bytes(40 * MIB)), limit=LIMIT)
    # What could not be aborted through the cut wire is what the sweeper finds.
    await wired.store.settle()


async def test_many_at_once(store: ObjectStore, key: DocumentKey, item_id: str) -> None:
    contents = [os.urandom(6 * MIB + n) for n in range(6)]
    ups = await asyncio.gather(*(upload(store, key, item_id, in_chunks(c), limit=LIMIT) for c in contents))
    assert [up.sha256 for up in ups] == [hashlib.sha256(c).hexdigest() for c in contents]
    assert len({up.object_key for up in ups}) == len(ups)
    assert await asyncio.gather(*(read_back(store, key, item_id, up) for up in ups)) == contents
    await asyncio.gather(*(store.delete_version(up.object_key, up.version_id) for up in ups))


async def test_slow_senders_hold_no_thread(store: ObjectStore, key: DocumentKey, item_id: str) -> None:
    """Many senders that have stopped in the middle do not keep others from the store."""
    release = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield bytes(6 * MIB)
        await release.wait()

    tasks = [
        asyncio.create_task(upload(store, key, item_id, slow(), limit=LIMIT)) for _ in range(store.config.threads + 4)
    ]
    up = await asyncio.wait_for(upload(store, key, item_id, in_chunks(b"x"), limit=LIMIT), 10)
    release.set()
    for done in [up, *await asyncio.gather(*tasks)]:
        await store.delete_version(done.object_key, done.version_id)
