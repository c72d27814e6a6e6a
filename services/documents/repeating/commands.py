"""引用起案: a draft from a document, in one transaction. Crash inside: there is no draft, the viewing stays recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from chassis import clock, requests
from chassis.db import Connection, transaction
from chassis.errors import FieldViolation, invalid
from chassis.identity import Identity
from chassis.requests import Call
from services.documents import domain, plan_store, policy, retention, store
from services.documents.blobs import new_document_key
from services.documents.bodies import store as bodies
from services.documents.bodies.domain import filled
from services.documents.commands import Service, announce, by
from services.documents.domain import Document, Fields
from services.documents.follow_ups import store as follow_ups
from services.documents.follow_ups.domain import offered
from services.documents.repeating import domain as repeating
from services.documents.repeating import store as citations
from services.documents.store import View
from services.documents.view_classes import in_section


async def repeat_document(
    service: Service,
    actor: Identity,
    call: Call,
    source: Document,
    *,
    post_id: str,
    with_counterparty: bool,
    follow_up_id: str,
    answer: Callable[[View], bytes],
) -> bytes:
    """A draft of the actor's from a source that was shown to him; filed in this year's folder of its class.

    INVALID_FIELDS, PAPER_ONLY.
    """
    now, document_id = clock.now(), clock.new_id()
    year = retention.fiscal_year(domain.day_of(now))
    post, unit = policy.drafting_post(actor, post_id)
    wrapped = await new_document_key(service.keys, document_id)
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        content = repeating.repeated(source, year, with_counterparty=with_counterparty)
        if follow_up_id:
            content = await _following(conn, source, content, follow_up_id, year, actor)
        class_ = await plan_store.class_of(conn, content.class_code)
        folder = await citations.folder_of(conn, unit, year, content.class_code)
        of_section = in_section(actor.principals, unit)
        content = repeating.filed(content, unit, class_, folder, in_section=of_section)
        domain.check_fields(content)
        class_ = class_ if content.class_code else None
        content = domain.check_filing(content, unit, class_, folder, in_section=of_section)
        document, facts = domain.create(
            document_id,
            content,
            drafter=actor.staff_id,
            post_id=post,
            unit_id=unit,
            now=now,
            change="redrafted",
        )
        await store.insert(conn, document, wrapped)
        await citations.cite(conn, document_id, source.document_id)
        await store.replace_owner_rights(conn, document_id, domain.owner_rights(document), now)
        await store.index_text(conn, document)
        await announce(conn, document, facts, by(actor, now))
        response = answer(await store.own_view(conn, document_id))
        await requests.keep(conn, call, response)
    service.relay.wake()
    return response


async def _following(
    conn: Connection, source: Document, content: Fields, follow_up_id: str, year: int, actor: Identity
) -> Fields:
    """The draft that the file plan names next, with its 例文 where there is one."""
    plan = await follow_ups.of_class(conn, source.content.class_code) if source.state in repeating.DONE else []
    found = offered(plan, "draft", source.content.title)
    chosen = next((one for one in found if one.follow_up_id == follow_up_id and one.kind == "draft"), None)
    if chosen is None:
        raise invalid(FieldViolation("follow_up_id", "UNKNOWN"))
    content = repeating.following(content, chosen, year)
    if chosen.body_template_id:
        template = await bodies.find(conn, chosen.body_template_id)
        if template is not None and template.usable_by(actor.staff_id, actor.units):
            content = replace(content, body=filled(template.body, content.title, content.counterparty, clock.today()))
    return content
