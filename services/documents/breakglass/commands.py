"""Writes of 緊急閲覧: one function, one transaction each (AC-08).

Each step is announced for the log. From the consent on it also stands in the history of the document, so that those who
work with it know.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from chassis import clock, outbox, requests
from chassis.db import Connection, transaction
from chassis.errors import not_found
from chassis.identity import Identity
from chassis.requests import Call
from services.documents import events
from services.documents import store as documents
from services.documents.assignments.domain import Attested
from services.documents.breakglass import domain, store
from services.documents.breakglass.domain import BreakGlass, Found
from services.documents.commands import Service, by
from services.documents.domain import check_version
from services.documents.events import Cause

Answer = Callable[[BreakGlass], bytes]


async def request(
    service: Service, actor: Identity, call: Call, wish: BreakGlass, most_hours: int, answer: Answer
) -> bytes:
    """Asked for; nothing is looked up and nothing shown yet. INVALID_FIELDS."""
    made = domain.requested(wish, most_hours)
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        await store.insert(conn, made)
        await _tell(conn, "BreakGlassRequested", made, by(actor, made.requested_at))
        response = answer(made)
        await requests.keep(conn, call, response)
    service.relay.wake()
    return response


async def consent(
    service: Service, actor: Identity, call: Call, break_glass_id: str, expected_version: int, answer: Answer
) -> bytes:
    """The span begins. NOT_FOUND, STALE_VERSION, NOT_PERMITTED, OWN_BREAK_GLASS, SAME_ROLE, BREAK_GLASS_STATE."""
    now = clock.now()
    domain.check_consents(actor.roles)
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        before = await _load(conn, break_glass_id, expected_version)
        found = await store.find(conn, before.named)
        made = domain.consented(before, actor.staff_id, actor.roles, found.document_id, now)
        await store.save(conn, made)
        if made.document_id:
            await store.grant(conn, made)
        await _tell(conn, "BreakGlassConsented", made, by(actor, now))
        response = answer(made)
        await requests.keep(conn, call, response)
    service.relay.wake()
    return response


async def end(
    service: Service,
    actor: Identity,
    call: Call,
    break_glass_id: str,
    expected_version: int,
    attested: Attested | None,
    answer: Answer,
) -> bytes:
    """Over now. NOT_FOUND also for who may not know of it; STALE_VERSION, NOT_PERMITTED, BREAK_GLASS_STATE."""
    now = clock.now()
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        before = await store.lock(conn, break_glass_id)
        head = before is not None and await _is_head(conn, before, actor, attested)
        if before is None or not (head or actor.roles.intersection(domain.ASKING)):
            raise not_found()
        check_version(before.version, expected_version)
        made = domain.ended(before, actor.staff_id, now, head=head)
        await _over(conn, made, by(actor, now))
        response = answer(made)
        await requests.keep(conn, call, response)
    service.relay.wake()
    return response


async def note_ends(service: Service, now: dt.datetime) -> int:
    """Those whose time is up stand in the log as ended; returns how many. The clock had shut them before."""
    actor = events.own_actor()
    async with transaction(service.pool) as conn:
        over = await store.lock_run_out(conn, now)
        for one in over:
            await _over(conn, domain.run_out(one, actor.staff_id, now), Cause(actor, now))
    if over:
        service.relay.wake()
    return len(over)


async def _over(conn: Connection, made: BreakGlass, cause: Cause) -> None:
    await store.save(conn, made)
    await store.end(conn, made)
    await _tell(conn, "BreakGlassEnded", made, cause)


async def _load(conn: Connection, break_glass_id: str, expected_version: int) -> BreakGlass:
    found = await store.lock(conn, break_glass_id)
    if found is None:
        raise not_found()
    check_version(found.version, expected_version)
    return found


async def _is_head(conn: Connection, request: BreakGlass, actor: Identity, attested: Attested | None) -> bool:
    """Whether the caller heads the unit whose document it shows."""
    if attested is None or actor.staff_id not in attested.heads:
        return False
    opened = await store.versioned(conn, request.document_id)
    return opened is not None and opened[0].unit_id == attested.unit_id


async def _tell(conn: Connection, name: str, made: BreakGlass, cause: Cause) -> None:
    opened = await store.versioned(conn, made.document_id)
    found, version = opened or (Found(made.document_id), 0)
    told = events.envelopes(
        [domain.fact(name, made, found)],
        aggregate="break_glass",
        aggregate_id=made.break_glass_id,
        last_version=made.version,
        cause=cause,
    )
    if opened is not None:
        await documents.append_history(conn, found.document_id, told, cause.now, version=version)
    for one in told:
        await outbox.append(conn, [one], events.awaited_by(one))
