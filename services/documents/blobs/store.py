"""The object store as async calls: small objects, locks, listing, deletion; and the threads every call runs on.

Reads, locks and deletions always name a version: a name alone can come to mean another version or a delete marker.
Nothing is retried here. A call cancelled on its way may still happen at the store.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal, TypeVar

from minio import retention as s3_retention
from minio.commonconfig import COMPLIANCE, ENABLED
from minio.datatypes import Object

from chassis.s3 import S3, StoreConfig, attempt
from chassis.tally import Tally
from services.documents.blobs.crypto import SMALL_LIMIT
from services.documents.blobs.errors import StoreRefused, StoreUnavailable

Kind = Literal["content", "manifest", "canary"]
T = TypeVar("T")

_SEAL_OVERHEAD = 64 * 1024  # more than header and tags of a sealed SMALL_LIMIT
_PAGE = 1000


@dataclass(frozen=True)
class Stored:
    """A small object as it is in the store. `sha256`: hex, of the stored bytes; `size`: bytes."""

    object_key: str
    version_id: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Retention:
    """What protects a version: until when (UTC) and how, and whether a legal hold is on."""

    until: datetime | None
    mode: str | None
    legal_hold: bool


@dataclass(frozen=True)
class ObjectVersion:
    """One line of a listing. `size` in bytes of ciphertext; `is_marker`: a delete marker, which holds no content."""

    object_key: str
    version_id: str
    size: int
    modified: datetime
    is_marker: bool


@dataclass(frozen=True)
class Incomplete:
    """A multipart upload that was begun and not finished."""

    object_key: str
    upload_id: str
    started: datetime


def new_object_key(kind: Kind) -> str:
    """A name nobody can guess or read anything from: `<kind>/<40 hex digits>`."""
    return f"{kind}/{secrets.token_hex(20)}"


class ObjectStore:
    """One bucket, one identity. Create one per process; usable from any task of one event loop."""

    def __init__(self, config: StoreConfig) -> None:
        """No I/O. ValueError for a malformed endpoint."""
        self.config = config
        self.s3 = S3(config)
        # Objects whose content was handed on, counted here and not where accesses are recorded.
        self.served = Tally()
        self._threads = ThreadPoolExecutor(config.threads, thread_name_prefix="blobs")
        self._background: set[asyncio.Task[None]] = set()

    async def ready(self) -> None:
        """Bucket there, versioned, lock switched on. StoreUnavailable or StoreRefused(code=...) with the reason."""
        bucket = self.config.bucket
        if not await self.run(self.s3.bucket_exists, bucket):
            raise StoreUnavailable("the bucket does not exist", "NoSuchBucket")
        versioning = await self.run(self.s3.get_bucket_versioning, bucket)
        if versioning.status != ENABLED:
            raise StoreRefused("the bucket is not versioned", "unversioned")
        await self.run(self.s3.get_object_lock_config, bucket)

    async def settle(self) -> None:
        """Wait until every abort left running by a broken upload has ended (bounded by the time-outs of its calls)."""
        while self._background:
            await asyncio.wait(set(self._background))

    async def close(self) -> None:
        """Finish background aborts, then let go of threads and connections."""
        await self.settle()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.s3.pool.clear()

    # --- small objects

    async def put_small(self, data: bytes, kind: Kind) -> Stored:
        """PUT up to 4 MiB (plus the overhead of sealing) under a new random name. ValueError beyond that."""
        if len(data) > SMALL_LIMIT + _SEAL_OVERHEAD:
            raise ValueError("too long for a small object")
        object_key = new_object_key(kind)
        version_id = versioned(await self.run(self.s3.put, self.config.bucket, object_key, data))
        return Stored(object_key, version_id, len(data), hashlib.sha256(data).hexdigest())

    async def get_small(self, object_key: str, version_id: str) -> bytes:
        """The bytes of a small object. StoreRefused(code="too_large") if it is not one, NotFound."""

        def read() -> bytes:
            response = self.s3.get_object(self.config.bucket, object_key, version_id=version_id)
            try:
                return response.read(SMALL_LIMIT + _SEAL_OVERHEAD + 1)
            finally:
                response.close()

        data = await self.run(read)
        if len(data) > SMALL_LIMIT + _SEAL_OVERHEAD:
            raise StoreRefused("not a small object", "too_large")
        return data

    async def delete_version(self, object_key: str, version_id: str) -> None:
        """Delete this version for good. Already gone is fine. StoreRefused while a lock or a legal hold is on it."""
        if not version_id:
            raise ValueError("a version id is needed: without one only a delete marker would be written")
        await self.run(self.s3.remove_object, self.config.bucket, object_key, version_id)

    # --- locks (I3; retention periods: RT-02)

    async def retain(self, object_key: str, version_id: str, until: datetime) -> datetime:
        """COMPLIANCE retention until `until` (aware; rounded up to whole seconds), for nobody to shorten or lift.

        Only ever extends: the date already held is a no-op, an earlier one is StoreRefused(code="shorter") before the
        store is asked. The lock is read back: returns the date the store holds. Safe to repeat after a crash.
        """
        wanted = _whole_seconds(until)
        held = await self.run(self.s3.retention, self.config.bucket, object_key, version_id)
        if held is not None and held.mode == COMPLIANCE:
            if wanted < _whole_seconds(held.retain_until_date):
                raise StoreRefused("a retention is never shortened", "shorter")
            if wanted == _whole_seconds(held.retain_until_date):
                return wanted
        lock = s3_retention.Retention(COMPLIANCE, wanted)
        await self.run(self.s3.set_object_retention, self.config.bucket, object_key, lock, version_id)
        held = await self.run(self.s3.retention, self.config.bucket, object_key, version_id)
        if held is None or held.mode != COMPLIANCE or held.retain_until_date < wanted:
            raise StoreUnavailable("the store accepted a retention and does not hold it", "lock_not_held")
        return held.retain_until_date

    async def legal_hold(self, object_key: str, version_id: str, on: bool) -> None:
        """Switch the legal hold of a version; while it is on the version cannot be deleted, whatever its retention."""
        switch = self.s3.enable_object_legal_hold if on else self.s3.disable_object_legal_hold
        await self.run(switch, self.config.bucket, object_key, version_id)

    async def retention_of(self, object_key: str, version_id: str) -> Retention:
        """What the store itself says protects this version. NotFound."""
        held = await self.run(self.s3.retention, self.config.bucket, object_key, version_id)
        hold = await self.run(self.s3.held, self.config.bucket, object_key, version_id)
        if held is None:
            return Retention(None, None, hold)
        return Retention(held.retain_until_date, held.mode, hold)

    # --- for the sweeper

    async def list_versions(self, prefix: str, older_than: datetime) -> AsyncIterator[ObjectVersion]:
        """Every version and delete marker under `prefix` last written before `older_than`, in order of name."""
        listing = self.s3.list_objects(self.config.bucket, prefix, recursive=True, include_version=True)

        def page() -> list[Object]:
            return list(islice(listing, _PAGE))

        while entries := await self.run(page):
            for entry in entries:
                if entry.last_modified is None or entry.version_id is None or entry.object_name is None:
                    continue  # a common prefix, not an object
                if entry.last_modified < older_than:
                    yield ObjectVersion(
                        entry.object_name,
                        entry.version_id,
                        entry.size or 0,
                        entry.last_modified,
                        entry.is_delete_marker,
                    )

    async def list_incomplete(self, prefix: str, older_than: datetime) -> AsyncIterator[Incomplete]:
        """Unfinished multipart uploads begun before `older_than`."""
        after: str | None = None
        while True:
            uploads, after = await self.run(self.s3.incomplete, self.config.bucket, prefix, after)
            for upload in uploads:
                if upload.initiated_time is not None and upload.initiated_time < older_than:
                    yield Incomplete(upload.object_name, upload.upload_id or "", upload.initiated_time)
            if after is None:
                return

    async def abort_incomplete(self, upload: Incomplete) -> None:
        """Throw away what an unfinished upload has left. Gone already: NotFound."""
        await self.run(self.s3.abort_multipart, self.config.bucket, upload.object_key, upload.upload_id)

    # --- for uploads.py, downloads.py and check_store.py

    def start(self, call: Callable[..., T], *args: object) -> asyncio.Future[T]:
        """Run a blocking call on a thread of ours; its failures arrive as BlobError.

        The thread cannot be stopped: who cancels the future loses the result, so shield it where the result matters.
        """
        return asyncio.get_running_loop().run_in_executor(self._threads, attempt, call, *args)

    async def run(self, call: Callable[..., T], *args: object) -> T:
        """`start` and wait."""
        return await self.start(call, *args)

    def leave_running(self, work: Coroutine[None, None, None]) -> None:
        """Let cleaning up go on after its caller has gone; `settle` and `close` wait for it."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def versioned(version_id: str | None) -> str:
    """The version id a write returned. Without one nothing could be locked, so the write does not count."""
    if not version_id or version_id == "null":
        raise StoreUnavailable("the store returned no version id: is the bucket versioned?", "unversioned")
    return version_id


def _whole_seconds(moment: datetime) -> datetime:
    """S3 dates are whole seconds: round up, so that a lock is never shorter than asked. ValueError: not aware."""
    if moment.tzinfo is None:
        raise ValueError("a retention date needs a time zone")
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=0) + timedelta(seconds=1 if moment.microsecond else 0)
