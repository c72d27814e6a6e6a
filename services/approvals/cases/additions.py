"""回議先の追加 (AP-54): who has the case before them asks another post first, below their own position. Pure.

The added seat takes the place of the seat of who adds it, which waits in a group of its own until the added one has
acted; what comes later moves on by one, and nothing is ever taken off the route.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from chassis.errors import DomainError, FieldViolation, Kind, invalid
from services.approvals.cases.acts import recorded, require_circulating, require_comment
from services.approvals.cases.domain import OPEN, Act, Case, EventKind, Hall, Step, StepState
from services.approvals.cases.turns import Change, Outcome, advance
from services.approvals.routes.domain import MAX_STEPS, PlannedStep, StepKind, addition_problem, require_holders

# Whose turn it is on the own line may add; 合議 and 審査 answer what they were asked, and so does a seat that shares with
# others how many have to act: without it their number would not come together.
_ADDERS = frozenset({StepKind.APPROVE, StepKind.PROVISIONAL, StepKind.DECIDE})
ADDED_KINDS = frozenset({StepKind.APPROVE, StepKind.CONCUR})
BASIS = "回議先の追加"


def may_add(step: Step) -> bool:
    """Whether the holder of this step may add a seat before it now."""
    return step.state in OPEN and step.kind in _ADDERS and not step.need


def add_seat(
    case: Case, own: Step, act: Act, kind: StepKind, post_id: str, hall: Hall, new_id: Callable[[], str]
) -> Outcome:
    """The post is asked now, as 承認 or 合議; `own` waits until it has acted and then comes back.

    `hall` holds the post as well.

    Whoever is away is passed over as on any route (AP-11). CASE_CLOSED, COMMENT_REQUIRED, STEP_NOT_ACTIVE, POST_VACANT;
    INVALID_FIELDS: "kind" KIND_NOT_ALLOWED; "post_id" OWN_POST, ALREADY_ON_ROUTE, ABOVE_DECIDER, SAME_PERSON (AP-45),
    TOO_MANY.
    """
    require_circulating(case)
    require_comment(act.action, act.comment)
    if not may_add(own):
        raise DomainError(Kind.PRECONDITION, "STEP_NOT_ACTIVE", f"the step is {own.state}")
    if kind not in ADDED_KINDS:
        raise invalid(FieldViolation("kind", "KIND_NOT_ALLOWED"))
    if problem := _problem(case, own, kind, post_id, hall):
        raise invalid(FieldViolation("post_id", problem))
    require_holders([PlannedStep(kind, post_id, own.group, False, BASIS)], hall.seats)
    change = Change(recorded(case, own.step_id, own.round, act))
    for step in case.steps:
        if step.kind is not StepKind.INFORM and step.group > own.group:
            change.set(replace(step, group=step.group + 1))
    change.set(replace(own, group=own.group + 1, state=StepState.WAITING, activated_at=None, asked_post_id=""))
    change.say(EventKind.CLOSED_STEP, own.step_id, act.action)
    added = Step(new_id(), kind, StepState.WAITING, own.group, post_id, False, BASIS, added_by=act.decision_id)
    steps = sorted((*change.case.steps, added), key=lambda step: (step.kind is StepKind.INFORM, step.group))
    change.case = replace(change.case, steps=tuple(steps))
    advance(change, hall.absent, act.at)
    return change.done()


def _problem(case: Case, own: Step, kind: StepKind, post_id: str, hall: Hall) -> str:
    """What speaks against this post, in the words of FieldViolation; "" for nothing."""
    if problem := addition_problem(kind, post_id, case.drafter_post):
        return problem
    if any(step.post_id == post_id for step in case.line):
        return "ALREADY_ON_ROUTE"
    if any(step.post_id == post_id for step in case.steps if step.state is StepState.STRUCK):
        return "ABOVE_DECIDER"
    beside = {who for step in case.line if step.group == own.group for who in people_of(step, hall)}
    if beside & holders_of(post_id, hall):
        return "SAME_PERSON"
    return "TOO_MANY" if len(case.line) >= MAX_STEPS else ""


def people_of(step: Step, hall: Hall) -> set[str]:
    """Who acted on a step, or could."""
    return {step.holder.staff_id} if step.holder is not None else holders_of(step.post_id, hall)


def holders_of(post_id: str, hall: Hall) -> set[str]:
    """Who holds a post now."""
    seat = hall.seats.get(post_id)
    return {holder.staff_id for holder in seat.holders} if seat is not None else set()
