"""Draws approval sheets: wanted in the transaction of the decision, drawn by a task that never gives up.

A sheet is a file of the document from the transaction that names it; before that it is an object no row names. Crash
in between: drawn again, and the sweeper takes the object. If it cannot be drawn, the case stays decided, it is tried
again, and operators see `sheets.failed`. Replicas share the work: a claimed job is left alone for a minute.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chassis import clock, outbox, paper, telemetry
from chassis.db import Connection, Pool, connection, transaction
from chassis.errors import DomainError, Kind
from chassis.outbox import Relay
from services.documents import attachment_store, content_locks, events, rounds, store
from services.documents.blobs import BlobError, KeyWrapper, ObjectStore, Uploaded, open_document_key, upload
from services.documents.content_locks import Locker
from services.documents.domain import Document
from services.documents.manifest import AttachmentEntry
from services.documents.sheets import domain
from services.documents.sheets import store as jobs
from services.documents.sheets.domain import Sheet
from services.documents.sheets.store import Job

log = logging.getLogger(__name__)

TEMPLATE: Final = Path(__file__).with_name("sheet.typ")
BATCH = 10
CLAIM_SECONDS = 60.0
POLL_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 60.0
# Some 70 KB as a rule.
MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Drawn:
    """A sheet in the store that no row names yet."""

    entry: AttachmentEntry
    uploaded: Uploaded
    drawn_at: dt.datetime


class Drawer:
    """Draws and stores. One per process; `wake` after a commit makes it immediate."""

    def __init__(self, pool: Pool, relay: Relay, blobs: ObjectStore, keys: KeyWrapper, locker: Locker) -> None:
        self._pool = pool
        self._relay = relay
        self._blobs = blobs
        self._keys = keys
        self._locker = locker
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something was wanted by this process."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        await rounds.work("drawer", self.draw_once, self._wake, POLL_SECONDS, log)

    async def draw_once(self) -> bool:
        """One batch; whether there was anything to do."""
        async with transaction(self._pool) as conn:
            claimed = await jobs.claim(conn, CLAIM_SECONDS, BATCH)
        for job in claimed:
            try:
                await self.make(job)
            except (DomainError, BlobError) as error:
                # The reason only: what a sheet says is in no log.
                reason = error.reason if isinstance(error, DomainError) else error.code
                telemetry.count("sheets.failed")
                log.error("sheet not drawn yet", extra={"document_id": job.document_id, "error": reason})
                async with transaction(self._pool) as conn:
                    await jobs.postpone(
                        conn, job.document_id, min(0.5 * 2 ** min(job.attempts, 10), LONGEST_WAIT_SECONDS)
                    )
        return bool(claimed)

    async def make(self, job: Job) -> None:
        """The sheet of a decision, once: whoever ends the job names the file. DomainError, BlobError."""
        async with connection(self._pool) as conn:
            wrapped = await store.wrapped_key(conn, job.document_id)
        drawn = await self.draw(job.document_id, wrapped, Sheet.DECIDED, job.content)
        async with transaction(self._pool) as conn:
            if not await jobs.finish(conn, job.document_id):
                return
            document = await store.lock_any(conn, job.document_id)
            if document is None:
                raise LookupError("a decided document is never deleted")
            await keep(conn, document, drawn, events.Cause(events.own_actor(), drawn.drawn_at))
            await content_locks.want(
                conn,
                document.document_id,
                document.version_digest,
                job.retain_until,
                drawn.drawn_at,
                only=drawn.uploaded.object_key,
            )
        self._relay.wake()
        self._locker.wake()

    async def draw(self, document_id: str, wrapped: bytes, sheet: Sheet, content: Mapping[str, Any]) -> Drawn:
        """A sheet as an encrypted object. SHEET_NOT_DRAWN, BlobError."""
        now, attachment_id = clock.now(), clock.new_id()
        try:
            pdf = await paper.render(TEMPLATE, content, now)
        except (RuntimeError, TypeError, OSError) as error:
            raise DomainError(Kind.UNAVAILABLE, "SHEET_NOT_DRAWN", type(error).__name__) from error
        key = await open_document_key(self._keys, wrapped, document_id)
        uploaded = await upload(self._blobs, key, attachment_id, _whole(pdf), limit=MOST_BYTES)
        entry = AttachmentEntry(
            attachment_id=attachment_id,
            file_name=sheet.file_name,
            content_type="application/pdf",
            size=uploaded.size,
            sha256=uploaded.sha256,
            added_after_decision=True,
            added_at=now.isoformat(),
            added_by=events.own_actor().staff_id,
            sheet=str(sheet),
        )
        return Drawn(entry, uploaded, now)


async def keep(conn: Connection, document: Document, drawn: Drawn, cause: events.Cause) -> None:
    """The drawn sheet becomes a file of the document; its version does not move, as nobody changed it."""
    entry = drawn.entry
    await attachment_store.insert(
        conn,
        document,
        entry,
        object_key=drawn.uploaded.object_key,
        version_id=drawn.uploaded.version_id,
        added_at=drawn.drawn_at,
    )
    envelopes = events.envelopes(
        [domain.drawn(document.document_id, entry.attachment_id, Sheet(entry.sheet), entry.sha256)],
        aggregate="sheet",
        aggregate_id=entry.attachment_id,
        last_version=1,
        cause=cause,
        version_digest=document.version_digest,
    )
    await outbox.append(conn, envelopes, events.AUDIT)
    await store.append_history(conn, document.document_id, envelopes, cause.now, version=document.version)


async def _whole(pdf: bytes) -> AsyncIterator[bytes]:
    yield pdf
