"""Removes what crashes left: objects no row names, uploads that died, discarded objects.

Only what is older than any upload may take is touched, and only when no row names it; a locked
object refuses by itself. Safe to run in every replica and as a command.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from dataclasses import dataclass

import psycopg

from chassis import clock
from chassis.db import Pool, connection, transaction
from chassis.errors import DomainError
from services.documents import attachment_store, content_locks
from services.documents.blobs import BlobError, NotFound, ObjectStore, StoreRefused

log = logging.getLogger(__name__)

PREFIXES = ("content/", "manifest/")
BATCH = 100


@dataclass
class Swept:
    """How much of each was removed."""

    discarded: int = 0
    orphans: int = 0
    incomplete: int = 0
    uploads: int = 0
    # Locks of what never expires, moved on by a year.
    renewed: int = 0


async def sweep(pool: Pool, blobs: ObjectStore, older_than: dt.datetime) -> Swept:
    """One pass. DomainError or BlobError when database or store are away; what was done stays done."""
    swept = Swept()
    swept.discarded = await delete_discarded(pool, blobs)
    for prefix in PREFIXES:
        async for version in blobs.list_versions(prefix, older_than):
            async with connection(pool) as conn:
                named = await attachment_store.names_object(conn, version.object_key, version.version_id)
            if not named and await _deleted(blobs, version.object_key, version.version_id):
                swept.orphans += 1
        async for upload in blobs.list_incomplete(prefix, older_than):
            try:
                await blobs.abort_incomplete(upload)
                swept.incomplete += 1
            except NotFound:
                continue
    async with transaction(pool) as conn:
        cursor = await conn.execute("DELETE FROM uploads WHERE started_at < %s", (older_than,))
        swept.uploads = cursor.rowcount
        swept.renewed = await content_locks.renew(conn, clock.now())
    return swept


async def delete_discarded(pool: Pool, blobs: ObjectStore) -> int:
    """Delete what removed attachments and deleted drafts have left; the row goes after its object."""
    count = 0
    while True:
        async with connection(pool) as conn:
            cursor = await conn.execute(
                "SELECT o.object_key, o.version_id FROM object_discards AS o ORDER BY o.discarded_at LIMIT %s", (BATCH,)
            )
            rows = await cursor.fetchall()
        for object_key, version_id in rows:
            await _deleted(blobs, object_key, version_id)
            async with transaction(pool) as conn:
                await conn.execute(
                    "DELETE FROM object_discards WHERE object_key = %s AND version_id = %s", (object_key, version_id)
                )
        count += len(rows)
        if len(rows) < BATCH:
            return count


async def _deleted(blobs: ObjectStore, object_key: str, version_id: str) -> bool:
    try:
        await blobs.delete_version(object_key, version_id)
    except StoreRefused as error:
        # A lock on something no row names: keep it and let somebody look.
        log.error("an object no row names is locked", extra={"error": error.code})
        return False
    return True


async def run(pool: Pool, blobs: ObjectStore, after: float) -> None:
    """Every quarter of `after` seconds, until cancelled."""
    while True:
        await asyncio.sleep(after / 4)
        try:
            swept = await sweep(pool, blobs, dt.datetime.now(tz=dt.UTC) - dt.timedelta(seconds=after))
            log.info("swept", extra=vars(swept))
        except (DomainError, BlobError, psycopg.Error, OSError) as error:
            log.warning("sweeper waits", extra={"error": f"{type(error).__name__}: {error}"})
