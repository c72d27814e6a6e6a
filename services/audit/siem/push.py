"""Hands the log to the city's SIEM as it grows: gzip'd NDJSON over HTTPS, in order, at least once.

One replica pushes, by a session's advisory lock, on a connection of its own: nothing here can make the log wait. Only
leaves under a signed checkpoint leave the house. The cursor in the database moves after the receiver has answered 2xx;
killed before that, the same leaves go again, marked by `metadata.uid` and by the same Idempotency-Key.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from chassis import clock, db, telemetry
from chassis.db import Connection, Pool
from chassis.errors import DomainError
from chassis.identity import Identity
from chassis.recorder import Access, Recorder
from services.audit.entry import EntryError
from services.audit.siem import domain, lines, store
from services.audit.siem.store import Covered, Cursor
from services.audit.tree_store import current_log

log = logging.getLogger(__name__)

# Key of the advisory lock; one database is one municipality.
PUSH_LOCK = 0x5349454D
RETRY_SECONDS = 5.0
# How often the log is looked at when there is nothing to hand over, and the first wait after a failure.
PATIENCE_SECONDS = 1.0
# Each further wait is twice as long, up to this.
LONGEST_WAIT = 60.0
BATCH_LEAVES = 512
# A batch ends with the leaf that brings it over this many bytes of leaves.
BATCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where the log goes. ValueError unless `url` is https, names a host and carries no password."""

    url: str
    token: str = ""
    ca_file: Path | None = None
    # Seconds for the receiver to take a batch and answer.
    timeout: float = 30.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "https" or not parts.hostname or parts.username or parts.password or parts.fragment:
            raise ValueError("https://host[:port]/path is needed, without user or password")

    @property
    def name(self) -> str:
        """Host, port and path: what the log says about it. A query may hold a secret and stays out."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or 443}{parts.path}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Contiguous leaves of one year, and where the receiver is after them."""

    leaves: list[Covered]
    after: Cursor

    @property
    def key(self) -> str:
        """Names these leaves; the same when they are sent again."""
        first, last = self.leaves[0], self.leaves[-1]
        return f"{first.origin}/{first.leaf_index}-{last.leaf_index}"


class Moved(Exception):
    """Another replica hands over as well, or did: look again who leads and where the receiver is."""


class Push:
    """Runs in every replica; one hands over."""

    def __init__(
        self, pool: Pool, receiver: Receiver, records: Recorder, tenant: str, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._pool = pool
        self._receiver = receiver
        self._records = records
        self._patience = patience
        # The service itself: no person reads here.
        self._itself = Identity(staff_id="service:audit", tenant=tenant)

    async def run(self) -> None:
        """Until cancelled: try to lead, hand over while leading."""
        while True:
            try:
                async with db.connection(self._pool) as conn:
                    if await store.lock_push(conn, PUSH_LOCK):
                        log.info("hands the log over", extra={"receiver": self._receiver.name})
                        try:
                            await self._lead(conn)
                        finally:
                            # The lock lives as long as the connection: it must not go back to the pool.
                            await conn.close()
            except (DomainError, Moved) as error:
                log.warning("handing over waits", extra={"error": str(error)})
            except EntryError as error:
                # What was signed cannot be read any more. It is not passed over: the receiver would miss it unseen.
                log.error("handing over waits: the log is damaged", extra={"error": str(error)})
                telemetry.count("log.damaged")
            await asyncio.sleep(RETRY_SECONDS)

    async def _lead(self, conn: Connection) -> None:
        context = ssl.create_default_context(cafile=self._receiver.ca_file)
        limits = httpx2.Timeout(self._receiver.timeout)
        async with httpx2.AsyncClient(verify=context, timeout=limits, trust_env=False) as http:
            at = None
            while True:
                if at is None:
                    at = await self._begin(conn)
                if at is None:
                    await asyncio.sleep(self._patience)
                    continue
                batch = await next_batch(conn, at)
                telemetry.level("siem.behind", await store.behind(conn, at))
                if batch is None:
                    after = await store.year_after(conn, at)
                    if after is None:
                        await asyncio.sleep(self._patience)
                        continue
                    new = Cursor(after, 0)
                else:
                    body = gzip.compress(lines.lines_of(batch.leaves), mtime=0)
                    # Once for the batch, before its first try, however many it takes.
                    await self._record(batch)
                    await self._deliver(conn, http, batch, body, at)
                    new = batch.after
                # Crash before this: the batch goes again, the same leaves under the same key.
                if not await store.move(conn, self._receiver.name, at, new, clock.now()):
                    raise Moved("the receiver is not where it was")
                at = new

    async def _begin(self, conn: Connection) -> Cursor | None:
        """Where the receiver is. A new one begins with the first leaf of the current log, and that is recorded."""
        at = await store.cursor_of(conn, self._receiver.name)
        if at is not None:
            return at
        current = await current_log(conn)
        if current is None:
            return None
        begin = Cursor(current.log_year, 0)
        await self._records.record(self._access(first=0, log_year=begin.log_year, begun=True))
        await store.insert_receiver(conn, self._receiver.name, begin, clock.now())
        return await store.cursor_of(conn, self._receiver.name)

    async def _record(self, batch: Batch) -> None:
        first, last = batch.leaves[0], batch.leaves[-1]
        await self._records.record(
            self._access(
                first=first.leaf_index, log_year=first.log_year, last=last.leaf_index, result_count=len(batch.leaves)
            )
        )

    def _access(
        self, *, first: int, log_year: int, last: int | None = None, result_count: int = 0, begun: bool = False
    ) -> Access:
        detail = {"first": str(first), "log_year": str(log_year), "format": "ocsf", "count": str(result_count)}
        detail |= {"begun": "true"} if begun else {}
        detail |= {"last": str(last)} if last is not None else {}
        return Access(
            actor=self._itself,
            action="audit.exported",
            object_type="siem",
            object_id=self._receiver.name,
            detail=detail,
        )

    async def _deliver(self, conn: Connection, http: httpx2.AsyncClient, batch: Batch, body: bytes, at: Cursor) -> None:
        """Until the receiver has it."""
        headers = {
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": "gzip",
            "Idempotency-Key": batch.key,
        }
        if self._receiver.token:
            headers["Authorization"] = f"Bearer {self._receiver.token}"
        wait = self._patience
        while (problem := await self._try(http, body, headers)) is not None:
            telemetry.count("siem.failures")
            log.warning("the receiver did not take it", extra={"receiver": self._receiver.name, "problem": problem})
            await asyncio.sleep(wait)
            wait = min(LONGEST_WAIT, 2 * wait)
            # Also shows in time that the connection, and with it the lock, is gone.
            telemetry.level("siem.behind", await store.behind(conn, at))
        telemetry.count("siem.leaves", len(batch.leaves))

    async def _try(self, http: httpx2.AsyncClient, body: bytes, headers: dict[str, str]) -> str | None:
        """None when the receiver answered 2xx, else what was wrong. Its answer's body is never read."""
        try:
            async with asyncio.timeout(self._receiver.timeout):
                async with http.stream("POST", self._receiver.url, content=body, headers=headers) as answer:
                    return None if answer.is_success else f"status {answer.status_code}"
        except (httpx2.HTTPError, TimeoutError, OSError) as error:
            return type(error).__name__


async def next_batch(conn: Connection, at: Cursor) -> Batch | None:
    """The next leaves in order; None when there are none, or only the records of handing over before. EntryError if one
    is none."""
    leaves = await store.leaves_from(conn, at.log_year, at.next_index, BATCH_LEAVES)
    taken: list[Covered] = []
    size = 0
    for one in leaves:
        taken.append(one)
        size += len(one.leaf)
        if size >= BATCH_BYTES:
            break
    if len(taken) == len(leaves) < BATCH_LEAVES and all(domain.is_own(one.leaf) for one in taken):
        return None
    return Batch(taken, Cursor(at.log_year, taken[-1].leaf_index + 1))
