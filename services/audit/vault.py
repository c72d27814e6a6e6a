"""The log's copies outside the database: what nobody can change, and what the log remembers of itself.

Under the fiscal year lie the paths of tlog-tiles, `checkpoints/<size>`, and `final`, the checkpoint that closed the year.
Two buckets. `kept` has object lock: full tiles, full bundles, archived and final checkpoints lie there under COMPLIANCE
for the log's retention, each written once. `live` has no lock: partial bundles of the last checkpoints, and `head`, the
last checkpoint that was signed, which only ever changes by compare and swap.

Trust: whoever can write to `live` can stop the signing (the head no longer fits), never make it sign another history.
Whoever can write to `kept` can add versions on top of ours, never remove ours before their time.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from chassis import clock
from chassis.s3 import S3, NotFound, StoreConfig, StoreConflict, StoreUnavailable, TooLarge, attempt
from services.audit import tlog
from services.audit.note import MAX_NOTE_BYTES

T = TypeVar("T")

HEAD = "head"
# Where the checkpoint lies that closed a year.
FINAL = "final"
_LARGEST = max(tlog.MAX_BUNDLE_BYTES, MAX_NOTE_BYTES)


class Altered(Exception):
    """Something else lies where an object of ours belongs."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last signed checkpoint as the store has it, and the store's name for exactly this state of it."""

    note: bytes
    etag: str


class Vault:
    """One per process. Every call is one request; nothing is retried here. StoreUnavailable when there is no answer."""

    def __init__(self, config: StoreConfig, live_bucket: str, retention_years: int) -> None:
        """No I/O. `config.bucket` is the one with object lock. ValueError for a malformed endpoint."""
        self._retention_years = retention_years
        self._s3 = S3(config)
        self._kept = config.bucket
        self._live = live_bucket
        self._threads = ThreadPoolExecutor(config.threads, thread_name_prefix="vault")
        # The head as this process read or wrote it last; another writer shows itself by a conflict.
        self._head: Head | None = None

    def close(self) -> None:
        """Let go of threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._s3.pool.clear()

    # --- what is kept

    def retained_until(self, log_year: int) -> dt.datetime:
        """SC-03: whole years after the fiscal year's last day, in Japan."""
        return dt.datetime(log_year + 1 + self._retention_years, 4, 1, tzinfo=clock.JST)

    async def locked_until(self, log_year: int, path: str) -> dt.datetime | None:
        """Until when the store itself keeps what lies there; None without a lock, or if nothing is there."""
        name = f"{log_year}/{path}"

        def asked() -> dt.datetime | None:
            version = self._s3.stat_object(self._kept, name).version_id
            found = self._s3.retention(self._kept, name, str(version))
            return found.retain_until_date if found is not None and found.mode == "COMPLIANCE" else None

        try:
            return await self._run(asked)
        except NotFound:
            return None

    async def keep(self, log_year: int, path: str, content: bytes) -> None:
        """Write once, under COMPLIANCE for the log's retention. The same content again is fine.

        Altered if another lies there.
        """
        until = self.retained_until(log_year)
        try:
            await self._run(self._s3.put_if, self._kept, f"{log_year}/{path}", content, None, until)
        except StoreConflict as conflict:
            if await self.kept(log_year, path) != content:
                raise Altered(f"{log_year}/{path} in the store is not what the log has there") from conflict

    async def kept(self, log_year: int, path: str) -> bytes | None:
        """What is kept under this path; None if nothing is, empty if it is larger than anything of ours."""
        return await self._read(self._kept, f"{log_year}/{path}")

    async def kept_in(self, log_year: int, folder: str) -> dict[str, dt.datetime]:
        """What is kept in a folder of a year, by path, and when the store took it (aware)."""

        def listed() -> dict[str, dt.datetime]:
            return {
                str(one.object_name).removeprefix(f"{log_year}/"): one.last_modified
                for one in self._s3.list_objects(self._kept, f"{log_year}/{folder}/")
                if one.last_modified is not None
            }

        return await self._run(listed)

    async def closed_years(self) -> list[int]:
        """Fiscal years whose log was closed, ascending."""

        def listed() -> list[int]:
            found = self._s3.list_objects(self._kept)
            return sorted(int(str(one.object_name).rstrip("/")) for one in found if one.is_dir)

        years = await self._run(listed)
        return [year for year in years if await self.kept(year, FINAL) is not None]

    # --- what changes

    async def show(self, log_year: int, path: str, content: bytes) -> None:
        """Write without lock."""
        await self._run(self._s3.put, self._live, f"{log_year}/{path}", content)

    async def shown(self, log_year: int, path: str) -> bytes | None:
        """What lies there without lock; None if nothing does."""
        return await self._read(self._live, f"{log_year}/{path}")

    async def withdraw_all_but(self, log_year: int, paths: Collection[str]) -> None:
        """Remove what is shown of a year's tiles, except these."""

        def withdraw() -> None:
            for one in self._s3.list_objects(self._live, f"{log_year}/tile/", recursive=True):
                name = str(one.object_name)
                if name.removeprefix(f"{log_year}/") not in paths:
                    self._s3.remove_object(self._live, name)

        await self._run(withdraw)

    # --- the head

    async def head(self, *, fresh: bool = False) -> Head | None:
        """The last signed checkpoint, None before the first. `fresh` asks the store even if this process knows it."""
        if fresh or self._head is None:
            try:
                self._head = Head(*await self._run(self._s3.read, self._live, HEAD, MAX_NOTE_BYTES))
            except NotFound:
                self._head = None
        return self._head

    async def move_head(self, before: Head | None, note: bytes) -> Head:
        """Replace the head if it is still `before` (None: if there is none). StoreConflict if it is another by now.

        Unavailable in the middle: the head may have moved; whoever looks again finds one of the two.
        """
        self._head = None
        etag = await self._run(self._s3.put_if, self._live, HEAD, note, before.etag if before else None)
        self._head = Head(note, etag)
        return self._head

    # --- what we remember of other logs, as a witness

    async def remembered(self, path: str) -> Head | None:
        """What lies under this path now, None if nothing does. The store is always asked: others may have written."""
        try:
            return Head(*await self._run(self._s3.read, self._live, path, MAX_NOTE_BYTES))
        except NotFound:
            return None

    async def remember(self, path: str, before: Head | None, note: bytes) -> None:
        """Replace it if it is still `before` (None: if there is nothing). StoreConflict if it is another by now."""
        await self._run(self._s3.put_if, self._live, path, note, before.etag if before else None)

    # --- parts of the above

    async def ready(self) -> None:
        """Both buckets are there and only the first has object lock. StoreRefused or StoreUnavailable with the reason."""
        for bucket in (self._kept, self._live):
            if not await self._run(self._s3.bucket_exists, bucket):
                raise StoreUnavailable(f"bucket {bucket} does not exist", "NoSuchBucket")
        await self._run(self._s3.get_object_lock_config, self._kept)

    async def _read(self, bucket: str, path: str) -> bytes | None:
        try:
            content, _ = await self._run(self._s3.read, bucket, path, _LARGEST)
        except NotFound:
            return None
        except TooLarge:
            # Somebody put it there: to be found, and no reason to look no further.
            return b""
        return content

    async def _run(self, call: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, attempt, call, *arguments)
