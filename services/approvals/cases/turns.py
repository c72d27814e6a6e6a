"""How a case goes on: from group to group, back, and to its end. What the acts of `acts` are made of.

A `Change` lives inside one transition: the case on its way, and the events so far.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from services.approvals.cases import groups
from services.approvals.cases.domain import (
    OPEN,
    Case,
    CaseState,
    Event,
    EventKind,
    Hall,
    Step,
    StepState,
)
from services.approvals.routes.domain import StepKind

# Why a step above the decider of the rules decides.
DISSENT_BASIS = "合議不調（上位者裁定）"

Outcome = tuple[Case, tuple[Event, ...]]


@dataclass
class Change:
    """A case on its way, with the events so far. Lives inside one transition."""

    case: Case
    events: list[Event] = field(default_factory=list)

    def set(self, step: Step) -> None:
        self.case = replace(self.case, steps=tuple(step if s.step_id == step.step_id else s for s in self.case.steps))

    def say(self, kind: EventKind, step_id: str = "", detail: str = "") -> None:
        self.events.append(Event(kind, step_id, detail))

    def done(self) -> tuple[Case, tuple[Event, ...]]:
        return replace(self.case, version=self.case.version + len(self.events)), tuple(self.events)


def advance(change: Change, absent: Collection[str], now: dt.datetime) -> None:
    """While the current group is complete, begin the next; who is not needed for that any more is let go (AP-08).

    An absent seat is passed over at the moment its group begins, and only then (AP-11); the decider's never.
    """
    line = change.case.line
    for group in sorted({step.group for step in line}):
        members = [step for step in line if step.group == group]
        for step in members if not groups.complete(members) else ():
            if step.state is not StepState.WAITING:
                continue
            if step.post_id in absent and step.kind is not StepKind.DECIDE:
                change.set(replace(step, state=StepState.POSTVIEW_DUE, activated_at=now))
                change.say(EventKind.CLOSED_STEP, step.step_id, "skip")
            else:
                change.set(replace(step, state=StepState.ACTIVE, activated_at=now))
                change.say(EventKind.ACTIVATED, step.step_id)
        members = [step for step in change.case.line if step.group == group]
        if not groups.complete(members):
            return
        for step in groups.let_go(members):
            change.set(replace(step, state=StepState.CANCELLED))
            change.say(EventKind.CLOSED_STEP, step.step_id, "enough")


def end(change: Change, state: CaseState, reason: str, detail: str) -> None:
    """The case ends without a decision: every view that a step gave to its post ends with it."""
    for step in change.case.steps:
        if step.state in OPEN | {StepState.WAITING, StepState.POSTVIEW_DUE, StepState.PULLED_UP}:
            change.set(replace(step, state=StepState.CANCELLED))
    change.case = replace(change.case, state=state, reason=reason)
    change.say(EventKind.CLOSED, detail=detail)


def rewind(change: Change, group: int, detail: str, keep: Collection[str] = ()) -> None:
    """Everything from this group on is as if it had not been reached, but the steps in `keep`; acts stay on record.

    The round of what was reached grows, so that it may be acted on once more.
    """
    for step in change.case.line:
        if step.group >= group and step.state is not StepState.WAITING and step.step_id not in keep:
            change.set(unreached(step))
            change.say(EventKind.CLOSED_STEP, step.step_id, detail)


def reopen(change: Change, step: Step, now: dt.datetime, detail: str, keep: Collection[str] = ()) -> None:
    """The step is acted on once more, whoever is away; everything after it is rewound."""
    rewind(change, step.group + 1, detail, keep)
    change.set(replace(unreached(step), state=StepState.ACTIVE, activated_at=now))
    change.say(EventKind.ACTIVATED, step.step_id, detail)


def unreached(step: Step) -> Step:
    """The step WAITING for its next round."""
    return replace(
        step,
        state=StepState.WAITING,
        activated_at=None,
        acted_at=None,
        holder=None,
        acted_for=None,
        asked_post_id="",
        round=step.round + 1,
    )


def escalate(change: Change, hall: Hall) -> None:
    """合議不調 (AP-20): the next held post above the decider decides, once. At the top of the body nothing changes."""
    held = {post_id for post_id, seat in hall.seats.items() if seat.holders}
    struck = [step for step in change.case.steps if step.state is StepState.STRUCK and step.post_id in held]
    decider = change.case.decider
    if not struck or decider.basis == DISSENT_BASIS:
        return
    above = min(struck, key=lambda step: step.group)
    change.set(replace(decider, kind=StepKind.APPROVE))
    change.set(replace(above, kind=StepKind.DECIDE, state=StepState.WAITING, basis=DISSENT_BASIS))
    change.say(EventKind.CLOSED_STEP, above.step_id, "escalate")
