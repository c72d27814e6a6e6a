"""Open steps that nobody can act on (AP-41): they follow the successor of their post, or stay until reassigned.

Pure. A route never shrinks by it: a step changes its post and nothing else. What was acted on never moves (AP-40).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from chassis.errors import DomainError, FieldViolation, Kind, invalid
from services.approvals.cases.additions import people_of
from services.approvals.cases.domain import (
    DUE,
    MAX_COMMENT,
    OPEN,
    Case,
    CaseState,
    Event,
    EventKind,
    Hall,
    Step,
    StepState,
    inbox_kind,
)
from services.approvals.cases.turns import Change, Outcome
from services.approvals.organisation.domain import RANKS, Seat
from services.approvals.routes.domain import StepKind

MOVABLE = OPEN | DUE | {StepState.WAITING}
# Why a step has no addressee.
POST_ENDED = "post_ended"
VACANT = "vacant"
OWN_DRAFT = "own_draft"


def heir(post_id: str, successors: Mapping[str, str], living: Collection[str]) -> str | None:
    """Who acts for an ended post today: its successor, or that one's, as far as needed. None when there is none."""
    seen = {post_id}
    while (follower := successors.get(post_id)) is not None and follower not in seen:
        if follower in living:
            return follower
        seen.add(follower)
        post_id = follower
    return None


def is_open(case: Case, step: Step) -> bool:
    """Whether somebody is still to act on it: on its way, or a 後閲 that is due."""
    return step.state in MOVABLE and (case.state is CaseState.CIRCULATING or case.state is CaseState.DECIDED)


def move(case: Case, step_id: str, post_id: str, detail: str) -> Outcome:
    """The step belongs to another post from now on, in the same state and place. STEP_NOT_ACTIVE.

    A substitute who was asked for the old post is not one of the new post's (AP-13).
    """
    step = case.step(step_id)
    if not is_open(case, step):
        raise DomainError(Kind.PRECONDITION, "STEP_NOT_ACTIVE", f"the step is {step.state}")
    change = Change(case)
    change.set(replace(step, post_id=post_id, asked_post_id=""))
    change.say(EventKind.MOVED, step_id, detail)
    return change.done()


def follow(case: Case, heirs: Mapping[str, str], hall: Hall) -> Outcome:
    """Every open step of an ended post goes to its heir; what the heir may not have stays, and is listed.

    `hall` holds the heirs as well.
    """
    events: tuple[Event, ...] = ()
    for step in case.steps:
        if step.post_id not in heirs or not is_open(case, step):
            continue
        seat = hall.seats[heirs[step.post_id]]
        if not unfit(case, step, seat, hall):
            case, moved = move(case, step.step_id, seat.post_id, "succeed")
            events += moved
    return case, events


def unfit(case: Case, step: Step, seat: Seat, hall: Hall) -> str:
    """Why the step may not be this post's, whoever gives it, in the words of FieldViolation; "" for nothing.

    NOT_ALLOWED for a post that never approves, POST_TWICE and SAME_PERSON for one, or somebody, who stands in the same
    group already (AP-45), BELOW_RULE for a decider below the class of the case: only upward is free (AP-02). 供覧 is for
    everybody.
    """
    if step.kind is StepKind.INFORM:
        return ""
    if seat.rank == RANKS[0]:
        return "NOT_ALLOWED"
    beside = [one for one in case.line if one.group == step.group and one.step_id != step.step_id]
    if any(one.post_id == seat.post_id for one in beside):
        return "POST_TWICE"
    if any(seat.held_by(who) for one in beside for who in people_of(one, hall)):
        return "SAME_PERSON"
    if step.kind is StepKind.DECIDE and RANKS.index(seat.rank) < RANKS.index(case.decision_class):
        return "BELOW_RULE"
    return ""


def release(case: Case, hall: Hall) -> Outcome:
    """A 代決依頼 ends when its post leaves the decider's 代決順位: it sees the case no longer (AP-13, AP-17)."""
    step = case.decider
    if not step.asked_post_id or not is_open(case, step) or step.asked_post_id in hall.substitutes:
        return case, ()
    change = Change(case)
    change.set(replace(step, asked_post_id=""))
    change.say(EventKind.ACTIVATED, step.step_id, "ask_ended")
    return change.done()


def stranded(case: Case, step: Step, hall: Hall) -> str:
    """Why nobody can act on the step, "" when somebody can.

    Its post has ended, nobody holds it now that its turn has come, or only the drafter could decide. A vacant post may
    still be given to somebody: the step waits there until then, or until it is reassigned.
    """
    if not is_open(case, step):
        return ""
    seat = hall.seats.get(step.post_id)
    if seat is None:
        return POST_ENDED
    if not seat.holders:
        return VACANT if inbox_kind(case, step) else ""
    only_author = all(holder.staff_id in case.barred(step) for holder in seat.holders)
    return OWN_DRAFT if step.kind is StepKind.DECIDE and step.state not in DUE and only_author else ""


def reassign(case: Case, step_id: str, seat: Seat | None, reason: str, hall: Hall) -> Outcome:
    """The records office names the post that acts (AP-41).

    STEP_ADDRESSED when the step has somebody; POST_VACANT; OWN_DRAFT; COMMENT_REQUIRED; INVALID_FIELDS for a post
    that does not exist, and for one that is `unfit`.
    """
    step = case.step(step_id)
    if not is_open(case, step):
        raise DomainError(Kind.PRECONDITION, "STEP_NOT_ACTIVE", f"the step is {step.state}")
    if not stranded(case, step, hall):
        raise DomainError(Kind.PRECONDITION, "STEP_ADDRESSED", "the step has somebody who can act")
    if not reason.strip():
        raise DomainError(Kind.INVALID, "COMMENT_REQUIRED", "a reason is needed")
    if len(reason) > MAX_COMMENT:
        raise invalid(FieldViolation("reason", "TOO_LONG"))
    if seat is None:
        raise invalid(FieldViolation("post_id", "UNKNOWN"))
    if problem := unfit(case, step, seat, hall):
        raise invalid(FieldViolation("post_id", problem))
    if not seat.holders:
        raise DomainError(Kind.PRECONDITION, "POST_VACANT", "nobody holds the post today")
    if step.kind is StepKind.DECIDE and all(holder.staff_id in case.authors for holder in seat.holders):
        raise DomainError(Kind.DENIED, "OWN_DRAFT", "the drafter does not decide (AP-43)")
    return move(case, step_id, seat.post_id, "reassign")
