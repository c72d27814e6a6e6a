"""A case as it stands: steps in groups, the acts on them, one decider; and what follows from it.

Frozen values. How an act changes a case is in `acts` and `turns`; who may act from which post is `policy`.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from chassis.errors import DomainError, Kind
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
    # 事後登録 of a 持回り: decided outside the system; 後閲 is due (AP-50).
    REGISTERED = "registered"
    CANCELLED = "cancelled"


class Action(enum.StrEnum):
    """What people do (domain.md 4.2)."""

    APPROVE = "approve"
    DECIDE = "decide"
    # 条件付決裁: the comment is the condition (AP-22).
    DECIDE_CONDITIONALLY = "decide_conditionally"
    CONCUR = "concur"
    DISSENT = "dissent"
    HOLD = "hold"
    SEND_BACK = "send_back"
    REJECT = "reject"
    PULL_UP = "pull_up"
    SUBSTITUTE = "substitute"
    POST_VIEW = "post_view"
    # A 差替え called minor is made a substantive one: everybody before acts again (AP-30).
    RESTART = "restart"
    # 供覧 seen.
    CONFIRM = "confirm"
    RECALL = "recall"
    WITHDRAW = "withdraw"
    # 差替え: the drafter takes the document back to put another version in its place (AP-30).
    REPLACE = "replace"
    # 供覧: more readers, who are asked nothing.
    CIRCULATE = "circulate"
    # 代決 is asked of the substitute whose turn it is (AP-17).
    ASK_SUBSTITUTE = "ask_substitute"
    # 引上げ is asked of a later seat of the own line (AP-17).
    ASK_PULL_UP = "ask_pull_up"
    # 回議先の追加: another post acts before the own seat (AP-54).
    ADD_SEAT = "add_seat"
    # 持回りの事後登録 by the drafter (AP-50).
    REGISTER_WALK_AROUND = "register_walk_around"


CASE_ACTIONS = (
    *(Action.RECALL, Action.WITHDRAW, Action.REPLACE, Action.CIRCULATE),
    *(Action.ASK_SUBSTITUTE, Action.ASK_PULL_UP, Action.ADD_SEAT, Action.REGISTER_WALK_AROUND),
)
# Acts on one step; the others are on the case.
STEP_ACTIONS = tuple(action for action in Action if action not in CASE_ACTIONS)
# Acts that make no sense without words: a reason, or an opinion (AP-20).
COMMENT_REQUIRED = frozenset(
    {
        Action.DISSENT,
        Action.SEND_BACK,
        Action.REJECT,
        Action.HOLD,
        Action.DECIDE_CONDITIONALLY,
        Action.RESTART,
        Action.REPLACE,
        Action.ASK_PULL_UP,
        Action.ADD_SEAT,
        Action.REGISTER_WALK_AROUND,
    }
)

OPEN = frozenset({StepState.ACTIVE, StepState.HELD})
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
# Waits for the 後閲 of its post once the case is decided (AP-11, AP-16, AP-50).
DUE = frozenset({StepState.POSTVIEW_DUE, StepState.PULLED_UP, StepState.SUBSTITUTED, StepState.REGISTERED})


class DissentPolicy(enum.StrEnum):
    """What a 不同意 does (AP-20); every city chooses."""

    # The decider weighs it.
    ADVISORY = "advisory"
    # The document goes back to its drafter.
    RETURN = "return"
    # 上位者裁定: the next post above the decider decides.
    ESCALATE = "escalate"


@dataclass(frozen=True)
class CityRules:
    """What every city sets for itself in the course of a case. The defaults are those of domain.md."""

    dissent: DissentPolicy = DissentPolicy.ADVISORY
    # 差戻し may go to an earlier seat and not only to the drafter (domain.md 0.6).
    send_back_to_steps: bool = False
    # An urgent case may be 代決 although it is 重要・異例 (AP-12).
    substitute_when_urgent: bool = False
    # Decision classes whose cases may be approved several at once (AP-52).
    bulk: frozenset[str] = frozenset()
    # Opening days within which a 持回り may be registered; 0 where the city allows none (AP-50).
    walk_around_days: int = 0
    # One 承認 may close the seats right after it that the same person holds (AP-43).
    consecutive_seats: bool = False
    # 課長起案: who drafts from the post of a 課長 may decide it from there (AP-43).
    head_decides_own_draft: bool = False


@dataclass(frozen=True)
class Signature:
    """A person as they were when they acted (AP-40)."""

    staff_id: str
    staff_name: str
    post_id: str
    # As what they acted: of who stood in place of the holder 「総務課長事務取扱総務部長」 (AP-19).
    post_title: str
    unit_id: str
    unit_name: str
    # 兼務の別
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
    # How many of the group's steps that share this number have to act; 0: this one itself (AP-08).
    need: int = 0
    activated_at: dt.datetime | None = None
    acted_at: dt.datetime | None = None
    # Raised by a recall, so that the step can be acted on once more.
    round: int = 1
    # Who acted from the post itself.
    holder: Signature | None = None
    # Who acted in its place (代決, 引上げ), or outside the system (持回り).
    acted_for: Signature | None = None
    # The post that was asked for 代決, or the later seat's for 引上げ, and sees the document for it (AP-17).
    asked_post_id: str = ""
    # The act that put it on the route while the case circulated; "" for a seat of the plan (AP-54).
    added_by: str = ""

    @property
    def post_view(self) -> bool:
        """「後閲」 stands next to the name, due or done (AP-16)."""
        return self.state in DUE or self.state is StepState.POSTVIEWED


@dataclass(frozen=True)
class WalkAround:
    """持回り: a decision on paper or by word, as its drafter registered it (AP-50)."""

    # As they were at that moment.
    decider: Signature
    decided_at: dt.datetime
    # hex sha256 of the scan, a file of the document before 施行 and 完結.
    evidence_sha256: str


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
    # Ids of the 不同意 that a decider said to have weighed (AP-20).
    acknowledged: tuple[str, ...] = ()
    # The act on an earlier version that still counts after a minor 差替え; "" for an act of this circulation (AP-30).
    carried_from: str = ""
    # 一括承認: done together with acts on other cases (AP-52).
    bulk: bool = False
    # Of 持回りの事後登録; `by` is who registered it.
    walk_around: WalkAround | None = None


@dataclass(frozen=True)
class Move:
    """A seat that went from one post to another, because its own had ended (AP-41)."""

    step_id: str
    # 「観光推進室長」, as they were called then.
    from_post: str
    to_post: str
    # Why the records office moved it; "" when it followed the successor.
    reason: str
    moved_by: str
    # "" for the service itself.
    moved_by_name: str
    moved_at: dt.datetime


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
    # Oldest first; written by `succession`, here to be shown.
    moves: tuple[Move, ...] = ()
    decided_at: dt.datetime | None = None
    # Staff id of who decided or substituted.
    decided_by: str = ""
    # "refused": a reason; "sent_back": the sender's step, "recalled" or "replacing" for the drafter's own 引戻し, 差替え.
    reason: str = ""
    # Number of the last event; 0 before the first.
    version: int = 0
    # 指定者のみ: not for the whole owner unit (AC-02).
    designated: bool = False
    # Its document is completed: who acted sees it no longer because of that.
    completed: bool = False
    # Who planned its route and submitted it; "" where that is the drafter.
    submitter: str = ""
    # Of a 課長起案 that was planned so, the post that drafted and decides it (AP-43 ⚙); "" of every other case.
    own_post: str = ""
    # Who carries on in the drafter's place after 引継ぎ (AP-42); "" while the drafter does.
    assignee: str = ""
    # Public key of the document, for what people write on its case; b"" of a case that was submitted without one.
    opinions_key: bytes = b""

    @property
    def in_charge(self) -> str:
        """担当者: who acts on the case itself."""
        return self.assignee or self.drafter

    @property
    def authors(self) -> frozenset[str]:
        """Who wrote and submitted it."""
        return frozenset({self.drafter, self.submitter or self.drafter})

    def barred(self, step: Step) -> frozenset[str]:
        """Who does not decide it from this seat: its authors, unless it is a 課長起案 and the seat its own (AP-43)."""
        return self.authors if step.post_id != self.own_post else frozenset()

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
    def line(self) -> tuple[Step, ...]:
        """The steps that the case has to pass: not those struck through, not 供覧."""
        return tuple(s for s in self.steps if s.state is not StepState.STRUCK and s.kind is not StepKind.INFORM)

    @property
    def registration(self) -> Decision | None:
        """The 事後登録 that decided the case, None where it was decided in the system (AP-50)."""
        return next((decision for decision in self.decisions if decision.walk_around is not None), None)

    @property
    def dissented(self) -> bool:
        """An opinion against it stands (合議不調)."""
        return any(step.state is StepState.DISSENTED for step in self.steps)

    @property
    def opinions(self) -> tuple[str, ...]:
        """Ids of the 不同意 that stand and that the decider has to weigh (AP-20)."""
        standing = {step.step_id: step.round for step in self.steps if step.state is StepState.DISSENTED}
        return tuple(
            decision.decision_id
            for decision in self.decisions
            if decision.action is Action.DISSENT and standing.get(decision.step_id) == decision.round
        )


@dataclass(frozen=True)
class Drafter:
    """Who drafted, as they were when the case was opened."""

    staff_name: str = ""
    post_title: str = ""
    unit_name: str = ""


@dataclass(frozen=True)
class Hall:
    """The posts of a case as held now, the substitutes of its decider in order (AP-13), and its drafter."""

    seats: Mapping[str, Seat]
    substitutes: tuple[str, ...] = ()
    drafter: Drafter = Drafter()

    @property
    def absent(self) -> Collection[str]:
        """Posts whose holders are all away now."""
        return frozenset(post for post, seat in self.seats.items() if seat.absent)

    @property
    def held(self) -> Collection[str]:
        """Posts that somebody holds now, away or not."""
        return frozenset(post for post, seat in self.seats.items() if seat.holders)


class EventKind(enum.StrEnum):
    """What happened to a case."""

    OPENED = "opened"
    ACTIVATED = "activated"
    CLOSED_STEP = "closed_step"
    HELD = "held"
    DECIDED = "decided"
    # 事後登録: decided, outside the system (AP-50).
    REGISTERED = "registered"
    CLOSED = "closed"
    POST_VIEWED = "post_viewed"
    # To another post, because its own has ended (AP-41).
    MOVED = "moved"


@dataclass(frozen=True)
class Event:
    """One fact; each raises the case's version by one."""

    kind: EventKind
    step_id: str = ""
    # For the log: the act, or "skip" (absence), "escalate" (合議不調), …
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
    acknowledged: tuple[str, ...] = ()
    # The step a 差戻し goes to; "" for the drafter.
    target: str = ""
    # 一括承認 (AP-52).
    bulk: bool = False


def inbox_kind(case: Case, step: Step) -> str:
    """Under which heading the step waits for the holders of its post; "" when it does not.

    後閲 waits from the decision until it is done, whatever becomes of the document (domain.md 0.2, AP-18).
    """
    if step.kind is StepKind.INFORM:
        running = case.state in (CaseState.CIRCULATING, CaseState.DECIDED)
        return "circulation" if running and step.state is StepState.ACTIVE else ""
    if case.state is CaseState.DECIDED:
        return "post_view" if step.state in DUE else ""
    if case.state is not CaseState.CIRCULATING or step.state not in OPEN:
        return ""
    return "concurrence" if step.kind is StepKind.CONCUR else "decision"


def waiting_since(case: Case, step: Step) -> dt.datetime | None:
    """Since when it waits under that heading; a 後閲 of a 持回り since it was registered, not since the decision."""
    kind = inbox_kind(case, step)
    if kind == "post_view":
        return case.registration.acted_at if case.registration is not None else case.decided_at
    return step.activated_at if kind else None


@dataclass(frozen=True)
class Lease:
    """A view of the document that the case gives: to a post while it may act, to a person who has."""

    step_id: str
    # "post:…" or "staff:…"
    principal: str
    acted: bool
    since: dt.datetime


def later_seats(case: Case, step: Step) -> tuple[Step, ...]:
    """The seats of the own line above this one that still wait for their turn, lowest first: who could pull it up."""
    kinds = (StepKind.APPROVE, StepKind.DECIDE)
    waiting = (one for one in case.steps if one.state is StepState.WAITING and one.kind in kinds)
    return tuple(sorted((one for one in waiting if one.group > step.group), key=lambda one: one.group))


def leases(case: Case) -> tuple[Lease, ...]:
    """Who sees the document because of this case (domain.md 0.3, AC-11).

    Never a WAITING step, a plan or a list of substitutes: of those only the one that was asked (AP-17), a later seat as
    long as it stands there. Who acted
    keeps a read-only view, also when the step was taken back; the documents service ends it at 完結. Who decided
    by 持回り has acted. A refused case gives nothing.
    """
    found: list[Lease] = []
    for step in case.steps:
        waits = waiting_since(case, step)
        if waits is not None:
            found.append(Lease(step.step_id, f"post:{step.post_id}", False, waits))
        asked = step.asked_post_id and (
            step.kind is StepKind.DECIDE or step.asked_post_id in {one.post_id for one in later_seats(case, step)}
        )
        if waits is not None and asked and step.state in OPEN:
            found.append(Lease(step.step_id, f"post:{step.asked_post_id}", False, waits))
    acted = {(d.step_id, d.by.staff_id): d.acted_at for d in reversed(case.decisions) if d.step_id}
    if (registered := case.registration) is not None and registered.walk_around is not None:
        acted[case.decider.step_id, registered.walk_around.decider.staff_id] = registered.acted_at
    found.extend(Lease(step_id, f"staff:{who}", True, at) for (step_id, who), at in acted.items())
    return tuple(found)
