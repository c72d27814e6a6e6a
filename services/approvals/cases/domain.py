"""A case: steps in groups, acts on them, one decider. Pure transitions: case in, (case, events) out.

Frozen values; time, ids and who is absent are arguments. A wrong act raises its own reason and
changes nothing. Who may act from which post is `policy`; what is possible at all is here.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chassis.errors import DomainError, FieldViolation, Kind
from services.approvals.organisation.domain import AppointmentKind, Seat
from services.approvals.routes.domain import StepKind

MAX_COMMENT = 4000


class CaseState(enum.StrEnum):
    """Where a case is; all but CIRCULATING are ends."""

    CIRCULATING = "circulating"
    SENT_BACK = "sent_back"
    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"
    DECIDED = "decided"
    # Never circulated: the route plan did not belong to the document.
    REFUSED = "refused"


class StepState(enum.StrEnum):
    """domain.md 4.1."""

    WAITING = "waiting"
    ACTIVE = "active"
    APPROVED = "approved"
    CONCURRED = "concurred"
    DISSENTED = "dissented"
    HELD = "held"
    SENT_BACK = "sent_back"
    REJECTED = "rejected"
    # 引上げ, 代決: somebody else acted; 後閲 is due after the decision.
    PULLED_UP = "pulled_up"
    SUBSTITUTED = "substituted"
    # Passed over for absence; 後閲 is due after the decision (AP-11).
    POSTVIEW_DUE = "postview_due"
    POSTVIEWED = "postviewed"
    # Above the decider (AP-04).
    STRUCK = "struck"
    INFORMED = "informed"
    DECIDED = "decided"
    CANCELLED = "cancelled"


class Action(enum.StrEnum):
    """What people do (domain.md 4.2)."""

    APPROVE = "approve"
    DECIDE = "decide"
    CONCUR = "concur"
    DISSENT = "dissent"
    HOLD = "hold"
    SEND_BACK = "send_back"
    REJECT = "reject"
    PULL_UP = "pull_up"
    SUBSTITUTE = "substitute"
    POST_VIEW = "post_view"
    RECALL = "recall"
    WITHDRAW = "withdraw"


# Acts on one step; the others are on the case.
STEP_ACTIONS = tuple(action for action in Action if action not in (Action.RECALL, Action.WITHDRAW))
# Acts that make no sense without words: a reason, or an opinion (AP-20).
COMMENT_REQUIRED = frozenset({Action.DISSENT, Action.SEND_BACK, Action.REJECT, Action.HOLD})

OPEN = frozenset({StepState.ACTIVE, StepState.HELD})
# The group goes on when all its steps are in one of these (AP-08).
PASSED = frozenset(
    {
        StepState.APPROVED,
        StepState.CONCURRED,
        StepState.DISSENTED,
        StepState.PULLED_UP,
        StepState.POSTVIEW_DUE,
        StepState.DECIDED,
        StepState.SUBSTITUTED,
    }
)
# Acted on by a holder of its own post.
ACTED = frozenset(
    {
        StepState.APPROVED,
        StepState.CONCURRED,
        StepState.DISSENTED,
        StepState.DECIDED,
        StepState.SENT_BACK,
        StepState.REJECTED,
        StepState.POSTVIEWED,
    }
)
# Waits for the 後閲 of its post once the case is decided (AP-11, AP-16).
DUE = frozenset({StepState.POSTVIEW_DUE, StepState.PULLED_UP, StepState.SUBSTITUTED})
# Not reached, or nothing was done.
_UNTOUCHED = frozenset({StepState.WAITING, StepState.ACTIVE, StepState.POSTVIEW_DUE, StepState.STRUCK})

_RESULT = {
    Action.APPROVE: StepState.APPROVED,
    Action.DECIDE: StepState.DECIDED,
    Action.CONCUR: StepState.CONCURRED,
    Action.DISSENT: StepState.DISSENTED,
    Action.HOLD: StepState.HELD,
    Action.SEND_BACK: StepState.SENT_BACK,
    Action.REJECT: StepState.REJECTED,
    Action.PULL_UP: StepState.PULLED_UP,
    Action.SUBSTITUTE: StepState.SUBSTITUTED,
    Action.POST_VIEW: StepState.POSTVIEWED,
}
_KINDS = {
    Action.APPROVE: frozenset({StepKind.APPROVE, StepKind.REVIEW}),
    Action.DECIDE: frozenset({StepKind.DECIDE}),
    Action.CONCUR: frozenset({StepKind.CONCUR}),
    Action.DISSENT: frozenset({StepKind.CONCUR}),
    Action.HOLD: frozenset(StepKind) - {StepKind.INFORM},
    Action.SEND_BACK: frozenset(StepKind) - {StepKind.INFORM},
    # domain.md 0.7: 否認 belongs to the decider.
    Action.REJECT: frozenset({StepKind.DECIDE}),
    # Only seats of the own line are pulled up; 審査 and 合議 are not the upper seat's to skip.
    Action.PULL_UP: frozenset({StepKind.APPROVE}),
    # AP-11: 代決 only replaces the decider.
    Action.SUBSTITUTE: frozenset({StepKind.DECIDE}),
    Action.POST_VIEW: frozenset(StepKind) - {StepKind.INFORM},
}


@dataclass(frozen=True)
class Signature:
    """A person as they were when they acted (AP-40)."""

    staff_id: str
    staff_name: str
    post_id: str
    post_title: str
    unit_id: str
    unit_name: str
    appointment: AppointmentKind


@dataclass(frozen=True)
class Step:
    """A seat in a case: bound to the post until acted on, then to the person (AP-40)."""

    step_id: str
    kind: StepKind
    state: StepState
    group: int
    post_id: str
    mandatory: bool
    basis: str
    activated_at: dt.datetime | None = None
    acted_at: dt.datetime | None = None
    # Raised by a recall, so that the step can be acted on once more.
    round: int = 1
    # Who acted from the post itself.
    holder: Signature | None = None
    # Who acted in its place (代決, 引上げ).
    acted_for: Signature | None = None

    @property
    def post_view(self) -> bool:
        """「後閲」 stands next to the name, due or done (AP-16)."""
        return self.state in DUE or self.state is StepState.POSTVIEWED


@dataclass(frozen=True)
class Decision:
    """One act; never changed afterwards."""

    decision_id: str
    # "" for acts on the case itself.
    step_id: str
    action: Action
    round: int
    by: Signature
    comment: str
    acted_at: dt.datetime
    version_digest: str
    # The access record that proves the version was served to this person; "" where no receipt is asked for.
    access_record: str


@dataclass(frozen=True)
class Case:
    """All of one circulation of one version of one document."""

    case_id: str
    document_id: str
    state: CaseState
    version_digest: str
    drafter: str
    drafter_post: str
    unit_id: str
    decision_class: str
    draft_number: str
    urgent: bool
    exceptional: bool
    route_plan_id: str
    rule_id: str
    basis: str
    opened_at: dt.datetime
    steps: tuple[Step, ...] = ()
    decisions: tuple[Decision, ...] = ()
    decided_at: dt.datetime | None = None
    # Staff id of who decided or substituted.
    decided_by: str = ""
    # "refused": a reason; "sent_back": the sender's step, "recalled" for the drafter's own 引戻し.
    reason: str = ""
    # Number of the last event; 0 before the first.
    version: int = 0

    def step(self, step_id: str) -> Step:
        """The step of that id. NOT_FOUND."""
        for step in self.steps:
            if step.step_id == step_id:
                return step
        raise DomainError(Kind.NOT_FOUND, "NOT_FOUND", "no such step")

    @property
    def decider(self) -> Step:
        """The one step that decides (AP-01)."""
        return next(step for step in self.steps if step.kind is StepKind.DECIDE)

    @property
    def dissented(self) -> bool:
        """An opinion against it stands (合議不調)."""
        return any(step.state is StepState.DISSENTED for step in self.steps)


@dataclass(frozen=True)
class Hall:
    """The posts of a case as held now, and the substitutes of its decider in order (AP-13)."""

    seats: Mapping[str, Seat]
    substitutes: tuple[str, ...] = ()

    @property
    def absent(self) -> Collection[str]:
        """Posts whose holders are all away now."""
        return frozenset(post for post, seat in self.seats.items() if seat.absent)


class EventKind(enum.StrEnum):
    """What happened to a case."""

    OPENED = "opened"
    ACTIVATED = "activated"
    CLOSED_STEP = "closed_step"
    HELD = "held"
    DECIDED = "decided"
    CLOSED = "closed"
    POST_VIEWED = "post_viewed"


@dataclass(frozen=True)
class Event:
    """One fact; each raises the case's version by one."""

    kind: EventKind
    step_id: str = ""
    # For the log: the act, or "skip" (absence), "recall", …
    detail: str = ""


@dataclass(frozen=True)
class Act:
    """An act that policy has allowed."""

    decision_id: str
    action: Action
    by: Signature
    comment: str
    at: dt.datetime
    version_digest: str
    access_record: str = ""


@dataclass
class _Change:
    """A case on its way, with the events so far. Lives inside one transition."""

    case: Case
    events: list[Event] = field(default_factory=list)

    def set(self, step: Step) -> None:
        self.case = replace(self.case, steps=tuple(step if s.step_id == step.step_id else s for s in self.case.steps))

    def say(self, kind: EventKind, step_id: str = "", detail: str = "") -> None:
        self.events.append(Event(kind, step_id, detail))

    def done(self) -> tuple[Case, tuple[Event, ...]]:
        return replace(self.case, version=self.case.version + len(self.events)), tuple(self.events)


Outcome = tuple[Case, tuple[Event, ...]]


def open_case(case: Case, absent: Collection[str], now: dt.datetime) -> Outcome:
    """Begin to circulate: the first group becomes ACTIVE; absent seats are passed over (AP-11, AP-15).

    `absent` are posts whose holders are all away now.
    """
    deciders = [step for step in case.steps if step.kind is StepKind.DECIDE]
    live = [step for step in case.steps if step.state is StepState.WAITING]
    if len(deciders) != 1 or not live or [s for s in live if s.group == max(s.group for s in live)] != deciders:
        raise ValueError("a case has exactly one decider, alone in its last group (AP-01)")
    change = _Change(case)
    change.say(EventKind.OPENED)
    _advance(change, absent, now)
    return change.done()


def refuse(case: Case, reason: str) -> Outcome:
    """A case that never circulates: the drafter gets the document back."""
    change = _Change(replace(case, state=CaseState.REFUSED, reason=reason, steps=()))
    change.say(EventKind.CLOSED, detail=reason)
    return change.done()


def possible(case: Case, step: Step) -> tuple[Action, ...]:
    """Acts that the states of case and step admit, whoever asks."""
    if step.state not in OPEN | DUE:
        return ()
    return tuple(action for action in STEP_ACTIONS if _refusal(case, step, action) is None)


def act(case: Case, step_id: str, act: Act, absent: Collection[str]) -> Outcome:
    """One act on one step. CASE_CLOSED, ALREADY_ACTED, STEP_NOT_ACTIVE, ACTION_NOT_ALLOWED, COMMENT_REQUIRED."""
    step = case.step(step_id)
    refusal = _refusal(case, step, act.action)
    if refusal is not None:
        raise refusal
    require_comment(act.action, act.comment)
    return _TRANSITIONS[act.action](case, step, act, absent)


def require_comment(action: Action, comment: str) -> None:
    """A reason or opinion where one is mandatory (AP-20). COMMENT_REQUIRED; INVALID_FIELDS when it is too long."""
    if action in COMMENT_REQUIRED and not comment.strip():
        raise DomainError(Kind.INVALID, "COMMENT_REQUIRED", metadata={"action": action})
    if len(comment) > MAX_COMMENT:
        raise DomainError(
            Kind.INVALID,
            "INVALID_FIELDS",
            "comment too long",
            [FieldViolation("comment", "TOO_LONG")],
            {"limit": str(MAX_COMMENT)},
        )


def withdraw(case: Case, act: Act) -> Outcome:
    """取下げ, by the drafter and before the decision; the draft number stays used."""
    _require_circulating(case)
    require_comment(act.action, act.comment)
    change = _Change(_recorded(case, "", 1, act))
    _end(change, CaseState.WITHDRAWN, "", act.action)
    return change.done()


def recall(case: Case, act: Act) -> Outcome:
    """引戻し of one's own last act while nobody after it has acted; TOO_LATE afterwards.

    The step becomes ACTIVE once more and everything after it WAITING, also who was passed over. The drafter,
    while nobody has acted at all, takes the case back to revise it: it ends as sent back, reason "recalled".
    A 保留 counts as an act of the next holder. A later holder of the post cannot recall another person's act.
    """
    _require_circulating(case)
    require_comment(act.action, act.comment)
    step = last_act_of(case, act.by.staff_id)
    if step is not None:
        return _recall_step(case, step, act)
    if act.by.staff_id != case.drafter:
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", "only the drafter or the last actor recalls")
    if not _untouched(case.steps):
        raise _too_late(case)
    change = _Change(_recorded(case, "", 1, act))
    _end(change, CaseState.SENT_BACK, "recalled", act.action)
    return change.done()


def recallable(case: Case, staff_id: str) -> Step | None:
    """The step whose act the person may recall now, None for nothing or for the whole case."""
    step = last_act_of(case, staff_id)
    if case.state is not CaseState.CIRCULATING or step is None or not _nobody_after(case, step):
        return None
    return step


def drafter_may_recall(case: Case) -> bool:
    """Whether nobody has acted at all yet."""
    return case.state is CaseState.CIRCULATING and _untouched(case.steps)


def last_act_of(case: Case, staff_id: str) -> Step | None:
    """The latest step on the route that the person acted on from its own post."""
    own = [
        step
        for step in case.steps
        if step.state in (StepState.APPROVED, StepState.CONCURRED, StepState.DISSENTED)
        and step.holder is not None
        and step.holder.staff_id == staff_id
    ]
    return max(own, key=lambda step: (step.group, step.acted_at or case.opened_at), default=None)


def _recall_step(case: Case, step: Step, act: Act) -> Outcome:
    if not _nobody_after(case, step):
        raise _too_late(case)
    change = _Change(_recorded(case, step.step_id, step.round, act))
    for later in case.steps:
        if later.group > step.group and later.state in (StepState.ACTIVE, StepState.POSTVIEW_DUE):
            change.set(replace(later, state=StepState.WAITING, activated_at=None))
            change.say(EventKind.CLOSED_STEP, later.step_id, Action.RECALL)
    again = replace(step, state=StepState.ACTIVE, activated_at=act.at, acted_at=None, holder=None, round=step.round + 1)
    change.set(again)
    change.say(EventKind.ACTIVATED, step.step_id, Action.RECALL)
    return change.done()


def _nobody_after(case: Case, step: Step) -> bool:
    return _untouched([later for later in case.steps if later.group > step.group])


def _untouched(steps: Sequence[Step]) -> bool:
    return all(step.state in _UNTOUCHED for step in steps)


def _too_late(case: Case) -> DomainError:
    who = next((decision.by for decision in reversed(case.decisions)), None)
    return DomainError(
        Kind.PRECONDITION,
        "TOO_LATE",
        "somebody after it has acted",
        metadata={"acted_by": who.staff_name if who else "", "post": who.post_title if who else ""},
    )


def _refusal(case: Case, step: Step, action: Action) -> DomainError | None:
    """Why this act is impossible now, None when it is possible."""
    about = {"action": action, "step_state": step.state, "step_kind": step.kind, "case_state": case.state}
    if action not in _KINDS or step.kind not in _KINDS[action]:
        return DomainError(Kind.PRECONDITION, "ACTION_NOT_ALLOWED", f"no {action} on {step.kind}", metadata=about)
    if action is Action.POST_VIEW:
        if step.state is StepState.POSTVIEWED:
            return DomainError(Kind.PRECONDITION, "ALREADY_ACTED", "後閲 is done", metadata=about)
        if case.state is not CaseState.DECIDED or step.state not in DUE:
            return DomainError(Kind.PRECONDITION, "STEP_NOT_ACTIVE", "no 後閲 is due", metadata=about)
        return None
    if step.state in ACTED | {StepState.PULLED_UP, StepState.SUBSTITUTED}:
        who = step.acted_for or step.holder
        by = {"acted_by": who.staff_name, "post": who.post_title} if who else {}
        return DomainError(Kind.PRECONDITION, "ALREADY_ACTED", "the step was acted on", metadata=about | by)
    if case.state is not CaseState.CIRCULATING:
        return _closed(case)
    if step.state not in OPEN:
        return DomainError(Kind.PRECONDITION, "STEP_NOT_ACTIVE", f"the step is {step.state}", metadata=about)
    if action is Action.HOLD and step.state is StepState.HELD:
        return DomainError(Kind.PRECONDITION, "ACTION_NOT_ALLOWED", "it is held already", metadata=about)
    if action is Action.SUBSTITUTE and (case.exceptional or case.dissented):
        # AP-12, AP-20: 重要・異例 and 合議不調 are for the decider alone.
        why = "exceptional" if case.exceptional else "dissent"
        return DomainError(Kind.PRECONDITION, "ACTION_NOT_ALLOWED", f"no 代決: {why}", metadata=about | {"why": why})
    return None


def _require_circulating(case: Case) -> None:
    if case.state is not CaseState.CIRCULATING:
        raise _closed(case)


def _closed(case: Case) -> DomainError:
    return DomainError(Kind.PRECONDITION, "CASE_CLOSED", f"the case is {case.state}", metadata={"state": case.state})


def _recorded(case: Case, step_id: str, number: int, act: Act) -> Case:
    decision = Decision(
        act.decision_id,
        step_id,
        act.action,
        number,
        act.by,
        act.comment,
        act.at,
        act.version_digest,
        act.access_record,
    )
    return replace(case, decisions=(*case.decisions, decision))


def _pass(case: Case, step: Step, act: Act, absent: Collection[str]) -> Outcome:
    """承認, 同意, 不同意 (advisory: it does not stop the case, AP-20)."""
    change = _Change(_recorded(case, step.step_id, step.round, act))
    change.set(replace(step, state=_RESULT[act.action], acted_at=act.at, holder=act.by))
    change.say(EventKind.CLOSED_STEP, step.step_id, act.action)
    _advance(change, absent, act.at)
    return change.done()


def _pull_up(case: Case, step: Step, act: Act, absent: Collection[str]) -> Outcome:
    """引上げ: the lower seat is passed over by an upper one and gets a 後閲."""
    change = _Change(_recorded(case, step.step_id, step.round, act))
    change.set(replace(step, state=StepState.PULLED_UP, acted_at=act.at, acted_for=act.by))
    change.say(EventKind.CLOSED_STEP, step.step_id, act.action)
    _advance(change, absent, act.at)
    return change.done()


def _hold(case: Case, step: Step, act: Act, absent: Collection[str]) -> Outcome:
    """保留: it stays with the holder, who may still act."""
    del absent
    change = _Change(_recorded(case, step.step_id, step.round, act))
    change.set(replace(step, state=StepState.HELD))
    change.say(EventKind.HELD, step.step_id, act.action)
    return change.done()


def _decide(case: Case, step: Step, act: Act, absent: Collection[str]) -> Outcome:
    """決裁 or 代決. All groups before have passed, else the step would not be ACTIVE."""
    del absent
    change = _Change(_recorded(case, step.step_id, step.round, act))
    if act.action is Action.SUBSTITUTE:
        change.set(replace(step, state=StepState.SUBSTITUTED, acted_at=act.at, acted_for=act.by))
    else:
        change.set(replace(step, state=StepState.DECIDED, acted_at=act.at, holder=act.by))
    change.say(EventKind.CLOSED_STEP, step.step_id, act.action)
    change.case = replace(change.case, state=CaseState.DECIDED, decided_at=act.at, decided_by=act.by.staff_id)
    change.say(EventKind.DECIDED, step.step_id, act.action)
    return change.done()


def _send_back(case: Case, step: Step, act: Act, absent: Collection[str]) -> Outcome:
    """差戻し to the drafter (domain.md 0.6): the case ends; another one begins with the next submission."""
    del absent
    change = _Change(_recorded(case, step.step_id, step.round, act))
    change.set(replace(step, state=StepState.SENT_BACK, acted_at=act.at, holder=act.by))
    change.say(EventKind.CLOSED_STEP, step.step_id, act.action)
    _end(change, CaseState.SENT_BACK, step.step_id, act.action)
    return change.done()


def _reject(case: Case, step: Step, act: Act, absent: Collection[str]) -> Outcome:
    """否認 by the decider (domain.md 0.7): the end; a new draft is another case."""
    del absent
    change = _Change(_recorded(case, step.step_id, step.round, act))
    change.set(replace(step, state=StepState.REJECTED, acted_at=act.at, holder=act.by))
    change.say(EventKind.CLOSED_STEP, step.step_id, act.action)
    _end(change, CaseState.REJECTED, step.step_id, act.action)
    return change.done()


def _post_view(case: Case, step: Step, act: Act, absent: Collection[str]) -> Outcome:
    """後閲: a time next to the name; the decision stays as it is (domain.md 0.2)."""
    del absent
    change = _Change(_recorded(case, step.step_id, step.round, act))
    # Who acted in its place stays on the sheet with the time of that act.
    acted_at = step.acted_at if step.acted_for is not None else act.at
    change.set(replace(step, state=StepState.POSTVIEWED, acted_at=acted_at, holder=act.by))
    change.say(EventKind.POST_VIEWED, step.step_id, act.action)
    return change.done()


_TRANSITIONS: dict[Action, Callable[[Case, Step, Act, Collection[str]], Outcome]] = {
    Action.APPROVE: _pass,
    Action.CONCUR: _pass,
    Action.DISSENT: _pass,
    Action.PULL_UP: _pull_up,
    Action.HOLD: _hold,
    Action.DECIDE: _decide,
    Action.SUBSTITUTE: _decide,
    Action.SEND_BACK: _send_back,
    Action.REJECT: _reject,
    Action.POST_VIEW: _post_view,
}


def _advance(change: _Change, absent: Collection[str], now: dt.datetime) -> None:
    """While the current group has passed, begin the next (AP-08).

    An absent seat is passed over at the moment its group begins, and only then (AP-11); the decider's never.
    """
    live = [step for step in change.case.steps if step.state is not StepState.STRUCK]
    for group in sorted({step.group for step in live}):
        for step in live:
            if step.group != group or step.state is not StepState.WAITING:
                continue
            if step.post_id in absent and step.kind is not StepKind.DECIDE:
                change.set(replace(step, state=StepState.POSTVIEW_DUE, activated_at=now))
                change.say(EventKind.CLOSED_STEP, step.step_id, "skip")
            else:
                change.set(replace(step, state=StepState.ACTIVE, activated_at=now))
                change.say(EventKind.ACTIVATED, step.step_id)
        after = [step for step in change.case.steps if step.group == group and step.state is not StepState.STRUCK]
        if not all(step.state in PASSED for step in after):
            return


def _end(change: _Change, state: CaseState, reason: str, detail: str) -> None:
    """The case ends without a decision: every view that a step gave to its post ends with it."""
    for step in change.case.steps:
        if step.state in OPEN | {StepState.WAITING, StepState.POSTVIEW_DUE, StepState.PULLED_UP}:
            change.set(replace(step, state=StepState.CANCELLED))
    change.case = replace(change.case, state=state, reason=reason)
    change.say(EventKind.CLOSED, detail=detail)


def inbox_kind(case: Case, step: Step) -> str:
    """Under which heading the step waits for the holders of its post; "" when it does not.

    後閲 waits from the decision until it is done, whatever becomes of the document (domain.md 0.2, AP-18).
    """
    if case.state is CaseState.DECIDED:
        return "post_view" if step.state in DUE else ""
    if case.state is not CaseState.CIRCULATING or step.state not in OPEN:
        return ""
    return {StepKind.CONCUR: "concurrence", StepKind.INFORM: "circulation"}.get(step.kind, "decision")


def waiting_since(case: Case, step: Step) -> dt.datetime | None:
    """Since when it waits under that heading."""
    kind = inbox_kind(case, step)
    return None if not kind else case.decided_at if kind == "post_view" else step.activated_at


@dataclass(frozen=True)
class Lease:
    """A view of the document that the case gives: to a post while it may act, to a person who has."""

    step_id: str
    # "post:…" or "staff:…"
    principal: str
    acted: bool
    since: dt.datetime


def leases(case: Case) -> tuple[Lease, ...]:
    """Who sees the document because of this case (domain.md 0.3, AC-11).

    Never a WAITING step, a plan or a list of substitutes. Who acted keeps a read-only view; the documents
    service ends it at 完結. A refused case gives nothing.
    """
    found: list[Lease] = []
    for step in case.steps:
        waits = waiting_since(case, step)
        if waits is not None:
            found.append(Lease(step.step_id, f"post:{step.post_id}", False, waits))
        acted = [(person, step.acted_at) for person in (step.holder, step.acted_for) if person is not None]
        for person, at in acted:
            if at is not None:
                found.append(Lease(step.step_id, f"staff:{person.staff_id}", True, at))
    return tuple(found)
