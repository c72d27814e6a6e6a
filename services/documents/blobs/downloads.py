"""An encrypted object version becomes a stream of plaintext, in constant memory and at the reader's pace.

A Tink stream cannot seek: a range is decrypted from the start and skipped (2 GB/s), so that every byte handed out has
been authenticated together with its place in the file. Up to 2 MiB are read ahead while the reader has as much.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import BinaryIO, cast

import tink
import urllib3

from chassis.s3 import CALL_ERRORS
from services.documents.blobs.crypto import DocumentKey
from services.documents.blobs.errors import Damaged
from services.documents.blobs.store import ObjectStore

CHUNK = 256 * 1024  # bytes handed out at once: the size of our gRPC messages
_BATCH = 8  # chunks per hand-over between threads: waking a thread costs more than decrypting a chunk


async def download(
    store: ObjectStore,
    key: DocumentKey,
    item_id: str,
    object_key: str,
    version_id: str,
    *,
    offset: int = 0,
    length: int | None = None,
) -> AsyncGenerator[bytes, None]:
    """Plaintext bytes `offset` to `offset + length` (to the end if None) of `item_id`, in chunks of at most 256 KiB.

    A range beyond the end yields what there is. NotFound, StoreUnavailable, StoreRefused before or between chunks;
    Damaged if the ciphertext was cut or altered or is not this item's: bytes handed out before it were genuine.
    Close the generator (`contextlib.aclosing`) when stopping early: the store connection is cut at once.
    """
    if offset < 0 or (length is not None and length < 0):
        raise ValueError("a range cannot be negative")
    source = _Source(lambda: store.s3.get_object(store.config.bucket, object_key, version_id=version_id))
    reader = _Reader(source, key.decrypting(cast(BinaryIO, source), item_id), offset, length)
    ahead = store.start(reader.read)
    counted = False
    try:
        while batch := await asyncio.shield(ahead):
            ahead = store.start(reader.read)
            for chunk in batch:
                yield chunk
                if not counted:
                    # Whoever asks for more, or for the end, has handed the first bytes on.
                    store.served.add("attachment")
                    counted = True
    finally:
        # The thread may be inside a read of the store: cutting the connection ends that read, and only then is the
        # response closed. Nobody waits for it here.
        reader.cut()
        ahead.add_done_callback(reader.close)


class _Reader:
    """Reads and decrypts. Blocking; one call at a time on any thread, except `cut`, which may come at any time."""

    def __init__(self, source: "_Source", stream: BinaryIO, offset: int, length: int | None) -> None:
        self._source = source
        self._stream = stream
        self._skip = offset
        self._left = length

    def read(self) -> list[bytes]:
        """The next chunks of the range, none at its end or at the end of the content."""
        while self._skip > 0:
            skipped = len(self._decrypt(min(self._skip, CHUNK)))
            if skipped == 0:
                return []
            self._skip -= skipped
        batch: list[bytes] = []
        while len(batch) < _BATCH:
            chunk = self._decrypt(CHUNK if self._left is None else min(CHUNK, self._left))
            if not chunk:
                break
            if self._left is not None:
                self._left -= len(chunk)
            batch.append(chunk)
        return batch

    def cut(self) -> None:
        """Make a read that waits for the store return now."""
        self._source.cut()

    def close(self, last_read: asyncio.Future[list[bytes]]) -> None:
        """Let go of the connection once the last read has ended; how that one ended interests nobody."""
        if not last_read.cancelled():
            last_read.exception()
        self._source.release()

    def _decrypt(self, wanted: int) -> bytes:
        if wanted == 0:
            return b""
        try:
            return self._stream.read(wanted)
        except tink.TinkError:
            # Tink reports a broken connection like broken content; only one of them is an alarm.
            if self._source.failure is not None:
                raise self._source.failure from None
            raise Damaged("stored content does not open: cut, altered, or of another document", "damaged") from None


class _Source:
    """The stored ciphertext as the file Tink reads from: asks the store at the first read, remembers what failed."""

    def __init__(self, ask: Callable[[], urllib3.BaseHTTPResponse]) -> None:
        self._ask = ask
        self._response: urllib3.BaseHTTPResponse | None = None
        self._left_alone = False
        self.failure: Exception | None = None
        self.closed = False

    def readable(self) -> bool:
        """Always; Tink asks."""
        return True

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, empty at the end. An answer shorter than announced raises, it does not just end."""
        try:
            if self._response is None:
                self._response = self._ask()
            return b"" if self._left_alone else self._response.read(size)
        except CALL_ERRORS as error:
            self.failure = error
            raise

    def cut(self) -> None:
        """Make reads return, from any thread. Nothing to do if the answer has been read to its end."""
        self._left_alone = True
        try:
            if self._response is not None:
                self._response.shutdown()
        except (RuntimeError, ValueError, OSError):  # its connection is already free, closed or broken
            return

    def release(self) -> None:
        """Close an answer that was not read to its end; give its place in the pool back."""
        if self._response is not None:
            self._response.close()
            self._response.release_conn()

    def close(self) -> None:
        """Tink closes what it reads from; the answer itself is released by whoever ends the download."""
        self.closed = True
