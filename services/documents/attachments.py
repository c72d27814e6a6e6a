"""Attachments in and out as streams: constant memory, digest on the way, nothing half-done.

In: permission first, then bytes, then one transaction that makes it visible. Out: the first bytes
are authenticated, then the access is recorded, then they leave (I1).
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass

from chassis import clock, requests
from chassis.db import Connection, connection, transaction
from chassis.errors import DomainError, FieldViolation, Kind, invalid, not_found
from chassis.identity import Identity
from chassis.requests import Call
from services.documents import (
    attachment_store,
    commands,
    content_locks,
    domain,
    plan_store,
    policy,
    retention,
    store,
    textrules,
)
from services.documents.attachment_store import Stored
from services.documents.blobs import BlobError, TooLarge, Uploaded, download, open_document_key, upload
from services.documents.commands import Answer, Service
from services.documents.domain import Document
from services.documents.manifest import AttachmentEntry

log = logging.getLogger(__name__)

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Announced:
    """What the client says is coming."""

    document_id: str
    file_name: str
    content_type: str
    # Bytes, None when not known.
    size: int | None
    # hex, "" when not known.
    sha256: str


def check_announced(given: Announced, limit: int) -> Announced:
    """The name as it will be kept (NM-05); TOO_LARGE before a byte is read, INVALID_FIELDS for the rest."""
    found = []
    name, kind = given.file_name, given.content_type
    try:
        name = textrules.file_name(given.file_name)
    except ValueError as error:
        found.append(FieldViolation("file_name", str(error)))
    try:
        kind = textrules.content_type(given.content_type)
    except ValueError as error:
        found.append(FieldViolation("content_type", str(error)))
    digest = given.sha256.lower()
    if digest and not _SHA256.fullmatch(digest):
        found.append(FieldViolation("sha256", "INVALID"))
    if given.size is not None and given.size < 0:
        found.append(FieldViolation("size", "OUT_OF_RANGE"))
    if found:
        raise invalid(*found)
    if given.size is not None and given.size > limit:
        raise too_large(limit)
    return Announced(given.document_id, name, kind, given.size, digest)


def too_large(limit: int) -> DomainError:
    """More than one attachment may have."""
    return DomainError(Kind.TOO_LARGE, "TOO_LARGE", metadata={"limit": str(limit)})


async def add(
    service: Service,
    actor: Identity,
    call: Call,
    given: Announced,
    chunks: AsyncIterator[bytes],
    limit: int,
    answer: Callable[[str], Answer],
) -> bytes:
    """Store the stream as a new attachment of the document.

    Crash or cancellation while bytes come: nothing is visible; parts, object and the `uploads` row
    are the sweeper's. What arrived must be what was announced: TRUNCATED, DIGEST_MISMATCH, TOO_LARGE.
    """
    given = check_announced(given, limit)
    attachment_id = clock.new_id()
    async with transaction(service.pool) as conn:
        if (stored := await requests.answered(conn, call)) is not None:
            return stored
        document = await store.lock(conn, given.document_id, actor.principals)
        if document is None:
            raise not_found()
        await _may_attach(conn, actor, document)
        await attachment_store.begin_upload(conn, attachment_id, given.document_id, actor.staff_id, clock.now())
        wrapped = await store.wrapped_key(conn, given.document_id)
    try:
        key = await open_document_key(service.keys, wrapped, given.document_id)
        uploaded = await upload(service.blobs, key, attachment_id, _counted(chunks, given), limit=limit)
    except TooLarge:
        await _forget(service, attachment_id)
        raise too_large(limit) from None
    except BlobError as error:
        await _forget(service, attachment_id)
        raise commands.store_error(error) from error
    except DomainError:
        await _forget(service, attachment_id)
        raise
    try:
        if given.sha256 and uploaded.sha256 != given.sha256:
            raise DomainError(Kind.INVALID, "DIGEST_MISMATCH", metadata={"received": uploaded.sha256})
        return await _attach(service, actor, call, given, attachment_id, uploaded, answer)
    except BaseException:
        # Also when cancelled: no row names the object, so it goes; if even this fails, the sweeper finds it.
        service.blobs.leave_running(_discard(service, attachment_id, uploaded))
        raise


async def _attach(
    service: Service,
    actor: Identity,
    call: Call,
    given: Announced,
    attachment_id: str,
    uploaded: Uploaded,
    answer: Callable[[str], Answer],
) -> bytes:
    """The transaction that makes an uploaded object an attachment."""
    now = clock.now()
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            service.blobs.leave_running(_discard(service, attachment_id, uploaded))
            return stored
        before = await store.lock(conn, given.document_id, actor.principals)
        if before is None:
            raise not_found()
        count, paper = await _may_attach(conn, actor, before)
        document, late, facts = domain.attach(before, attachment_id, paper=paper, count=count, now=now)
        entry = AttachmentEntry(
            attachment_id=attachment_id,
            file_name=given.file_name,
            content_type=given.content_type,
            size=uploaded.size,
            sha256=uploaded.sha256,
            added_after_decision=late,
            added_by=actor.staff_id,
        )
        await attachment_store.insert(
            conn, document, entry, object_key=uploaded.object_key, version_id=uploaded.version_id, added_at=now
        )
        await store.save(conn, document, before)
        await store.index_text(conn, document)
        if late:
            folder = await plan_store.folder_of(conn, document.content.folder_id)
            kept = folder.retention if folder is not None else retention.PERPETUAL
            until = retention.lock_until(kept, domain.day_of(now))
            await content_locks.want(
                conn, document.document_id, document.version_digest, until, now, only=uploaded.object_key
            )
        await attachment_store.end_upload(conn, attachment_id)
        await commands.announce(conn, document, facts, commands.by(actor, now))
        response = answer(attachment_id)(await store.own_view(conn, given.document_id))
        await requests.keep(conn, call, response)
    service.relay.wake()
    if late:
        service.locker.wake()
    return response


async def _may_attach(conn: Connection, actor: Identity, document: Document) -> tuple[int, bool]:
    class_ = await plan_store.class_of(conn, document.content.class_code)
    paper = class_ is not None and class_.paper_only
    count = await attachment_store.count(conn, document.document_id)
    if domain.check_attachable(document, paper=paper, count=count):
        policy.may_process(actor, document)
    else:
        policy.may_edit(actor, document)
    return count, paper


async def _counted(chunks: AsyncIterator[bytes], given: Announced) -> AsyncIterator[bytes]:
    """The chunks, held against the announced size."""
    received = 0
    async for chunk in chunks:
        received += len(chunk)
        if given.size is not None and received > given.size:
            raise invalid(FieldViolation("size", "MISMATCH"))
        yield chunk
    if given.size is not None and received < given.size:
        raise DomainError(Kind.INVALID, "TRUNCATED", metadata={"received": str(received), "announced": str(given.size)})


async def _forget(service: Service, attachment_id: str) -> None:
    async with transaction(service.pool) as conn:
        await attachment_store.end_upload(conn, attachment_id)


async def _discard(service: Service, attachment_id: str, uploaded: Uploaded) -> None:
    """Delete an object unless a row names it after all: a commit whose answer was lost did happen."""
    try:
        async with connection(service.pool) as conn:
            named = await attachment_store.names_object(conn, uploaded.object_key, uploaded.version_id)
        if not named:
            await service.blobs.delete_version(uploaded.object_key, uploaded.version_id)
            await _forget(service, attachment_id)
    except (BlobError, DomainError) as error:
        log.warning("left to the sweeper", extra={"error": f"{type(error).__name__}: {error}"})


# ---------------------------------------------------------------- out


@dataclass(frozen=True)
class Range:
    """A part of an attachment in bytes of plain text."""

    offset: int
    length: int


def range_of(size: int, offset: int, length: int) -> Range:
    """What a request names: length 0 is to the end, a negative offset counts from the end; RANGE_NOT_SATISFIABLE."""
    start = max(size + offset, 0) if offset < 0 else offset
    if length < 0 or start > size or (start == size and size > 0):
        raise DomainError(Kind.OUT_OF_RANGE, "RANGE_NOT_SATISFIABLE", metadata={"size": str(size)})
    return Range(start, min(length or size, size - start))


@contextlib.asynccontextmanager
async def opened(
    service: Service, document_id: str, stored: Stored, part: Range
) -> AsyncIterator[AsyncIterator[bytes]]:
    """The bytes of the part. On entering, the first of them are here and authenticated, but not handed out."""
    try:
        key = await open_document_key(service.keys, stored.wrapped_key, document_id)
        stream = download(
            service.blobs,
            key,
            stored.attachment.attachment_id,
            stored.object_key,
            stored.version_id,
            offset=part.offset,
            length=part.length,
        )
        async with contextlib.aclosing(stream):
            first = await anext(stream, b"")
            if part.length and not first:
                raise DomainError(Kind.DATA_LOSS, "CONTENT_DAMAGED", "stored content is shorter than its row says")
            yield _from(first, stream, part.length)
    except BlobError as error:
        raise commands.store_error(error) from error


async def _from(first: bytes, stream: AsyncGenerator[bytes, None], length: int) -> AsyncIterator[bytes]:
    sent = len(first)
    yield first
    async for chunk in stream:
        sent += len(chunk)
        yield chunk
    if sent != length:
        raise DomainError(Kind.DATA_LOSS, "CONTENT_DAMAGED", "stored content is shorter than its row says")
