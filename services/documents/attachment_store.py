# ruff: noqa: S608 - statements are put together from constants of this module
"""All SQL of attachments and of uploads under way; one function per statement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from chassis.db import Connection
from services.documents import store
from services.documents.domain import Document
from services.documents.manifest import AttachmentEntry
from services.documents.store import CONTEXT, VISIBLE, AttachmentRow, ReadContext


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the bytes of an attachment or manifest are, and the wrapped key that opens them."""

    attachment: AttachmentRow
    object_key: str
    version_id: str
    wrapped_key: bytes
    version_digest: str
    context: ReadContext


async def get(conn: Connection, document_id: str, attachment_id: str, principals: Sequence[str]) -> Stored | None:
    """The attachment if its document may be seen; those of earlier revisions too (AP-30)."""
    cursor = await conn.execute(
        "SELECT a.attachment_id::text, a.file_name, a.content_type, a.size, a.sha256, a.added_after_decision, a.added_at,"
        " a.added_by, NULL::timestamptz, a.sheet, a.object_key, a.version_id, k.wrapped, d.version_digest,"
        f" {CONTEXT}"
        " FROM documents AS d JOIN attachments AS a ON a.document_id = d.document_id"
        " JOIN document_keys AS k ON k.document_id = d.document_id"
        f" WHERE d.document_id = %(document_id)s AND a.attachment_id = %(attachment_id)s AND {VISIBLE}",
        {"document_id": document_id, "attachment_id": attachment_id, "principals": list(principals)},
        binary=True,
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    return Stored(AttachmentRow(*row[:10]), row[10], row[11], bytes(row[12]), row[13], ReadContext(*row[14:]))


async def insert(
    conn: Connection,
    document: Document,
    entry: AttachmentEntry,
    *,
    object_key: str,
    version_id: str,
    added_at: dt.datetime,
) -> None:
    """A new last attachment of the working revision."""
    await conn.execute(
        "INSERT INTO attachments (attachment_id, document_id, position, revision, file_name, content_type, size, sha256,"
        " object_key, version_id, added_after_decision, added_at, added_by, sheet) VALUES (%s, %s,"
        " (SELECT coalesce(max(a.position), 0) + 1 FROM attachments AS a WHERE a.document_id = %s),"
        " %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            entry.attachment_id,
            document.document_id,
            document.document_id,
            document.revision,
            entry.file_name,
            entry.content_type,
            entry.size,
            entry.sha256,
            object_key,
            version_id,
            entry.added_after_decision,
            added_at,
            entry.added_by,
            entry.sheet,
        ),
    )


async def count(conn: Connection, document_id: str) -> int:
    """How many of people's there are now."""
    cursor = await conn.execute(
        "SELECT count(*) FROM attachments AS a"
        " WHERE a.document_id = %s AND a.removed_revision IS NULL AND a.sheet = ''",
        (document_id,),
    )
    row = await store.one(cursor)
    return int(row[0])


async def remove(conn: Connection, document: Document, attachment_id: str, now: dt.datetime) -> bool:
    """Take it out of the working revision; False when it is not there.

    One that circulated stays with its revision. One that never did goes for good, its object with it.
    """
    key = (document.document_id, attachment_id)
    cursor = await conn.execute(
        "UPDATE attachments SET removed_revision = %s WHERE document_id = %s AND attachment_id = %s"
        " AND removed_revision IS NULL AND revision <= %s",
        (document.revision, *key, document.frozen_revision),
    )
    if cursor.rowcount == 1:
        return True
    cursor = await conn.execute(
        "DELETE FROM attachments WHERE document_id = %s AND attachment_id = %s AND revision > %s"
        " RETURNING object_key, version_id",
        (*key, document.frozen_revision),
    )
    row = await cursor.fetchone()
    if row is None:
        return False
    await conn.execute(
        "INSERT INTO object_discards (object_key, version_id, discarded_at) VALUES (%s, %s, %s)", (*row, now)
    )
    return True


async def begin_upload(conn: Connection, attachment_id: str, document_id: str, staff_id: str, now: dt.datetime) -> None:
    """An upload is under way."""
    await conn.execute(
        "INSERT INTO uploads (attachment_id, document_id, staff_id, started_at) VALUES (%s, %s, %s, %s)",
        (attachment_id, document_id, staff_id, now),
    )


async def end_upload(conn: Connection, attachment_id: str) -> None:
    """An upload is over, one way or the other."""
    await conn.execute("DELETE FROM uploads WHERE attachment_id = %s", (attachment_id,))


async def names_object(conn: Connection, object_key: str, version_id: str) -> bool:
    """Whether any row names this object version."""
    cursor = await conn.execute(
        "SELECT EXISTS (SELECT FROM attachments AS a WHERE a.object_key = %(key)s AND a.version_id = %(version)s)"
        " OR EXISTS (SELECT FROM manifests AS m WHERE m.object_key = %(key)s AND m.version_id = %(version)s)",
        {"key": object_key, "version": version_id},
    )
    row = await store.one(cursor)
    return bool(row[0])
