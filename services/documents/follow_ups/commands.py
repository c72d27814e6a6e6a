"""The write on 次にすること: a list is saved whole, with its event, in one transaction; crash inside: nothing happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chassis import clock, outbox, requests
from chassis.db import transaction
from chassis.errors import not_found
from chassis.identity import Identity
from chassis.requests import Call
from services.documents import events, plan_store, policy
from services.documents.bodies import store as bodies
from services.documents.commands import Service, by
from services.documents.follow_ups import domain, store
from services.documents.follow_ups.domain import FollowUp, FollowUpList


async def save_follow_ups(
    service: Service,
    actor: Identity,
    call: Call,
    class_code: str,
    expected_version: int,
    wanted: Sequence[FollowUp],
    answer: Callable[[FollowUpList], bytes],
) -> bytes:
    """What usually follows in a class from now on. NOT_PERMITTED, NOT_FOUND, STALE_VERSION, INVALID_FIELDS."""
    policy.may_edit_file_plan(actor)
    now = clock.now()
    async with transaction(service.pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        before = await store.find(conn, class_code, lock=True)
        if before is None:
            raise not_found()
        made = domain.edited(
            before,
            expected_version,
            wanted,
            classes={one.class_code for one in await plan_store.every_class(conn)},
            templates={one.body_template_id for one in await bodies.listed(conn, "", ())},
            new_id=clock.new_id,
            by=actor.staff_id,
            now=now,
        )
        await store.save(conn, made)
        envelopes = events.envelopes(
            [domain.changed(made)],
            aggregate="class",
            aggregate_id=class_code,
            last_version=made.version,
            cause=by(actor, now),
        )
        await outbox.append(conn, envelopes, events.AUDIT)
        response = answer(made)
        await requests.keep(conn, call, response)
    service.relay.wake()
    return response
