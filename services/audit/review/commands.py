"""Everything that is written about reviews, one transaction each, with its leaf in the log in the same transaction.

A note of a review and its leaf have one number: the review's version. So the log shows by itself if a note is missing,
and a note cannot be added beside the log. The log's coordinator row is locked first; it serialises these writes too.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from chassis import clock, db, requests, telemetry
from chassis.db import Connection, Pool, transaction
from chassis.errors import DomainError, FieldViolation, Kind, invalid, not_found
from chassis.identity import Identity
from chassis.requests import Call
from services.audit import commands as log_commands
from services.audit import source_store
from services.audit import store as log_store
from services.audit.commands import LogKeys
from services.audit.domain import fiscal_year
from services.audit.entry import Leaf
from services.audit.retention import store as retention_store
from services.audit.review import domain, policy, store
from services.audit.review.domain import Examination, Finding, StaffFact, Thresholds
from services.audit.review.store import Coverage, NewReview, NoteRow, ReviewRow, RulesRow

# Who examines the past month when nobody asked.
ITSELF = Identity(staff_id="service:audit", tenant="")
# Records of the last minutes of a month are on their way for a while; a stopped service sends them when it is back.
SETTLES_AFTER = dt.timedelta(hours=6)
MAX_MISSING = 20
MAX_SOURCES = 500
MAX_GAPS = 100

Answer = Callable[[Connection], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Write:
    """One write as it came in: by whom, when, and for which call it is done once."""

    pool: Pool
    keys: LogKeys
    actor: Identity
    call: Call
    now: dt.datetime


@dataclass(frozen=True, slots=True)
class Target:
    """The review that is written about, and the version of it that the writer has seen."""

    review_id: str
    version: int


# --- examining --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Examined:
    """What a reading of a month gave."""

    month: str
    rules: RulesRow | None
    thresholds: Thresholds
    coverage: Sequence[Coverage]
    findings: Sequence[Finding]
    counts: Mapping[str, object]


async def examine(pool: Pool, month: str, now: dt.datetime) -> Examined:
    """Read a month once and apply the rules that were in effect when it began. Writes nothing.

    INVALID_FIELDS for a month that has not begun or whose entries were dropped, NOT_YET_IN_CHECKPOINT while no checkpoint covers the log.
    """
    begins, ends = domain.month_span(month)
    if begins > now:
        raise invalid(FieldViolation("month", "IN_FUTURE"))
    async with db.connection(pool) as conn:
        covered = await store.coverage(conn, fiscal_year(begins.date()))
        if await retention_store.dropped(conn, fiscal_year(begins.date())) is not None:
            # Its entries are gone (SC-03): a review of what remains would find nothing and mean nothing.
            raise invalid(FieldViolation("month", "RETENTION_ENDED"))
        if not covered:
            raise DomainError(Kind.UNAVAILABLE, "NOT_YET_IN_CHECKPOINT", "no checkpoint covers this month yet")
        rules = await store.rules_for(conn, begins.date())
        thresholds = domain.thresholds_of(rules.thresholds) if rules else Thresholds()
        examination = Examination(month, thresholds)
        for absence in await store.absences(conn, ends):
            examination.learn(absence)
        async for record in store.records(conn, begins, ends, covered):
            examination.take(record)
        before = await store.read_before(conn, examination.foreign(), domain.READS, begins)
        findings = examination.findings(before, await _gaps(conn))
    counts = {
        "actions": [[action, outcome, count] for (action, outcome), count in sorted(examination.actions.items())],
        "days": [[one.day.isoformat(), one.accesses, one.denied, one.closed] for one in examination.days()],
    }
    return Examined(month, rules, thresholds, covered, findings, counts)


async def _gaps(conn: Connection) -> list[Finding]:
    """What has not arrived as of now, whichever month it is of."""
    found = []
    for source in await source_store.list_sources(conn, MAX_SOURCES):
        if source.seen != source.last_seq:
            missing = await source_store.missing_numbers(conn, source.epoch, MAX_MISSING)
            found.append(domain.gap_of_source(f"{source.service}.{source.instance}", source.epoch, missing))
    for object_type, object_id in await source_store.aggregates_with_gaps(conn, MAX_GAPS):
        missing = await source_store.missing_versions(conn, object_type, object_id, MAX_MISSING)
        if missing:
            found.append(domain.gap_of_object(object_type, object_id, missing))
    return found


async def open_review(write: Write, month: str, answer: Callable[[str], Answer]) -> bytes:
    """A review of a month, on demand. REVIEW_OPEN while another of that month is not signed.

    The month is read before the transaction, so that appending never waits for it; leaves that come meanwhile are
    beyond the checkpoint it names. Crash before the commit: there is no review, and no leaf that says so.
    """
    policy.require_officer(write.actor)
    examined = await examine(write.pool, month, write.now)
    async with transaction(write.pool) as conn:
        if (kept := await requests.claim(conn, write.call)) is not None:
            return kept
        review_id = await _open(conn, write.keys, write.actor, examined, write.now)
        response = await answer(review_id)(conn)
        await requests.keep(conn, write.call, response)
    return response


async def open_due(pool: Pool, keys: LogKeys, now: dt.datetime) -> str | None:
    """The review of the past month, if it is over long enough, has records and none was opened; its id, else None."""
    month = domain.month_before((now - SETTLES_AFTER).astimezone(domain.JST).date())
    begins, ends = domain.month_span(month)
    async with db.connection(pool) as conn:
        # Held by the one that examines, outside a transaction: a large month takes longer than one may idle.
        if not await store.try_examiner_lock(conn):
            return None
        try:
            if await store.reviews_of(conn, month) or not await store.has_records(conn, begins, ends):
                return None
            examined = await examine(pool, month, now)
            async with conn.transaction():
                return await _open(conn, keys, ITSELF, examined, now)
        finally:
            await store.release_examiner_lock(conn)


async def _open(conn: Connection, keys: LogKeys, actor: Identity, examined: Examined, now: dt.datetime) -> str:
    head = await log_commands.lock_head(conn, keys, now)
    earlier = await store.reviews_of(conn, examined.month)
    if earlier and earlier[0].state == "open":
        raise DomainError(Kind.PRECONDITION, "REVIEW_OPEN", f"the review of {examined.month} is not signed yet")
    review_id = clock.new_id()
    new = NewReview(
        review_id=review_id,
        month=examined.month,
        number=earlier[0].number + 1 if earlier else 1,
        opened_at=now,
        opened_by=actor.staff_id,
        rules_version=examined.rules.version if examined.rules else 0,
        thresholds=examined.thresholds.as_json(),
        coverage=examined.coverage,
        counts=examined.counts,
    )
    await store.insert_review(conn, new)
    await store.insert_findings(conn, review_id, 1, examined.findings)
    note = NoteRow(1, "review.opened", now, actor.staff_id)
    detail = {"month": examined.month, "findings": str(len(examined.findings)), "rules": str(new.rules_version)}
    detail |= {f"size.{one.log_year}": str(one.size) for one in examined.coverage}
    await _note(conn, head, actor, review_id, note, detail)
    return review_id


# --- what becomes of it -----------------------------------------------------------------------------------------


async def compare_staff(write: Write, target: Target, members: Sequence[StaffFact], answer: Answer) -> bytes:
    """Add what only the staff list tells, once. NOT_FOUND, STALE_VERSION, REVIEW_SIGNED, INVALID_FIELDS.

    The month is read before the transaction, as in `open_review`.
    """
    policy.require_officer(write.actor)
    domain.require_members(members)
    found = await _compare(write.pool, target.review_id, members)

    async def add(conn: Connection, review: ReviewRow, head: log_store.Coordinator) -> None:
        domain.require_unsigned(review.state)
        if review.staff_compared:
            raise invalid(FieldViolation("members", "NOT_ALLOWED"))
        await store.insert_findings(conn, review.review_id, review.findings + 1, found)
        note = NoteRow(target.version + 1, "review.compared", write.now, write.actor.staff_id)
        detail = {"month": review.month, "findings": str(len(found)), "members": str(len(members))}
        await _note(conn, head, write.actor, review.review_id, note, detail)

    return await _write(write, target, add, answer)


async def _compare(pool: Pool, review_id: str, members: Sequence[StaffFact]) -> list[Finding]:
    """What the staff list tells of a review's month, as far as the review's checkpoints cover the log."""
    async with transaction(pool) as conn:
        await store.be_patient(conn)
        review = await store.review(conn, review_id)
        if review is None:
            raise not_found()
        begins, ends = domain.month_span(review.month)
        covered = [Coverage(**one) for one in review.coverage]
        outside = await store.uses_outside(conn, begins, ends, covered, members)
        away = await store.uses_while_absent(conn, begins, ends, covered, members)
        told = await store.days_found(conn, review_id, "absent")
        logins = await store.last_logins(conn, ends)
    untold = {key: behind for key, behind in away.items() if key not in told}
    thresholds = domain.thresholds_of(review.thresholds)
    return domain.compare_staff(review.month, thresholds, members, outside, untold, logins)


async def treat_finding(write: Write, target: Target, treatment: NoteRow, answer: Answer) -> bytes:
    """Assign a finding, comment on it, judge it: one note with its leaf.

    The assigned person comments; assigning and judging is the officers', and nobody judges a finding about oneself.
    NOT_FOUND, NOT_PERMITTED, STALE_VERSION, REVIEW_SIGNED, INVALID_FIELDS.
    """
    actor, number = write.actor, treatment.number

    async def add(conn: Connection, review: ReviewRow, head: log_store.Coordinator) -> None:
        finding = await store.finding(conn, review.review_id, number)
        if finding is None or not policy.may_see(actor, finding.assignee_id, finding.unit_id):
            raise not_found()
        domain.require_unsigned(review.state)
        if treatment.assignee_id or treatment.state:
            if not policy.is_officer(actor):
                raise DomainError(Kind.DENIED, "NOT_PERMITTED", "assigning and judging is for audit officers")
            policy.require_not_oneself(actor, finding.subject_id)
        detail = {"finding": str(number), "rule": finding.rule}
        detail |= {"assignee": treatment.assignee_id} if treatment.assignee_id else {}
        detail |= {"state": treatment.state} if treatment.state else {}
        await _note(conn, head, actor, review.review_id, treatment, detail)

    return await _write(write, target, add, answer)


def treatment_of(write: Write, target: Target, number: int, assignee_id: str, state: str, comment: str) -> NoteRow:
    """The note a treatment becomes. INVALID_FIELDS: a judgement needs its reason, and something must be said."""
    if state and state not in domain.JUDGEMENTS:
        raise invalid(FieldViolation("state", "UNKNOWN"))
    text = domain.require_text("comment", comment, required=bool(state) or not assignee_id)
    action = "finding.assigned" if assignee_id else "finding.commented"
    return NoteRow(target.version + 1, action, write.now, write.actor.staff_id, number, assignee_id, state, text)


async def sign_review(write: Write, target: Target, text: str, answer: Answer) -> bytes:
    """点検結果・所見 ends the review. FINDINGS_OPEN, REVIEW_SIGNED, NOT_FOUND, STALE_VERSION, INVALID_FIELDS."""
    policy.require_officer(write.actor)
    clean = domain.require_text("text", text)

    async def add(conn: Connection, review: ReviewRow, head: log_store.Coordinator) -> None:
        domain.require_unsigned(review.state)
        domain.require_answered(review.open_findings)
        note = NoteRow(target.version + 1, "review.signed", write.now, write.actor.staff_id, text=clean)
        detail = {"month": review.month, "findings": str(review.findings)}
        await _note(conn, head, write.actor, review.review_id, note, detail)

    return await _write(write, target, add, answer)


async def remark_review(write: Write, target: Target, text: str, answer: Answer) -> bytes:
    """Something more about a signed review; what was signed stays. REVIEW_NOT_SIGNED before the sign-off."""
    policy.require_officer(write.actor)
    clean = domain.require_text("text", text)

    async def add(conn: Connection, review: ReviewRow, head: log_store.Coordinator) -> None:
        if review.state != "signed":
            raise DomainError(Kind.PRECONDITION, "REVIEW_NOT_SIGNED", "comment on its findings instead")
        note = NoteRow(target.version + 1, "review.remarked", write.now, write.actor.staff_id, text=clean)
        await _note(conn, head, write.actor, review.review_id, note, {"month": review.month})

    return await _write(write, target, add, answer)


async def _write(
    write: Write,
    target: Target,
    add: Callable[[Connection, ReviewRow, log_store.Coordinator], Awaitable[None]],
    answer: Answer,
) -> bytes:
    """One write on a review. Crash before the commit: neither the note nor its leaf is there, and a retry writes both."""
    async with transaction(write.pool) as conn:
        if (kept := await requests.claim(conn, write.call)) is not None:
            return kept
        head = await log_commands.lock_head(conn, write.keys, write.now)
        review = await store.review(conn, target.review_id)
        if review is None:
            raise not_found()
        if review.version != target.version:
            raise DomainError(Kind.CONFLICT, "STALE_VERSION", f"the review is at version {review.version}")
        await add(conn, review, head)
        response = await answer(conn)
        await requests.keep(conn, write.call, response)
    return response


async def _note(
    conn: Connection,
    head: log_store.Coordinator,
    actor: Identity,
    review_id: str,
    note: NoteRow,
    detail: Mapping[str, str],
) -> None:
    """The note and its leaf. The leaf has the digest of the text, not the text: it outlives what people wrote."""
    await store.insert_note(conn, review_id, note)
    digest = {"text": hashlib.sha256(note.text.encode()).hexdigest()} if note.text else {}
    leaf = _leaf(actor, note.action, "review", review_id, note.version, note.noted_at, {**detail, **digest})
    await log_commands.add(conn, head, [leaf])


# --- rules ------------------------------------------------------------------------------------------------------


async def change_rules(
    write: Write,
    version: int,
    effective_from: str,
    thresholds: Thresholds,
    reason: str,
    answer: Callable[[RulesRow], bytes],
) -> bytes:
    """The next version of the thresholds, from a month on that has not been over before. INVALID_FIELDS, STALE_VERSION.

    Months before `effective_from` stay as they were examined: nobody can rule a finding away afterwards.
    """
    policy.require_officer(write.actor)
    domain.require_thresholds(thresholds)
    clean = domain.require_text("reason", reason)
    begins, _ = domain.month_span(effective_from[:7])
    if effective_from != begins.date().isoformat():
        raise invalid(FieldViolation("effective_from", "MALFORMED"))
    if begins.date() < write.now.astimezone(domain.JST).date().replace(day=1):
        raise invalid(FieldViolation("effective_from", "PAST"))
    async with transaction(write.pool) as conn:
        if (kept := await requests.claim(conn, write.call)) is not None:
            return kept
        head = await log_commands.lock_head(conn, write.keys, write.now)
        versions = await store.rules(conn)
        newest = versions[0].version if versions else 0
        if newest != version:
            raise DomainError(Kind.CONFLICT, "STALE_VERSION", f"the rules are at version {newest}")
        row = RulesRow(version + 1, begins.date(), thresholds.as_json(), clean, write.actor.staff_id, write.now)
        await store.insert_rules(conn, row)
        detail = {
            "effective_from": effective_from,
            "thresholds": hashlib.sha256(row.thresholds.encode()).hexdigest(),
            "reason": hashlib.sha256(clean.encode()).hexdigest(),
        }
        leaf = _leaf(write.actor, "config.changed", "review_rules", "review_rules", row.version, write.now, detail)
        await log_commands.add(conn, head, [leaf])
        response = answer(row)
        await requests.keep(conn, write.call, response)
    return response


def _leaf(
    actor: Identity,
    action: str,
    object_type: str,
    object_id: str,
    version: int,
    now: dt.datetime,
    detail: Mapping[str, str],
) -> Leaf:
    return Leaf(
        event_id=clock.new_id(),
        time=now,
        action=action,
        service="audit",
        staff_id=actor.staff_id,
        post_id=actor.acting_post,
        unit_id=actor.acting_unit,
        terminal=actor.terminal,
        session_id=actor.session_id,
        object_type=object_type,
        object_id=object_id,
        object_version=version,
        trace_id=telemetry.current_trace_id(),
        detail=detail,
    )
