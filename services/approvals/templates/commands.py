"""Writes on templates of routes: save, retire. One transaction and one event each; crash inside: nothing happened."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence

from chassis import clock, db, outbox, requests
from chassis.db import Connection, Pool
from chassis.errors import not_found
from chassis.recorder import timestamp
from chassis.requests import Call
from kanketsu.approvals.v1 import events_pb2
from kanketsu.event.v1 import envelope_pb2
from services.approvals import policy
from services.approvals.cases.envelopes import PRODUCER, Cause
from services.approvals.policy import Reader
from services.approvals.templates import domain, store
from services.approvals.templates.domain import Extra, Scope, Template

AWAITS = ("audit",)
Encode = Callable[[Template], bytes]


async def save_new(
    pool: Pool,
    call: Call,
    scope: Scope,
    unit_id: str,
    name: str,
    extras: Sequence[Extra],
    reader: Reader,
    roles: Collection[str],
    cause: Cause,
    encode: Encode,
    now: dt.datetime,
) -> bytes:
    """A new template of the person, a unit or the city. INVALID_FIELDS, NOT_PERMITTED."""
    owner = {Scope.PERSONAL: reader.staff_id, Scope.UNIT: unit_id, Scope.CITY: ""}[scope]
    template = Template(clock.new_id(), 1, scope, owner, name, tuple(extras), reader.staff_id, now)
    policy.require_may_keep(template, reader, roles)
    domain.checked(name, extras)
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        return await _keep(conn, call, template, cause, encode)


async def save_next(
    pool: Pool,
    call: Call,
    route_template_id: str,
    expected_version: int,
    name: str,
    extras: Sequence[Extra],
    reader: Reader,
    roles: Collection[str],
    cause: Cause,
    encode: Encode,
    now: dt.datetime,
) -> bytes:
    """The next version; plans made with an earlier one stay as they are. NOT_FOUND, STALE_VERSION, NOT_PERMITTED."""
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        old = await _mine(conn, route_template_id, reader, roles)
        template = domain.next_version(old, expected_version, name, extras, reader.staff_id, now)
        return await _keep(conn, call, template, cause, encode)


async def retire(
    pool: Pool,
    call: Call,
    route_template_id: str,
    expected_version: int,
    reader: Reader,
    roles: Collection[str],
    cause: Cause,
    encode: Encode,
    now: dt.datetime,
) -> bytes:
    """Offered no more. NOT_FOUND, STALE_VERSION, NOT_PERMITTED."""
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        old = await _mine(conn, route_template_id, reader, roles)
        return await _keep(conn, call, domain.retire(old, expected_version, reader.staff_id, now), cause, encode)


async def _mine(conn: Connection, route_template_id: str, reader: Reader, roles: Collection[str]) -> Template:
    """The template, locked, if the person may change it. NOT_FOUND for one they cannot even use."""
    await store.lock(conn, route_template_id)
    found = await store.find_template(conn, route_template_id)
    if found is None or not policy.may_use(found, reader):
        raise not_found()
    policy.require_may_keep(found, reader, roles)
    return found


async def _keep(conn: Connection, call: Call, template: Template, cause: Cause, encode: Encode) -> bytes:
    """The version, its event and the answer, in the caller's transaction."""
    response = encode(template)
    await store.insert(conn, template)
    await outbox.append(conn, [_changed(template, cause)], AWAITS)
    await requests.keep(conn, call, response)
    return response


def _changed(template: Template, cause: Cause) -> envelope_pb2.Envelope:
    """RouteTemplateChanged: whose it is and which version, never its name or seats."""
    message = events_pb2.RouteTemplateChanged(
        route_template_id=template.route_template_id, scope=template.scope, retired=template.retired
    )
    return envelope_pb2.Envelope(
        event_id=clock.new_id(),
        type=message.DESCRIPTOR.full_name,
        action="template.retired" if template.retired else "template.saved",
        producer=PRODUCER,
        aggregate="route_template",
        aggregate_id=template.route_template_id,
        aggregate_version=template.version,
        occurred_at=timestamp(clock.now()),
        actor=cause.actor,
        trace_parent=cause.trace_parent,
        detail={"scope": template.scope},
        payload=message.SerializeToString(),
    )
