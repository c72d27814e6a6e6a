"""Writes on 例文: save, retire. One transaction and one event each; crash inside: nothing happened."""

from __future__ import annotations

from collections.abc import Callable

from chassis import clock, outbox, requests
from chassis.db import Connection, transaction
from chassis.errors import not_found
from chassis.identity import Identity
from chassis.requests import Call
from services.documents import events, policy
from services.documents.bodies import domain, store
from services.documents.bodies.domain import BodyTemplate, Scope
from services.documents.commands import Service, by

Answer = Callable[[BodyTemplate], bytes]


async def save_new(
    service: Service,
    actor: Identity,
    call: Call,
    *,
    scope: Scope,
    unit_id: str,
    name: str,
    body: str,
    answer: Answer,
) -> bytes:
    """A new template of the person, a unit or the city. INVALID_FIELDS, NOT_PERMITTED."""
    owner = {Scope.PERSONAL: actor.staff_id, Scope.UNIT: unit_id, Scope.CITY: ""}[scope]
    template = BodyTemplate(clock.new_id(), 1, scope, owner, name, body, actor.staff_id, clock.now())
    policy.may_keep(actor, template)
    domain.checked(template)
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        response = await _keep(conn, actor, call, template, answer)
    service.relay.wake()
    return response


async def save_next(
    service: Service,
    actor: Identity,
    call: Call,
    body_template_id: str,
    expected_version: int,
    *,
    name: str,
    body: str,
    answer: Answer,
) -> bytes:
    """The next version; drafts filled from an earlier one stay as they are. NOT_FOUND, STALE_VERSION, NOT_PERMITTED."""
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        old = await _mine(conn, actor, body_template_id)
        template = domain.next_version(old, expected_version, name=name, body=body, by=actor.staff_id, now=clock.now())
        response = await _keep(conn, actor, call, template, answer)
    service.relay.wake()
    return response


async def retire(
    service: Service, actor: Identity, call: Call, body_template_id: str, expected_version: int, answer: Answer
) -> bytes:
    """Offered no more; its versions stay. NOT_FOUND, STALE_VERSION, NOT_PERMITTED."""
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        old = await _mine(conn, actor, body_template_id)
        template = domain.next_version(
            old, expected_version, name=old.name, body=old.body, by=actor.staff_id, now=clock.now(), retired=True
        )
        response = await _keep(conn, actor, call, template, answer)
    service.relay.wake()
    return response


async def _mine(conn: Connection, actor: Identity, body_template_id: str) -> BodyTemplate:
    """The template, locked, if the person may change it. NOT_FOUND for one they cannot even use."""
    await store.lock(conn, body_template_id)
    found = await store.find(conn, body_template_id)
    if found is None or not found.usable_by(actor.staff_id, actor.units):
        raise not_found()
    policy.may_keep(actor, found)
    return found


async def _keep(conn: Connection, actor: Identity, call: Call, template: BodyTemplate, answer: Answer) -> bytes:
    """The version, its event and the answer, in the caller's transaction."""
    await store.insert(conn, template)
    envelopes = events.envelopes(
        [domain.changed(template)],
        aggregate="body_template",
        aggregate_id=template.body_template_id,
        last_version=template.version,
        cause=by(actor, template.saved_at),
    )
    await outbox.append(conn, envelopes, events.AUDIT)
    response = answer(template)
    await requests.keep(conn, call, response)
    return response
