"""Writes on 付箋: stick or change, take off. One transaction and one event each; crash inside: nothing happened.

The document stays locked meanwhile, so that nothing is stuck to one whose case ends.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from chassis import clock, outbox, requests
from chassis.db import Connection, transaction
from chassis.errors import not_found
from chassis.identity import Identity
from chassis.requests import Call
from services.documents import events
from services.documents import store as documents
from services.documents.blobs import open_document_key
from services.documents.commands import Service, by
from services.documents.domain import Fact
from services.documents.memos import domain, store
from services.documents.memos.domain import Memo


def item_id(document_id: str, staff_id: str) -> str:
    """What the ciphertext is bound to: in another person's row, or another document's, it does not open."""
    return str(uuid.uuid5(uuid.UUID(document_id), staff_id))


async def save(
    service: Service,
    actor: Identity,
    call: Call,
    document_id: str,
    expected_version: int,
    text: str,
    answer: Callable[[Memo], bytes],
) -> bytes:
    """The person's own memo says this. NOT_FOUND, WRONG_STATE, NOT_PERMITTED, STALE_VERSION, INVALID_FIELDS."""
    now = clock.now()
    domain.check_text(text)
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        document = await documents.lock(conn, document_id, actor.principals)
        if document is None:
            raise not_found()
        through = await store.through(conn, document_id, actor.principals)
        domain.check_may_save(document, through)
        before = await store.find(conn, document_id, actor.staff_id)
        domain.check_version(before, expected_version)
        key = await open_document_key(service.keys, await documents.wrapped_key(conn, document_id), document_id)
        sealed = key.seal(item_id(document_id, actor.staff_id), text.encode())
        memo_id = before.memo_id if before is not None else clock.new_id()
        memo = Memo(memo_id, document_id, actor.staff_id, through, sealed, expected_version + 1, now)
        await store.put(conn, memo)
        await _announce(conn, actor, domain.saved(memo_id), memo_id, memo.version)
        response = answer(memo)
        await requests.keep(conn, call, response)
    service.relay.wake()
    return response


async def delete(
    service: Service, actor: Identity, call: Call, document_id: str, expected_version: int, answer: bytes
) -> bytes:
    """The person's own memo is gone, without a trace of what it said. NOT_FOUND, STALE_VERSION."""
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        if await documents.lock(conn, document_id, actor.principals) is None:
            raise not_found()
        before = await store.find(conn, document_id, actor.staff_id)
        domain.check_version(before, expected_version)
        if before is not None:
            await store.delete(conn, document_id, actor.staff_id)
            await _announce(conn, actor, domain.deleted(before.memo_id), before.memo_id, before.version + 1)
        await requests.keep(conn, call, answer)
    service.relay.wake()
    return answer


async def _announce(conn: Connection, actor: Identity, fact: Fact, memo_id: str, version: int) -> None:
    cause = by(actor, clock.now())
    made = events.envelopes([fact], aggregate="memo", aggregate_id=memo_id, last_version=version, cause=cause)
    await outbox.append(conn, made, events.AUDIT)
