"""A store of the embedded stack, an opened document key, and a wire that can be cut between us and the store."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from services.documents.blobs import (
    DocumentKey,
    MountedKeys,
    ObjectStore,
    StoreConfig,
    new_document_key,
    open_document_key,
)


@pytest.fixture(scope="session")
def config(engines: Stack) -> StoreConfig:
    """The application's own access to the store of the stack."""
    folder = Path(engines.keys.folder)
    return StoreConfig(
        endpoint=engines.s3_url,
        bucket=engines.bucket,
        access_key=(folder / "s3-app-access-key").read_text().strip(),
        secret_key=(folder / "s3-app-secret-key").read_text().strip(),
        read_timeout=10.0,
    )


@pytest_asyncio.fixture(loop_scope="session")
async def store(config: StoreConfig) -> AsyncIterator[ObjectStore]:
    store = ObjectStore(config)
    yield store
    await store.close()


@pytest.fixture(scope="session")
def keys() -> MountedKeys:
    return MountedKeys({"2026-04": os.urandom(32)})


@pytest_asyncio.fixture(loop_scope="session")
async def key(keys: MountedKeys) -> DocumentKey:
    document_id = str(uuid.uuid4())
    return await open_document_key(keys, await new_document_key(keys, document_id), document_id)


@pytest.fixture
def item_id() -> str:
    return str(uuid.uuid4())


class Wire:
    """A TCP forwarder to the store. Counts what the store sends; cuts every connection when told."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._writers: list[asyncio.StreamWriter] = []
        self.sent_by_store = 0
        self.sent_by_us = 0
        self.open_connections = 0
        self.cut_after_store_bytes: int | None = None
        self.cut_after_our_bytes: int | None = None

    async def serve(self) -> asyncio.Server:
        # A small limit, so that what waits in this process is not taken for what the reader has asked for.
        return await asyncio.start_server(self._forward, "127.0.0.1", 0, limit=64 * 1024)

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        store_reader, store_writer = await asyncio.open_connection(*self._target, limit=64 * 1024)
        self._writers += [writer, store_writer]
        self.open_connections += 1

        async def ours() -> None:
            while data := await reader.read(64 * 1024):
                self.sent_by_us += len(data)
                if self.cut_after_our_bytes is not None and self.sent_by_us > self.cut_after_our_bytes:
                    self.cut()
                    return
                store_writer.write(data)
                await store_writer.drain()

        async def theirs() -> None:
            while data := await store_reader.read(64 * 1024):
                self.sent_by_store += len(data)
                if self.cut_after_store_bytes is not None and self.sent_by_store > self.cut_after_store_bytes:
                    self.cut()
                    return
                writer.write(data)
                await writer.drain()

        tasks = [asyncio.create_task(ours()), asyncio.create_task(theirs())]
        with contextlib.suppress(ConnectionError):
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in (writer, store_writer):
            one.transport.abort()
        self.open_connections -= 1


@dataclasses.dataclass
class Wired:
    """A store reached through a wire."""

    store: ObjectStore
    wire: Wire


@pytest_asyncio.fixture(loop_scope="session")
async def wired(config: StoreConfig) -> AsyncIterator[Wired]:
    host, port = config.endpoint.removeprefix("http://").split(":")
    wire = Wire(host, int(port))
    server = await wire.serve()
    address = server.sockets[0].getsockname()
    store = ObjectStore(dataclasses.replace(config, endpoint=f"http://127.0.0.1:{address[1]}"))
    yield Wired(store, wire)
    await store.close()
    wire.cut()
    server.close()
    await server.wait_closed()


@pytest.fixture
def residue(store: ObjectStore) -> Callable[[], Awaitable[set[str]]]:
    """`await residue()`: names of all versions and unfinished uploads in the bucket, to compare before and after."""

    async def names() -> set[str]:
        later = datetime.now(UTC) + timedelta(days=1)
        found = {f"{v.object_key} {v.version_id}" async for v in store.list_versions("content/", later)}
        return found | {f"{u.object_key} {u.upload_id}" async for u in store.list_incomplete("content/", later)}

    return names


async def in_chunks(data: bytes, size: int = 256 * 1024) -> AsyncIterator[bytes]:
    """`data` as a sender would deliver it."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until `condition()` holds, at most `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
