"""The write of 引継ぎ: one transaction from the request to the answer."""

from __future__ import annotations

from collections.abc import Callable

from chassis import clock, requests
from chassis.db import transaction
from chassis.errors import not_found
from chassis.identity import Identity
from chassis.requests import Call
from services.documents import commands, store
from services.documents.assignments import domain
from services.documents.assignments.domain import Attested
from services.documents.commands import Service
from services.documents.domain import Document, check_version, owner_rights


async def assign_document(
    service: Service,
    actor: Identity,
    call: Call,
    document_id: str,
    expected_version: int,
    attested: Attested,
    assignee: str,
    reason: str,
    answer: Callable[[Document], bytes],
) -> bytes:
    """Give the document to another 担当者. Where it is not the whole unit's, the view goes with it.

    The reason stays in the history of the document: events and log carry identifiers only.
    """
    now = clock.now()
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        before = await store.lock(conn, document_id, actor.principals)
        visible = before is not None
        before = before or await store.lock_any(conn, document_id)
        if before is None:
            raise not_found()
        domain.check_may_assign(before, attested, actor.staff_id, visible=visible)
        check_version(before.version, expected_version)
        document, facts = domain.assign(before, assignee, attested, reason, now)
        await store.save(conn, document, before)
        await store.replace_owner_rights(conn, document_id, owner_rights(document), now)
        await commands.announce(conn, document, facts, commands.by(actor, now), kept={"reason": reason})
        response = answer(document)
        await requests.keep(conn, call, response)
    service.relay.wake()
    return response
