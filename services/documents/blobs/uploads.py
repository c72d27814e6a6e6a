"""A stream of plaintext becomes one encrypted object version, in constant memory.

Plaintext is gathered to 1 MiB, hashed and encrypted on a thread, and sent in parts of 5 MiB: one part fills while
another travels. Whatever ends the stream early, nothing becomes visible.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from chassis.s3 import SentPart
from services.documents.blobs.crypto import CiphertextSink, DocumentKey
from services.documents.blobs.errors import BlobError, TooLarge
from services.documents.blobs.store import ObjectStore, new_object_key, versioned

PART_SIZE = 5 * 1024 * 1024  # bytes; the least S3 allows
IN_FLIGHT = 1  # parts travelling at once; each one more is 6 MiB in memory and a fifth faster
_BATCH = 1024 * 1024  # plaintext given to a thread at once: fewer hand-overs, and one Tink segment
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Uploaded:
    """What to keep in the row. `size` and `sha256` (hex) are of the plaintext."""

    object_key: str
    version_id: str
    size: int
    sha256: str
    ciphertext_size: int


async def upload(
    store: ObjectStore, key: DocumentKey, item_id: str, chunks: AsyncIterator[bytes], *, limit: int
) -> Uploaded:
    """Encrypt `chunks` (any sizes) under `key` for `item_id` (UUID) and store them under a random name.

    TooLarge as soon as more than `limit` bytes have come. StoreUnavailable, StoreRefused. What `chunks` raises goes
    through. In all these cases, and when cancelled, what was sent is thrown away (in the background: `store.settle()`).

    If we crash in between: parts without a completed upload, or a version no row names. Both are the sweeper's.
    """
    sealer = _Sealer(key, item_id)
    async with _Parts(store) as parts:
        batch: list[memoryview] = []
        held = size = 0
        async for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise TooLarge(limit)
            for piece in _pieces(chunk):
                batch.append(piece)
                held += len(piece)
                if held >= _BATCH:
                    part = await store.run(sealer.add, batch)
                    batch, held = [], 0
                    if part is not None:
                        await parts.send(part)
        last = await store.run(sealer.finish, batch)
        version_id = await parts.finish(last)
        return Uploaded(parts.object_key, version_id, size, sealer.sha256(), sealer.ciphertext_size)


def _pieces(chunk: bytes) -> list[memoryview]:
    """Views of at most one batch, so that a huge chunk costs no more than its own memory."""
    view = memoryview(chunk)
    return [view[start : start + _BATCH] for start in range(0, len(view), _BATCH)]


class _Sealer:
    """Hashes and encrypts. Blocking; one call at a time, on any thread."""

    def __init__(self, key: DocumentKey, item_id: str) -> None:
        self._sink = CiphertextSink()
        self._stream = key.encrypting(self._sink, item_id)
        self._hash = hashlib.sha256()
        self.ciphertext_size = 0

    def add(self, batch: list[memoryview]) -> bytearray | None:
        """Take plaintext in; a part of ciphertext if one is full."""
        self._seal(batch)
        return self._take() if self._sink.held >= PART_SIZE else None

    def finish(self, batch: list[memoryview]) -> bytearray:
        """Take the last plaintext in and seal the end; the last part, never empty (the format has a header)."""
        self._seal(batch)
        self._stream.close()
        return self._take()

    def sha256(self) -> str:
        """Hex digest of the plaintext so far."""
        return self._hash.hexdigest()

    def _seal(self, batch: list[memoryview]) -> None:
        for piece in batch:
            self._hash.update(piece)
            self._stream.write(piece)

    def _take(self) -> bytearray:
        part = self._sink.take()
        self.ciphertext_size += len(part)
        return part


class _Parts:
    """Sends parts, a few at a time; leaving the block without `finish` undoes everything.

    Owns the upload id and the calls in flight. Each call is shielded: a thread cannot be stopped, so after a
    cancellation we wait for it (in the background) to learn what there is to undo.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.object_key = new_object_key("content")
        self._store = store
        self._bucket = store.config.bucket
        self._upload: asyncio.Future[str] | None = None
        self._in_flight: list[asyncio.Future[SentPart]] = []
        self._final: asyncio.Future[str | None] | None = None
        self._sent: list[SentPart] = []
        self._finished = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._finished:
            self._store.leave_running(self._undo())

    async def send(self, part: bytearray) -> None:
        """Let this part travel as soon as there is room for it."""
        s3 = self._store.s3
        if self._upload is None:
            self._upload = self._store.start(s3.create_multipart, self._bucket, self.object_key)
        upload_id = await asyncio.shield(self._upload)
        await self._arrived(IN_FLIGHT - 1)
        number = len(self._sent) + len(self._in_flight) + 1
        self._in_flight.append(self._store.start(s3.put_part, self._bucket, self.object_key, upload_id, number, part))

    async def finish(self, last: bytearray) -> str:
        """Send the rest and make the object visible; its version id. One plain PUT if it all fits in one part."""
        s3 = self._store.s3
        if self._upload is None:
            self._final = self._store.start(s3.put, self._bucket, self.object_key, last)
        else:
            await self.send(last)
            await self._arrived(0)
            self._final = self._store.start(
                s3.complete_multipart, self._bucket, self.object_key, self._upload.result(), self._sent
            )
        version_id = versioned(await asyncio.shield(self._final))
        self._finished = True
        return version_id

    async def _arrived(self, at_most: int) -> None:
        while len(self._in_flight) > at_most:
            self._sent.append(await asyncio.shield(self._in_flight[0]))
            self._in_flight.pop(0)

    async def _undo(self) -> None:
        """Wait for what is under way, then delete the version or abort the upload; what fails, the sweeper does."""
        under_way = [call for call in (self._upload, *self._in_flight, self._final) if call is not None]
        await asyncio.gather(*under_way, return_exceptions=True)
        try:
            if self._final is not None and self._final.exception() is None:
                await self._store.delete_version(self.object_key, versioned(self._final.result()))
            elif self._upload is not None and self._upload.exception() is None:
                upload_id = self._upload.result()
                await self._store.run(self._store.s3.abort_multipart, self._bucket, self.object_key, upload_id)
        except BlobError as error:
            _log.warning("a broken upload could not be undone; the sweeper will", extra={"code": error.code})
