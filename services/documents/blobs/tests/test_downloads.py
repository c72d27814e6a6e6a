"""Downloads: any range, nothing unauthenticated, the reader's pace, and an end when the reader goes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from services.documents.blobs import (
    Damaged,
    DocumentKey,
    MountedKeys,
    NotFound,
    ObjectStore,
    StoreConfig,
    StoreUnavailable,
    Uploaded,
    download,
    new_document_key,
    open_document_key,
    upload,
)
from services.documents.blobs.downloads import CHUNK
from services.documents.blobs.tests.conftest import Wired, eventually, in_chunks

MIB = 1024 * 1024
SIZE = 6 * MIB + 4321
ITEM = str(uuid.uuid4())


class Sample:
    """One stored attachment of six segments and two parts."""

    def __init__(self, store: ObjectStore, key: DocumentKey, data: bytes, up: Uploaded) -> None:
        self.store, self.key, self.data, self.up = store, key, data, up

    async def read(self, offset: int = 0, length: int | None = None) -> list[bytes]:
        stream = download(
            self.store, self.key, ITEM, self.up.object_key, self.up.version_id, offset=offset, length=length
        )
        return [chunk async for chunk in stream]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sample(config: StoreConfig, keys: MountedKeys) -> AsyncIterator[Sample]:
    store = ObjectStore(config)
    document_id = str(uuid.uuid4())
    key = await open_document_key(keys, await new_document_key(keys, document_id), document_id)
    data = os.urandom(SIZE)
    up = await upload(store, key, ITEM, in_chunks(data), limit=SIZE)
    yield Sample(store, key, data, up)
    await store.delete_version(up.object_key, up.version_id)
    await store.close()


BORDERS = sorted({max(0, at + d) for at in (0, CHUNK, MIB, 5 * MIB, SIZE) for d in (-73, -57, -17, -1, 0, 1, 16)})
PLACES = st.one_of(st.integers(0, SIZE + MIB), st.sampled_from(BORDERS))


@settings(max_examples=80, deadline=None)
@given(offset=PLACES, length=st.one_of(st.none(), PLACES))
async def test_any_range_is_the_slice(sample: Sample, offset: int, length: int | None) -> None:
    chunks = await sample.read(offset, length)
    end = None if length is None else offset + length
    assert b"".join(chunks) == sample.data[offset:end]
    assert all(0 < len(chunk) <= CHUNK for chunk in chunks)


async def test_what_was_handed_on_is_counted_once_and_what_was_only_opened_is_not(sample: Sample) -> None:
    """The count beside the records: a reader who was refused after the first bytes were fetched has seen none."""
    before = sample.store.served.count("attachment")
    stream = download(sample.store, sample.key, ITEM, sample.up.object_key, sample.up.version_id)
    async with contextlib.aclosing(stream):
        assert await anext(stream)
    assert sample.store.served.count("attachment") == before
    await sample.read()
    await sample.read(0, 1)
    assert sample.store.served.count("attachment") == before + 2


async def test_negative_ranges_are_refused(sample: Sample) -> None:
    with pytest.raises(ValueError, match="negative"):
        await sample.read(-1)
    with pytest.raises(ValueError, match="negative"):
        await sample.read(0, -1)


async def test_what_is_not_there(sample: Sample) -> None:
    store = sample.store
    gone = await store.put_small(b"x", "canary")
    await store.delete_version(gone.object_key, gone.version_id)
    with pytest.raises(NotFound):
        await anext(download(store, sample.key, ITEM, gone.object_key, gone.version_id))


async def test_wrong_item_or_key(sample: Sample, key: DocumentKey) -> None:
    place = (sample.up.object_key, sample.up.version_id)
    with pytest.raises(Damaged):
        await anext(download(sample.store, sample.key, str(uuid.uuid4()), *place))
    with pytest.raises(Damaged):
        await anext(download(sample.store, key, ITEM, *place))


async def test_older_version_stays_readable_under_the_same_name(sample: Sample) -> None:
    """Somebody with the application's key writes over the name: the row names the version, so nothing changes."""
    store, up = sample.store, sample.up
    newer = await store.run(store.s3.put, store.config.bucket, up.object_key, b"overwritten")
    assert b"".join(await sample.read()) == sample.data
    await store.delete_version(up.object_key, str(newer))


async def stored_ciphertext(sample: Sample) -> bytes:
    def read() -> bytes:
        response = sample.store.s3.get_object(
            sample.store.config.bucket, sample.up.object_key, version_id=sample.up.version_id
        )
        try:
            return response.read()
        finally:
            response.close()

    return await sample.store.run(read)


@pytest.mark.parametrize(
    ("cut", "flip"),
    [(0, None), (39, None), (MIB, None), (5 * MIB, None), (-1, None), (None, 3), (None, MIB + 5), (None, -1)],
)
async def test_altered_or_cut_content_in_the_store(sample: Sample, cut: int | None, flip: int | None) -> None:
    store = sample.store
    altered = bytearray(await stored_ciphertext(sample))[:cut]
    if flip is not None:
        altered[flip] ^= 1
    name = f"canary/{uuid.uuid4()}"
    version_id = str(await store.run(store.s3.put, store.config.bucket, name, bytes(altered)))
    received = bytearray()
    with pytest.raises(Damaged):
        async for chunk in download(store, sample.key, ITEM, name, version_id):
            received += chunk
    assert sample.data.startswith(received)
    assert len(received) < SIZE
    await store.delete_version(name, version_id)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def big(config: StoreConfig, sample: Sample) -> AsyncIterator[Uploaded]:
    """64 MiB, more than all buffers on the way hold."""
    store = ObjectStore(config)
    up = await upload(store, sample.key, ITEM, in_chunks(bytes(64 * MIB)), limit=64 * MIB)
    yield up
    await store.delete_version(up.object_key, up.version_id)
    await store.close()


async def test_lost_connection_is_not_taken_for_damage(wired: Wired, sample: Sample, big: Uploaded) -> None:
    wired.wire.cut_after_store_bytes = 9 * MIB
    received = 0
    with pytest.raises(StoreUnavailable):
        async for chunk in download(wired.store, sample.key, ITEM, big.object_key, big.version_id):
            received += len(chunk)
    assert 0 < received < 10 * MIB


async def test_reader_sets_the_pace(wired: Wired, sample: Sample, big: Uploaded) -> None:
    async with contextlib.aclosing(download(wired.store, sample.key, ITEM, big.object_key, big.version_id)) as stream:
        await anext(stream)
        seen = -1
        async with asyncio.timeout(10):
            while seen != wired.wire.sent_by_store:  # until the store waits for us
                seen = wired.wire.sent_by_store
                await asyncio.sleep(0.3)
        assert seen < 24 * MIB  # ours is 4 MiB; the rest are the sockets' own buffers
        rest = [len(chunk) async for chunk in stream]
    assert sum(rest) == 64 * MIB - CHUNK


async def test_reader_that_stops_ends_the_transfer(wired: Wired, sample: Sample, big: Uploaded) -> None:
    stream = download(wired.store, sample.key, ITEM, big.object_key, big.version_id)
    await anext(stream)
    await stream.aclose()
    await eventually(lambda: wired.wire.open_connections == 0, seconds=2)
    assert wired.wire.sent_by_store < 32 * MIB
    # The pool is not left with a connection that has half an answer in it.
    assert len(await wired.store.get_small(*(await stored_small(wired.store)))) == 3


async def stored_small(store: ObjectStore) -> tuple[str, str]:
    item = await store.put_small("記".encode(), "canary")
    return item.object_key, item.version_id


async def test_cancelled_while_waiting_for_the_store(wired: Wired, sample: Sample, big: Uploaded) -> None:
    async def read_all() -> None:
        stream = download(wired.store, sample.key, ITEM, big.object_key, big.version_id)
        async with contextlib.aclosing(stream):
            async for _ in stream:
                await asyncio.sleep(0.01)

    task = asyncio.create_task(read_all())
    await eventually(lambda: wired.wire.sent_by_store > MIB)
    started = asyncio.get_running_loop().time()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert asyncio.get_running_loop().time() - started < 0.2
    await eventually(lambda: wired.wire.open_connections == 0, seconds=2)


async def test_slow_readers_hold_no_thread(sample: Sample, big: Uploaded) -> None:
    store = sample.store
    streams = [
        download(store, sample.key, ITEM, big.object_key, big.version_id) for _ in range(store.config.threads + 4)
    ]
    for stream in streams:
        await anext(stream)
    assert b"".join(await asyncio.wait_for(sample.read(), 10)) == sample.data
    for stream in streams:
        await stream.aclose()
