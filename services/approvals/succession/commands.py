"""Writes on open steps whose post has ended: follow the successors in batches, or reassign one by hand (AP-41)."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from chassis import db, outbox, requests
from chassis.db import Pool
from chassis.errors import not_found
from chassis.requests import Call
from kanketsu.event.v1 import envelope_pb2
from services.approvals import policy
from services.approvals.cases import store as cases
from services.approvals.cases.domain import Case, Hall
from services.approvals.cases.envelopes import AWAITS, ITSELF, Cause, cause_of, envelopes
from services.approvals.notices import commands as notices
from services.approvals.organisation.domain import Seat
from services.approvals.succession import domain, store
from services.approvals.succession.store import StepMove

log = logging.getLogger(__name__)

# Cases of one transaction: an act on one of them waits at most for so many.
BATCH = 100


async def follow_successors(pool: Pool, now: dt.datetime) -> int:
    """Every open step of an ended post goes to the post that took over; returns how many moved.

    In batches, so that acts on other steps go on meanwhile; a crash between two leaves the rest for the next round, and
    so does a case that is locked. Steps without a living successor, and those that the successor may not have (AP-02,
    AP-45), stay where they are and are listed.
    """
    day, moved, after = now.date(), 0, ""
    async with db.connection(pool) as conn:
        ended = await store.ended_with_steps(conn, day)
        if not ended:
            return 0
        follows, living = await store.successors_on(conn, "post", day), await store.living_posts(conn, day)
        heirs = {post_id: found for post_id in ended if (found := domain.heir(post_id, follows, living)) is not None}
        seats = (await cases.hall_of(conn, list(heirs.values()), day, now)).seats
    while heirs:
        async with db.transaction(pool) as conn:
            locked, after = await store.lock_cases_of(conn, list(heirs), after, BATCH)
            changed: list[tuple[Case, Case]] = []
            moves: list[StepMove] = []
            told: list[envelope_pb2.Envelope] = []
            for case, hall in await cases.load_many(conn, locked, day, now):
                wider = _with(hall, seats)
                made, events = domain.follow(case, heirs, wider)
                if events:
                    changed.append((case, made))
                    moves += _moves(case, made, "", ITSELF.staff_id)
                    told += envelopes(made, events, cause_of(ITSELF), wider)
            if moves:
                await store.save_moves(conn, [made for _, made in changed], moves, now)
                await notices.tell_moved(conn, changed, now)
                await outbox.append(conn, told, AWAITS)
                moved += len(moves)
        if not after:
            break
    if moved:
        log.info("steps followed successors", extra={"moved": moved, "posts": len(heirs)})
    return moved


async def release_asked(pool: Pool, now: dt.datetime) -> int:
    """Every 代決依頼 to a post that is on the decider's list no more is over (AP-13); returns how many.

    Whoever comes second finds nothing to do, and a case that is locked is left to the next round.
    """
    async with db.transaction(pool) as conn:
        locked = await store.lock_asked_out_of_order(conn, now.date(), BATCH)
        changed: list[tuple[Case, Case]] = []
        told: list[envelope_pb2.Envelope] = []
        for case, hall in await cases.load_many(conn, locked, now.date(), now):
            made, events = domain.release(case, hall)
            if events:
                changed.append((case, made))
                told += envelopes(made, events, cause_of(ITSELF), hall)
        if changed:
            await store.save_released(conn, [made for _, made in changed])
            await notices.tell_moved(conn, changed, now)
            await outbox.append(conn, told, AWAITS)
            log.info("substitutes are asked no more", extra={"cases": len(changed)})
    return len(changed)


@dataclass(frozen=True)
class Reassignment:
    """As asked for by the records office."""

    case_id: str
    step_id: str
    post_id: str
    reason: str
    expected_version: int


async def reassign(
    pool: Pool,
    call: Call,
    wish: Reassignment,
    by: str,
    roles: Collection[str],
    cause: Cause,
    encode: Callable[[Case], bytes],
    now: dt.datetime,
) -> bytes:
    """The records office gives a stranded step to a post, with a reason (AP-41).

    NOT_PERMITTED, NOT_FOUND, STALE_VERSION, and the refusals of `domain.reassign`.
    """
    policy.require_records_office(roles)
    day = now.date()
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        await cases.lock(conn, wish.case_id)
        found = await cases.load(conn, wish.case_id, day, now)
        if found is None:
            raise not_found()
        case, hall = found
        policy.require_version(case.version, wish.expected_version)
        target = (await cases.hall_of(conn, [wish.post_id], day, now)).seats.get(wish.post_id)
        made, events = domain.reassign(case, wish.step_id, target, wish.reason, hall)
        response = encode(made)
        await store.save_moves(conn, [made], _moves(case, made, wish.reason, by), now)
        await notices.tell_moved(conn, [(case, made)], now)
        seats = {} if target is None else {target.post_id: target}
        await outbox.append(conn, envelopes(made, events, cause, _with(hall, seats)), AWAITS)
        await requests.keep(conn, call, response)
    return response


def _with(hall: Hall, seats: Mapping[str, Seat]) -> Hall:
    """The hall of a case whose steps went to these posts."""
    return replace(hall, seats={**hall.seats, **seats})


def _moves(before: Case, made: Case, reason: str, by: str) -> list[StepMove]:
    return [
        StepMove(before.case_id, old.step_id, old.post_id, new.post_id, reason, by)
        for old, new in zip(before.steps, made.steps, strict=True)
        if old.post_id != new.post_id
    ]
