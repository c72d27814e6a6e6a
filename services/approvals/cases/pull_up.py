"""引上げ依頼 (AP-17): a later seat of the own line is asked to act over the seat that the case waits for. Pure.

A seat that waits for its turn sees nothing (AC-11), so an upper seat elsewhere could never pull up by itself. Whoever is
asked, for a reason on record, sees this one case from then on, until that seat is acted on.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from chassis.errors import DomainError, FieldViolation, Kind, invalid
from services.approvals.cases.acts import recorded, require_circulating, require_comment
from services.approvals.cases.domain import OPEN, Act, Case, EventKind, Step, later_seats
from services.approvals.cases.turns import Change, Outcome
from services.approvals.routes.domain import StepKind


def waiting_seats(case: Case) -> tuple[Step, ...]:
    """The seats of the own line that the case waits for and that an upper one could pull up."""
    return tuple(step for step in case.line if step.kind is StepKind.APPROVE and step.state in OPEN)


def seats_to_ask(case: Case, held: Collection[str]) -> tuple[Step, ...]:
    """The later seats that could be asked now, lowest first; `held`: posts that somebody holds."""
    waiting = waiting_seats(case)
    later = later_seats(case, waiting[0]) if waiting else ()
    return tuple(
        seat for seat in later if seat.post_id in held and any(one.asked_post_id != seat.post_id for one in waiting)
    )


def ask(case: Case, act: Act, post_id: str, held: Collection[str]) -> Outcome:
    """The post of a later seat is asked; who was asked before is not any more.

    CASE_CLOSED, COMMENT_REQUIRED, STEP_NOT_ACTIVE while no seat of the own line waits, ALREADY_ACTED when it is asked
    already, INVALID_FIELDS "post_id" UNKNOWN for any other post.
    """
    require_circulating(case)
    require_comment(act.action, act.comment)
    waiting = waiting_seats(case)
    if not waiting:
        raise DomainError(Kind.PRECONDITION, "STEP_NOT_ACTIVE", "no seat of the own line waits")
    if all(step.asked_post_id == post_id for step in waiting):
        raise DomainError(Kind.PRECONDITION, "ALREADY_ACTED", "this seat was asked")
    if all(seat.post_id != post_id for seat in seats_to_ask(case, held)):
        raise invalid(FieldViolation("post_id", "UNKNOWN"))
    change = Change(recorded(case, "", 1, act))
    for step in waiting:
        change.set(replace(step, asked_post_id=post_id))
        change.say(EventKind.ACTIVATED, step.step_id, act.action)
    return change.done()
