"""Writes on cases: open, act, and the acts on the case itself. One function, one transaction, visible from first to last line.

Crash inside: nothing happened. After the block: case, decision, events and answer are durable
together, and a repeated request_id gets the same answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace

from chassis import clock, db, outbox, requests
from chassis.db import Connection, Pool
from chassis.errors import DomainError, FieldViolation, Kind, invalid
from chassis.requests import Call
from services.approvals import policy
from services.approvals.cases import acts, additions, consecutive, domain, pull_up, store
from services.approvals.cases.domain import Act, Action, Case, CityRules, Hall, Signature, Step, StepState
from services.approvals.cases.envelopes import AWAITS, Cause, envelopes
from services.approvals.cases.turns import Outcome
from services.approvals.members import domain as members
from services.approvals.notices import commands as notices
from services.approvals.organisation import store as organisation
from services.approvals.organisation.domain import department
from services.approvals.policy import Reader, Receipt
from services.approvals.routes import store as routes
from services.approvals.routes.domain import Facts, Plan, StepKind

# The answer to a write, as bytes, made inside the transaction and stored with it.
Encode = Callable[[Case, Hall], bytes]


@dataclass(frozen=True)
class Submission:
    """What a submitted document says of itself."""

    case_id: str
    route_plan_id: str
    version_digest: str
    draft_number: str
    drafter: str
    drafter_post: str
    urgent: bool
    # After a 差替え: "minor" keeps the acts on the version before, anything else begins anew (AP-30).
    replacement: str
    # 指定者のみ (AC-02).
    designated: bool
    # Public key of the document, for what people write on its case.
    opinions_key: bytes
    facts: Facts


@dataclass(frozen=True)
class Wish:
    """One act as asked for."""

    case_id: str
    step_id: str
    action: Action
    comment: str
    version_digest: str
    expected_version: int
    # The post the person chose to act from; decides where several of theirs would do (AP-44).
    post_id: str
    # Ids of the 不同意 the decider says to have weighed (AP-20).
    acknowledged: tuple[str, ...] = ()
    # The step a 差戻し goes to; "" for the drafter.
    target: str = ""
    # 一括承認 (AP-52).
    bulk: bool = False
    # Ids of the seats right after it that the act closes too (AP-43).
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaseWish:
    """An act on the case itself as asked for."""

    case_id: str
    action: Action
    comment: str
    expected_version: int
    # 供覧先; of ADD_SEAT the one post that is added, of ASK_PULL_UP the one that is asked.
    post_ids: tuple[str, ...] = ()
    # Of ADD_SEAT: what is asked of it.
    kind: StepKind = StepKind.CONCUR


async def open_case(conn: Connection, submission: Submission, cause: Cause, now: dt.datetime) -> Case:
    """DocumentSubmitted: begin to circulate, or refuse a plan of other facts, or of rules or an organisation of before.

    Runs in the consumer's transaction, together with the inbox row of the event.
    """
    plan, hall = await routes.find_plan(conn, submission.route_plan_id), Hall({})
    if plan is None or not plan.belongs_to(submission.facts):
        case, events = acts.refuse(_refused_case(submission, now), "PLAN_MISMATCH")
    elif await routes.is_outdated(conn, plan, now.date()):
        case, events = acts.refuse(_refused_case(submission, now), "PLAN_OUTDATED")
    else:
        case = _new_case(submission, plan, now)
        hall = await store.hall_of(conn, _posts(plan), now.date(), now)
        before = await store.load_replaced(conn, case.document_id) if submission.replacement == "minor" else None
        # Another rule or decider is a change of substance, whatever it was called.
        if before is not None and (before.rule_id, before.decision_class) == (case.rule_id, case.decision_class):
            case = acts.carry_over(case, before, hall, now, clock.new_id)
        case, events = acts.open_case(case, hall.absent, now)
    await store.insert(conn, case)
    await notices.tell(conn, None, case, now)
    await outbox.append(conn, envelopes(case, events, cause, hall), AWAITS)
    return case


async def act_on_step(
    pool: Pool,
    call: Call,
    wish: Wish,
    reader: Reader,
    receipt: Receipt,
    tenant: str,
    city: CityRules,
    cause: Cause,
    encode: Encode,
    now: dt.datetime,
) -> bytes:
    """One act of one person on one step, and on those right after it that they hold and name (AP-43).

    The answer is the new case. Order of refusals: NOT_FOUND, STALE_VERSION, VERSION_MOVED (AP-31), receipt, NOT_YOUR_STEP and the like,
    then what the step does not admit. Two at once on one step: the lock lets one win, the other is stale (AP-32).
    """
    async with db.pipelined(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        await store.lock(conn, wish.case_id)
        found = await store.load(conn, wish.case_id, now.date(), now)
        shown = found is not None and policy.opens(receipt, found[0].document_id, reader.staff_id, tenant, now)
        case = policy.require_visible(found[0] if found else None, reader, shown)
        hall = found[1] if found else Hall({})
        step = case.step(wish.step_id)
        _require_version(case, wish.expected_version, step)
        if wish.version_digest != case.version_digest:
            raise DomainError(Kind.PRECONDITION, "VERSION_MOVED", "another version circulates")
        policy.require_receipt(receipt, case, reader.staff_id, tenant, now)
        by = policy.require_signature(case, step, wish.action, hall, reader.staff_id, wish.post_id)
        act = replace(
            _act(wish.action, by, wish.comment, case, now, receipt.record),
            acknowledged=wish.acknowledged,
            target=wish.target,
            bulk=wish.bulk,
        )
        also = policy.require_consecutive(case, step, act, wish.also, hall, city)
        outcomes = consecutive.act(case, step.step_id, act, also, hall, city, clock.new_id)
        after, _ = outcomes[-1]
        response = encode(after, hall)
        await store.save(conn, case, after)
        await notices.tell(conn, case, after, now)
        for then, events in outcomes:
            await outbox.append(conn, envelopes(then, events, cause.acting_as(then.decisions[-1].by), hall), AWAITS)
        await requests.keep(conn, call, response)
    return response


async def act_on_case(
    pool: Pool,
    call: Call,
    wish: CaseWish,
    reader: Reader,
    city: CityRules,
    cause: Cause,
    encode: Encode,
    now: dt.datetime,
) -> bytes:
    """引戻し, 取下げ, 差替え, 供覧, 代決依頼, 引上げ依頼, 回議先の追加: a write on the case itself. No receipt: nothing is approved by it.

    NOT_FOUND, STALE_VERSION, NOT_PERMITTED and the reasons of each act in `acts`.
    """
    async with db.pipelined(pool) as conn:
        if (stored := await requests.claim(conn, call)) is not None:
            return stored
        await store.lock(conn, wish.case_id)
        found = await store.load(conn, wish.case_id, now.date(), now)
        case = policy.require_visible(found[0] if found else None, reader, shown=False)
        hall = found[1] if found else Hall({})
        _require_version(case, wish.expected_version, None)
        match wish.action:
            case Action.RECALL:
                after, events = _recall(case, hall, wish, reader, now)
            case Action.WITHDRAW | Action.REPLACE:
                by = policy.signature_of(case, hall, reader.staff_id)
                take_back = acts.withdraw if wish.action is Action.WITHDRAW else acts.take_back_to_replace
                after, events = take_back(case, _act(wish.action, by, wish.comment, case, now))
            case Action.CIRCULATE:
                by = await _circulator(conn, case, hall, wish, reader, now)
                act = _act(wish.action, by, wish.comment, case, now)
                after, events = acts.circulate(case, act, wish.post_ids, clock.new_id)
            case Action.ASK_SUBSTITUTE:
                by = policy.signature_of(case, hall, reader.staff_id)
                act = _act(wish.action, by, wish.comment, case, now)
                after, events = acts.ask_substitute(case, act, lambda: policy.substitute_to_ask(case, hall), city)
            case Action.ASK_PULL_UP:
                by = policy.pull_up_asker(case, hall, reader.staff_id)
                act = _act(wish.action, by, wish.comment, case, now)
                (post_id,) = wish.post_ids
                after, events = pull_up.ask(case, act, post_id, hall.held)
            case Action.ADD_SEAT:
                own, by = policy.adder(case, hall, reader.staff_id)
                (post_id,) = wish.post_ids
                added = await organisation.find_seats(conn, [post_id], now.date(), now)
                hall = replace(hall, seats={**hall.seats, **added})
                act = _act(wish.action, by, wish.comment, case, now)
                after, events = additions.add_seat(case, own, act, wish.kind, post_id, hall, clock.new_id)
            case _:
                raise ValueError(f"{wish.action} is not an act on the case itself")
        response = encode(after, hall)
        await store.save(conn, case, after)
        await notices.tell(conn, case, after, now)
        await outbox.append(conn, envelopes(after, events, cause.acting_as(after.decisions[-1].by), hall), AWAITS)
        await requests.keep(conn, call, response)
    return response


def _recall(case: Case, hall: Hall, wish: CaseWish, reader: Reader, now: dt.datetime) -> Outcome:
    """引戻し by the last actor, who must still hold the post, or by the drafter."""
    step = acts.last_act_of(case, reader.staff_id)
    if step is not None:
        by = policy.require_still_held(step, hall, reader.staff_id)
    else:
        by = policy.signature_of(case, hall, reader.staff_id)
    return acts.recall(case, _act(Action.RECALL, by, wish.comment, case, now))


async def _circulator(
    conn: Connection, case: Case, hall: Hall, wish: CaseWish, reader: Reader, now: dt.datetime
) -> Signature:
    """Who shows it to more posts, allowed to show it to these (AC-12). INVALID_FIELDS UNKNOWN for a post not held."""
    by = policy.circulator(case, hall, reader.staff_id)
    units, seats = await organisation.line_of(conn, case.unit_id, now.date(), now)
    policy.require_may_show(case, members.heads(units, seats), reader.staff_id)
    informed = await organisation.find_seats(conn, list(wish.post_ids), now.date(), now)
    if any(post not in informed or not informed[post].holders for post in wish.post_ids):
        raise invalid(FieldViolation("post_ids", "UNKNOWN"))
    inside = await organisation.units_below(conn, department(units, seats), now.date())
    policy.require_may_inform(by, inside, informed.values(), hall.seats[by.post_id].rank)
    return by


def _require_version(case: Case, expected: int, step: Step | None) -> None:
    """ABORTED STALE_VERSION: the case changed since it was read; says what became of the step, and who acted (AP-32)."""
    if case.version == expected:
        return
    who = (step.acted_for or step.holder) if step is not None else None
    who = who or next((decision.by for decision in reversed(case.decisions)), None)
    raise DomainError(
        Kind.CONFLICT,
        "STALE_VERSION",
        f"the case is at {case.version}",
        metadata={
            "version": str(case.version),
            "case_state": case.state,
            "step_state": step.state if step is not None else "",
            "acted_by": who.staff_name if who else "",
            "post": who.post_title if who else "",
        },
    )


def _act(action: Action, by: Signature, comment: str, case: Case, now: dt.datetime, record: str = "") -> Act:
    return Act(clock.new_id(), action, by, comment, now, case.version_digest, record)


def _posts(plan: Plan) -> list[str]:
    return [step.post_id for step in plan.route.steps]


def _new_case(submission: Submission, plan: Plan, now: dt.datetime) -> Case:
    """The case of a plan, every step WAITING; the posts above the decider struck through (AP-04)."""
    route = plan.route
    steps = [
        Step(
            clock.new_id(),
            step.kind,
            StepState.WAITING,
            step.group,
            step.post_id,
            step.mandatory,
            step.basis,
            step.need,
        )
        for step in route.steps
    ]
    last = max(step.group for step in route.steps)
    struck = [
        Step(clock.new_id(), StepKind.APPROVE, StepState.STRUCK, last + number, post_id, False, "")
        for number, post_id in enumerate(route.struck, start=1)
    ]
    return replace(
        _refused_case(submission, now),
        state=domain.CaseState.CIRCULATING,
        decision_class=route.decision_class,
        exceptional=plan.facts.exceptional,
        rule_id=route.rule_id,
        basis=route.basis,
        steps=(*steps, *struck),
    )


def _refused_case(submission: Submission, now: dt.datetime) -> Case:
    facts = submission.facts
    return Case(
        case_id=submission.case_id,
        document_id=facts.document_id,
        state=domain.CaseState.REFUSED,
        version_digest=submission.version_digest,
        drafter=submission.drafter,
        drafter_post=submission.drafter_post,
        submitter=facts.drafter,
        assignee=facts.drafter if facts.drafter != submission.drafter else "",
        unit_id=facts.unit_id,
        decision_class=facts.wished_class,
        draft_number=submission.draft_number,
        urgent=submission.urgent,
        designated=submission.designated,
        opinions_key=submission.opinions_key,
        exceptional=False,
        route_plan_id=submission.route_plan_id,
        rule_id="",
        basis="",
        opened_at=now,
    )
