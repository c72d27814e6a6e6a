"""Writes on versions of decision rules: import, activate, discard; and `load`, for a city's files.

Each is one transaction and one event. Crash inside: nothing happened.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from chassis import clock, db, outbox, requests
from chassis.db import Connection, Pool
from chassis.errors import DomainError, Kind, not_found
from chassis.requests import Call
from services.approvals import policy
from services.approvals.cases.envelopes import Cause
from services.approvals.routes.domain import Rule
from services.approvals.rules import domain, planned, store
from services.approvals.rules.checks import FilePlan, Finding, check
from services.approvals.rules.domain import Difference, Version, VersionState, difference
from services.approvals.rules.envelopes import AWAITS, rules_changed


@dataclass(frozen=True)
class Assessment:
    """What a version would change against the day before it begins, and what the check finds in it."""

    # None when nothing of the body holds on that day.
    compared_with: Version | None
    difference: Difference
    findings: tuple[Finding, ...]


async def assess(
    conn: Connection, body: str, valid_from: dt.date, rules: Sequence[Rule], plan: FilePlan, now: dt.datetime
) -> Assessment:
    """Compared and checked in the organisation planned for its first day, or of today when that has passed."""
    before = await store.in_force(conn, body, valid_from - dt.timedelta(days=1))
    old = await store.rules_of(conn, before.rule_version_id) if before is not None else []
    organisation = await planned.organisation_on(conn, max(valid_from, now.date()))
    return Assessment(before, difference(old, rules), tuple(check(rules, organisation, plan)))


async def import_version(
    pool: Pool,
    call: Call,
    version: Version,
    rules: Sequence[Rule],
    plan: FilePlan,
    roles: Collection[str],
    cause: Cause,
    encode: Callable[[Version, Assessment], bytes],
) -> bytes:
    """A draft, to be looked at by somebody else. Findings do not hinder it, only its activation. NOT_PERMITTED."""
    policy.require_records_office(roles)
    domain.require_future(version.valid_from, version.imported_at.date())
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        assessed = await assess(conn, version.body, version.valid_from, rules, plan, version.imported_at)
        response = encode(version, assessed)
        await store.insert(conn, version, rules)
        await outbox.append(conn, [rules_changed(version, cause)], AWAITS)
        await requests.keep(conn, call, response)
    return response


async def activate_version(
    pool: Pool,
    call: Call,
    rule_version_id: str,
    expected_version: int,
    by: str,
    roles: Collection[str],
    cause: Cause,
    encode: Callable[[Version], bytes],
    now: dt.datetime,
) -> bytes:
    """From its first day on the version is what drafts are decided by (AP-02); cases made before keep their rule.

    NOT_FOUND, STALE_VERSION, RULES_SETTLED, SAME_PERSON, RULES_DAY_TAKEN, RULES_BLOCKED, NOT_PERMITTED.
    """
    policy.require_records_office(roles)
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        draft = await _locked(conn, rule_version_id, expected_version)
        rules = await store.rules_of(conn, rule_version_id)
        organisation = await planned.organisation_on(conn, max(draft.valid_from, now.date()))
        blocking = [finding for finding in check(rules, organisation) if finding.blocking]
        version = domain.activate(draft, len(blocking), by, now)
        if await store.begins_on(conn, version.body, version.valid_from) is not None:
            raise DomainError(Kind.PRECONDITION, "RULES_DAY_TAKEN", "another version begins on this day")
        response = encode(version)
        await store.settle(conn, version)
        await outbox.append(conn, [rules_changed(version, cause)], AWAITS)
        await requests.keep(conn, call, response)
    return response


async def discard_version(
    pool: Pool,
    call: Call,
    rule_version_id: str,
    expected_version: int,
    by: str,
    roles: Collection[str],
    cause: Cause,
    encode: Callable[[Version], bytes],
    now: dt.datetime,
) -> bytes:
    """A draft is dropped, or an activated version taken back before its first day; both stay on record.

    NOT_FOUND, STALE_VERSION, RULES_SETTLED, NOT_PERMITTED.
    """
    policy.require_records_office(roles)
    async with db.transaction(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        version = domain.discard(await _locked(conn, rule_version_id, expected_version), by, now)
        response = encode(version)
        await store.settle(conn, version)
        await outbox.append(conn, [rules_changed(version, cause)], AWAITS)
        await requests.keep(conn, call, response)
    return response


async def load_versions(
    conn: Connection, loaded: Mapping[tuple[str, dt.date], Sequence[Rule]], cause: Cause, now: dt.datetime
) -> int:
    """A city's file in the caller's transaction: by (body, first day) the whole 専決規程; returns how many changed.

    A version that says the same is left alone, another text of the same day replaces it, other days stay.
    """
    by = cause.actor.staff_id
    changed = 0
    for (body, day), rules in sorted(loaded.items()):
        await store.lock_body(conn, body)
        old = await store.begins_on(conn, body, day)
        if old is not None:
            if not difference(await store.rules_of(conn, old.rule_version_id), rules):
                continue
            old = domain.supersede(old, by, now)
            await store.settle(conn, old)
            await outbox.append(conn, [rules_changed(old, cause)], AWAITS)
        state = VersionState.ACTIVATED
        version = Version(clock.new_id(), body, day.isoformat(), day, state, by, now, by, now)
        await store.insert(conn, version, rules)
        await outbox.append(conn, [rules_changed(version, cause)], AWAITS)
        changed += 1
    return changed


async def _locked(conn: Connection, rule_version_id: str, expected_version: int) -> Version:
    """The version, and with it all of its body: two cannot take the same first day. NOT_FOUND, STALE_VERSION."""
    found = await store.find_version(conn, rule_version_id)
    if found is not None:
        await store.lock_body(conn, found.body)
        found = await store.find_version(conn, rule_version_id)
    if found is None:
        raise not_found()
    if found.version != expected_version:
        raise DomainError(
            Kind.CONFLICT, "STALE_VERSION", f"it is at {found.version}", metadata={"version": str(found.version)}
        )
    return found
