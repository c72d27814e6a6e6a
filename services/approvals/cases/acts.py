"""Acts on a case. Pure transitions: case in, (case, events) out; a wrong act raises its own reason and changes nothing.

Time, ids and who is absent are arguments. Who may act from which post is `policy`; what is possible at all is here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from chassis.errors import DomainError, FieldViolation, Kind, invalid
from services.approvals.cases.bulk import require_bulk
from services.approvals.cases.domain import (
    ACTED,
    COMMENT_REQUIRED,
    DUE,
    MAX_COMMENT,
    OPEN,
    STEP_ACTIONS,
    Act,
    Action,
    Case,
    CaseState,
    CityRules,
    Decision,
    DissentPolicy,
    EventKind,
    Hall,
    Step,
    StepState,
)
from services.approvals.cases.turns import Change, Outcome, advance, end, escalate, reopen, rewind
from services.approvals.routes.domain import StepKind

# More readers than this are a distribution list, not 供覧 of one case.
MAX_INFORMED = 40
# Not reached, or nothing was done.
_UNTOUCHED = frozenset({StepState.WAITING, StepState.ACTIVE, StepState.POSTVIEW_DUE, StepState.STRUCK})
_RESULT = {
    Action.APPROVE: StepState.APPROVED,
    Action.DECIDE: StepState.DECIDED,
    Action.DECIDE_CONDITIONALLY: StepState.DECIDED,
    Action.CONCUR: StepState.CONCURRED,
    Action.DISSENT: StepState.DISSENTED,
}
_AGREEING = frozenset({Action.APPROVE, Action.CONCUR})
_BLOCKING = frozenset(StepKind) - {StepKind.INFORM}
_KINDS = {
    Action.APPROVE: frozenset({StepKind.APPROVE, StepKind.REVIEW, StepKind.PROVISIONAL}),
    Action.DECIDE: frozenset({StepKind.DECIDE}),
    Action.DECIDE_CONDITIONALLY: frozenset({StepKind.DECIDE}),
    Action.CONCUR: frozenset({StepKind.CONCUR}),
    Action.DISSENT: frozenset({StepKind.CONCUR}),
    Action.HOLD: _BLOCKING,
    Action.SEND_BACK: _BLOCKING,
    # domain.md 0.7: 否認 belongs to the decider.
    Action.REJECT: frozenset({StepKind.DECIDE}),
    # Only seats of the own line are pulled up; 審査 and 合議 are not the upper seat's to skip.
    Action.PULL_UP: frozenset({StepKind.APPROVE}),
    # AP-11: 代決 only replaces the decider.
    Action.SUBSTITUTE: frozenset({StepKind.DECIDE}),
    Action.POST_VIEW: _BLOCKING,
    Action.RESTART: _BLOCKING,
    Action.CONFIRM: frozenset({StepKind.INFORM}),
}


def open_case(case: Case, absent: Collection[str], now: dt.datetime) -> Outcome:
    """Begin to circulate: the first group not yet passed becomes ACTIVE; absent seats are passed over (AP-11, AP-15).

    `absent` are posts whose holders are all away now.
    """
    deciders = [step for step in case.steps if step.kind is StepKind.DECIDE]
    line = case.line
    if len(deciders) != 1 or [s for s in line if s.group == max(s.group for s in line)] != deciders:
        raise ValueError("a case has exactly one decider, alone in its last group (AP-01)")
    change = Change(case)
    change.say(EventKind.OPENED)
    advance(change, absent, now)
    return change.done()


def refuse(case: Case, reason: str) -> Outcome:
    """A case that never circulates: the drafter gets the document back."""
    change = Change(replace(case, state=CaseState.REFUSED, reason=reason, steps=()))
    change.say(EventKind.CLOSED, detail=reason)
    return change.done()


# --- acts on a step -----------------------------------------------------------------------------


def possible(case: Case, step: Step, city: CityRules) -> tuple[Action, ...]:
    """Acts that the states of case and step admit, whoever asks."""
    if step.state not in OPEN | DUE:
        return ()
    return tuple(action for action in STEP_ACTIONS if _refusal(case, step, action, city) is None)


def act(case: Case, step_id: str, act: Act, hall: Hall, city: CityRules) -> Outcome:
    """One act on one step.

    CASE_CLOSED, ALREADY_ACTED, STEP_NOT_ACTIVE, ACTION_NOT_ALLOWED, BULK_NOT_ALLOWED, COMMENT_REQUIRED,
    OPINIONS_NOT_WEIGHED.
    """
    step = case.step(step_id)
    refusal = _refusal(case, step, act.action, city)
    if refusal is not None:
        raise refusal
    if act.bulk:
        require_bulk(case.decision_class, step.kind, act.action, city)
    require_comment(act.action, act.comment)
    return _TRANSITIONS[act.action](case, step, act, hall, city)


def require_comment(action: Action, comment: str) -> None:
    """A reason, opinion or condition where one is mandatory (AP-20). COMMENT_REQUIRED; INVALID_FIELDS when too long."""
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


def _refusal(case: Case, step: Step, action: Action, city: CityRules) -> DomainError | None:
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
    if step.state in ACTED | DUE - {StepState.POSTVIEW_DUE} | {StepState.INFORMED}:
        who = step.acted_for or step.holder
        by = {"acted_by": who.staff_name, "post": who.post_title} if who else {}
        return DomainError(Kind.PRECONDITION, "ALREADY_ACTED", "the step was acted on", metadata=about | by)
    # 供覧 goes on after the decision: it stops nothing and nothing stops it.
    running = (CaseState.CIRCULATING, CaseState.DECIDED) if action is Action.CONFIRM else (CaseState.CIRCULATING,)
    if case.state not in running:
        return _closed(case)
    if step.state not in OPEN:
        return DomainError(Kind.PRECONDITION, "STEP_NOT_ACTIVE", f"the step is {step.state}", metadata=about)
    why = _not_allowed(case, step, action, city)
    if why:
        return DomainError(Kind.PRECONDITION, "ACTION_NOT_ALLOWED", f"{action}: {why}", metadata=about | {"why": why})
    return None


def _not_allowed(case: Case, step: Step, action: Action, city: CityRules) -> str:
    """What in the case itself speaks against the act on an open step; "" for nothing."""
    if action is Action.HOLD and step.state is StepState.HELD:
        return "held"
    if action is Action.SUBSTITUTE:
        return no_substitution(case, city)
    if action is Action.RESTART and not _carried(case):
        return "nothing_carried"
    return ""


def _carried(case: Case) -> frozenset[str]:
    """Steps that still stand by an act on an earlier version (AP-30)."""
    rounds = {step.step_id: step.round for step in case.steps}
    return frozenset(d.step_id for d in case.decisions if d.carried_from and rounds[d.step_id] == d.round)


def no_substitution(case: Case, city: CityRules) -> str:
    """AP-12, AP-20: 重要・異例 and 合議不調 are for the decider alone; a city may except urgent ones from the former."""
    if case.dissented:
        return "dissent"
    return "exceptional" if case.exceptional and not (city.substitute_when_urgent and case.urgent) else ""


def require_circulating(case: Case) -> None:
    """CASE_CLOSED unless it still circulates."""
    if case.state is not CaseState.CIRCULATING:
        raise _closed(case)


def _closed(case: Case) -> DomainError:
    return DomainError(Kind.PRECONDITION, "CASE_CLOSED", f"the case is {case.state}", metadata={"state": case.state})


def recorded(case: Case, step_id: str, number: int, act: Act) -> Case:
    """The case with the act on record."""
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
        act.acknowledged,
        bulk=act.bulk,
    )
    return replace(case, decisions=(*case.decisions, decision))


def _pass(case: Case, step: Step, act: Act, hall: Hall, city: CityRules) -> Outcome:
    """承認, 同意, 不同意. A 不同意 stops the case only where the city wants it to (AP-20)."""
    change = Change(recorded(case, step.step_id, step.round, act))
    change.set(replace(step, state=_RESULT[act.action], acted_at=act.at, holder=act.by))
    change.say(EventKind.CLOSED_STEP, step.step_id, act.action)
    if act.action is Action.DISSENT and city.dissent is DissentPolicy.RETURN:
        end(change, CaseState.SENT_BACK, step.step_id, act.action)
        return change.done()
    if act.action is Action.DISSENT and city.dissent is DissentPolicy.ESCALATE:
        escalate(change, hall)
    advance(change, hall.absent, act.at)
    return change.done()


def _pull_up(case: Case, step: Step, act: Act, hall: Hall, city: CityRules) -> Outcome:
    """引上げ: the lower seat is passed over by an upper one and gets a 後閲."""
    del city
    change = Change(recorded(case, step.step_id, step.round, act))
    change.set(replace(step, state=StepState.PULLED_UP, acted_at=act.at, acted_for=act.by))
    change.say(EventKind.CLOSED_STEP, step.step_id, act.action)
    advance(change, hall.absent, act.at)
    return change.done()


def _hold(case: Case, step: Step, act: Act, hall: Hall, city: CityRules) -> Outcome:
    """保留: it stays with the holder, who may still act."""
    del hall, city
    change = Change(recorded(case, step.step_id, step.round, act))
    change.set(replace(step, state=StepState.HELD))
    change.say(EventKind.HELD, step.step_id, act.action)
    return change.done()


def _decide(case: Case, step: Step, act: Act, hall: Hall, city: CityRules) -> Outcome:
    """決裁, 条件付決裁 or 代決. All groups before have passed, else the step would not be ACTIVE.

    Who decides against an opinion says that they weighed it: OPINIONS_NOT_WEIGHED otherwise (AP-20).
    """
    del hall, city
    unweighed = [opinion for opinion in case.opinions if opinion not in act.acknowledged]
    if unweighed:
        raise DomainError(
            Kind.PRECONDITION, "OPINIONS_NOT_WEIGHED", "不同意 stands", metadata={"opinions": ",".join(unweighed)}
        )
    change = Change(recorded(case, step.step_id, step.round, act))
    if act.action is Action.SUBSTITUTE:
        change.set(replace(step, state=StepState.SUBSTITUTED, acted_at=act.at, acted_for=act.by))
    else:
        change.set(replace(step, state=StepState.DECIDED, acted_at=act.at, holder=act.by))
    change.say(EventKind.CLOSED_STEP, step.step_id, act.action)
    change.case = replace(change.case, state=CaseState.DECIDED, decided_at=act.at, decided_by=act.by.staff_id)
    change.say(EventKind.DECIDED, step.step_id, act.action)
    return change.done()


def _send_back(case: Case, step: Step, act: Act, hall: Hall, city: CityRules) -> Outcome:
    """差戻し to the drafter: the case ends, and another one begins with the next submission (domain.md 0.6).

    Where the city allows it, also to an earlier seat, which acts once more; everything after that seat is as if it
    had not been reached. INVALID_FIELDS "target" for a seat that has not acted or does not stand before.
    """
    del hall
    change = Change(recorded(case, step.step_id, step.round, act))
    if not act.target:
        change.set(replace(step, state=StepState.SENT_BACK, acted_at=act.at, holder=act.by))
        change.say(EventKind.CLOSED_STEP, step.step_id, act.action)
        end(change, CaseState.SENT_BACK, step.step_id, act.action)
        return change.done()
    if not city.send_back_to_steps:
        raise DomainError(
            Kind.PRECONDITION, "ACTION_NOT_ALLOWED", "to the drafter only", metadata={"why": "drafter_only"}
        )
    target = next((one for one in send_back_targets(case, step, city) if one.step_id == act.target), None)
    if target is None:
        raise DomainError(
            Kind.INVALID, "INVALID_FIELDS", "no seat to go back to", [FieldViolation("target", "UNKNOWN")]
        )
    reopen(change, target, act.at, act.action)
    return change.done()


def send_back_targets(case: Case, step: Step, city: CityRules) -> tuple[Step, ...]:
    """Earlier seats that a 差戻し from this step may go to: those that acted themselves, where the city allows it."""
    if not city.send_back_to_steps:
        return ()
    acted = (StepState.APPROVED, StepState.CONCURRED, StepState.DISSENTED)
    return tuple(one for one in case.line if one.group < step.group and one.state in acted)


def _reject(case: Case, step: Step, act: Act, hall: Hall, city: CityRules) -> Outcome:
    """否認 by the decider (domain.md 0.7): the end; a new draft is another case."""
    del hall, city
    change = Change(recorded(case, step.step_id, step.round, act))
    change.set(replace(step, state=StepState.REJECTED, acted_at=act.at, holder=act.by))
    change.say(EventKind.CLOSED_STEP, step.step_id, act.action)
    end(change, CaseState.REJECTED, step.step_id, act.action)
    return change.done()


def _post_view(case: Case, step: Step, act: Act, hall: Hall, city: CityRules) -> Outcome:
    """後閲: a time next to the name; the decision stays as it is (domain.md 0.2)."""
    del hall, city
    change = Change(recorded(case, step.step_id, step.round, act))
    # Who acted in its place stays on the sheet with the time of that act.
    acted_at = step.acted_at if step.acted_for is not None else act.at
    change.set(replace(step, state=StepState.POSTVIEWED, acted_at=acted_at, holder=act.by))
    change.say(EventKind.POST_VIEWED, step.step_id, act.action)
    return change.done()


def _restart(case: Case, step: Step, act: Act, hall: Hall, city: CityRules) -> Outcome:
    """A 差替え called minor turns out to be one of substance: everybody acts on the new version (AP-30)."""
    del city
    change = Change(recorded(case, step.step_id, step.round, act))
    rewind(change, 0, act.action)
    advance(change, hall.absent, act.at)
    return change.done()


def _confirm(case: Case, step: Step, act: Act, hall: Hall, city: CityRules) -> Outcome:
    """供覧 seen: it waits no longer."""
    del hall, city
    change = Change(recorded(case, step.step_id, step.round, act))
    change.set(replace(step, state=StepState.INFORMED, acted_at=act.at, holder=act.by))
    change.say(EventKind.CLOSED_STEP, step.step_id, act.action)
    return change.done()


_TRANSITIONS: dict[Action, Callable[[Case, Step, Act, Hall, CityRules], Outcome]] = {
    Action.APPROVE: _pass,
    Action.CONCUR: _pass,
    Action.DISSENT: _pass,
    Action.PULL_UP: _pull_up,
    Action.HOLD: _hold,
    Action.DECIDE: _decide,
    Action.DECIDE_CONDITIONALLY: _decide,
    Action.SUBSTITUTE: _decide,
    Action.SEND_BACK: _send_back,
    Action.REJECT: _reject,
    Action.POST_VIEW: _post_view,
    Action.RESTART: _restart,
    Action.CONFIRM: _confirm,
}


# --- acts on the case ---------------------------------------------------------------------------


def withdraw(case: Case, act: Act) -> Outcome:
    """取下げ, by the drafter and before the decision; the draft number stays used."""
    return _take_back(case, act, CaseState.WITHDRAWN, "")


def take_back_to_replace(case: Case, act: Act) -> Outcome:
    """差替え, by the drafter and before the decision: the document comes back to be revised (AP-30).

    The case ends as sent back, reason "replacing". What becomes of the acts so far says the next submission.
    """
    return _take_back(case, act, CaseState.SENT_BACK, "replacing")


def _take_back(case: Case, act: Act, state: CaseState, reason: str) -> Outcome:
    require_circulating(case)
    require_comment(act.action, act.comment)
    change = Change(recorded(case, "", 1, act))
    end(change, state, reason, act.action)
    return change.done()


def recall(case: Case, act: Act) -> Outcome:
    """引戻し of one's own last act while nobody after it has acted; TOO_LATE afterwards.

    The step becomes ACTIVE once more and everything after it WAITING, also who was passed over. The drafter,
    while nobody has acted at all, takes the case back to revise it: it ends as sent back, reason "recalled".
    A 保留 counts as an act of the next holder. A later holder of the post cannot recall another person's act.
    """
    require_circulating(case)
    require_comment(act.action, act.comment)
    step = last_act_of(case, act.by.staff_id)
    if step is not None:
        return _recall_step(case, step, act)
    if act.by.staff_id != case.in_charge:
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", "only the 担当者 or the last actor recalls")
    if not _untouched(case, 0):
        raise _too_late(case)
    return _take_back(case, act, CaseState.SENT_BACK, "recalled")


def recallable(case: Case, staff_id: str) -> Step | None:
    """The step whose act the person may recall now, None for nothing or for the whole case."""
    step = last_act_of(case, staff_id)
    if case.state is not CaseState.CIRCULATING or step is None or not _untouched(case, step.group + 1):
        return None
    return step


def drafter_may_recall(case: Case) -> bool:
    """Whether nobody has acted at all yet."""
    return case.state is CaseState.CIRCULATING and _untouched(case, 0)


def last_act_of(case: Case, staff_id: str) -> Step | None:
    """The latest step on the route that the person acted on from its own post, in this circulation."""
    carried = _carried(case)
    own = [
        step
        for step in case.steps
        if step.state in (StepState.APPROVED, StepState.CONCURRED, StepState.DISSENTED)
        and step.holder is not None
        and step.holder.staff_id == staff_id
        and step.step_id not in carried
    ]
    return max(own, key=lambda step: (step.group, step.acted_at or case.opened_at), default=None)


def _recall_step(case: Case, step: Step, act: Act) -> Outcome:
    if not _untouched(case, step.group + 1):
        raise _too_late(case)
    change = Change(recorded(case, step.step_id, step.round, act))
    reopen(change, step, act.at, act.action, keep=_carried(case))
    return change.done()


def _untouched(case: Case, group: int) -> bool:
    """Nobody has acted from this group on, but on an earlier version."""
    carried = _carried(case)
    return all(s.state in _UNTOUCHED or s.step_id in carried for s in case.line if s.group >= group)


def _too_late(case: Case) -> DomainError:
    who = next((decision.by for decision in reversed(case.decisions)), None)
    return DomainError(
        Kind.PRECONDITION,
        "TOO_LATE",
        "somebody after it has acted",
        metadata={"acted_by": who.staff_name if who else "", "post": who.post_title if who else ""},
    )


def may_be_shown(case: Case) -> bool:
    """Whether 供覧 may begin: while the case circulates, and after its decision (事後通知) until 完結 (AP-10)."""
    return case.state is CaseState.CIRCULATING or (case.state is CaseState.DECIDED and not case.completed)


def circulate(case: Case, act: Act, posts: Sequence[str], new_id: Callable[[], str]) -> Outcome:
    """供覧 to one post, or to several at once (同報): they see the document from now on and are asked nothing (AP-10).

    CASE_CLOSED once `may_be_shown` says no. INVALID_FIELDS "post_ids": REQUIRED, TOO_MANY, or ALREADY_ON_ROUTE for a post
    that has a step already.
    """
    if not may_be_shown(case):
        raise _closed(case)
    require_comment(act.action, act.comment)
    taken = {step.post_id for step in case.steps if step.state is not StepState.STRUCK}
    informed = sum(step.kind is StepKind.INFORM for step in case.steps)
    if not posts:
        raise invalid(FieldViolation("post_ids", "REQUIRED"))
    if informed + len(posts) > MAX_INFORMED:
        raise invalid(FieldViolation("post_ids", "TOO_MANY"))
    if taken & set(posts) or len(set(posts)) != len(posts):
        raise invalid(FieldViolation("post_ids", "ALREADY_ON_ROUTE"))
    change = Change(recorded(case, "", 1, act))
    for post_id in posts:
        step = informed_step(new_id(), post_id, act.at, "供覧")
        change.case = replace(change.case, steps=(*change.case.steps, step))
        change.say(EventKind.ACTIVATED, step.step_id, act.action)
    return change.done()


def informed_step(step_id: str, post_id: str, at: dt.datetime, basis: str) -> Step:
    """A step that only shows."""
    return Step(step_id, StepKind.INFORM, StepState.ACTIVE, 1, post_id, False, basis, activated_at=at)


def may_be_substituted(case: Case, city: CityRules) -> bool:
    """Whether the case waits for its decider and 代決 is not barred (AP-12, AP-20)."""
    return case.decider.state in OPEN and not no_substitution(case, city)


def ask_substitute(case: Case, act: Act, whose_turn: Callable[[], str], city: CityRules) -> Outcome:
    """代決 is asked of the substitute whose turn it is; only now they see the document (AP-17, AC-11).

    STEP_NOT_ACTIVE before the case has come to its decider, ACTION_NOT_ALLOWED where 代決 is barred (AP-12, AP-20),
    ALREADY_ACTED when this substitute was asked before; what `whose_turn` raises: nobody is absent, nobody is there.
    """
    require_circulating(case)
    require_comment(act.action, act.comment)
    step = case.decider
    if step.state not in OPEN:
        raise DomainError(Kind.PRECONDITION, "STEP_NOT_ACTIVE", "the decider's turn has not come")
    if why := no_substitution(case, city):
        raise DomainError(Kind.PRECONDITION, "ACTION_NOT_ALLOWED", why, metadata={"why": why, "action": act.action})
    substitute = whose_turn()
    if step.asked_post_id == substitute:
        raise DomainError(Kind.PRECONDITION, "ALREADY_ACTED", "this substitute was asked")
    change = Change(recorded(case, "", 1, act))
    change.set(replace(step, asked_post_id=substitute))
    change.say(EventKind.ACTIVATED, step.step_id, act.action)
    return change.done()


# --- 差替え --------------------------------------------------------------------------------------


def carry_over(case: Case, before: Case, hall: Hall, now: dt.datetime, new_id: Callable[[], str]) -> Case:
    """The new case after a minor 差替え: acts on the earlier version go on counting (AP-30).

    Kept are the 承認 and 同意 of seats that stand on both routes; who was against it, away or pulled up is asked
    anew, for the new version may have answered them. Each kept act is on record in the new
    case with the digest it was given for and the act it was carried from. Who acted gets the new version as 供覧, in the
    post they acted from; who holds that no more gets a notice of their own (`notices`), and their successor nothing.
    Nothing is kept where the new route leaves out a seat that was added to the earlier one (AP-54).
    """
    planned = {step.post_id for step in case.line}
    if any(step.added_by and step.post_id not in planned for step in before.line):
        return case
    earlier = {(step.kind, step.post_id): step for step in before.steps}
    steps: list[Step] = []
    kept: list[Decision] = []
    for step in case.steps:
        old = earlier.get((step.kind, step.post_id))
        if old is None or old.state not in (StepState.APPROVED, StepState.CONCURRED):
            steps.append(step)
            continue
        steps.append(
            replace(step, state=old.state, activated_at=old.activated_at, acted_at=old.acted_at, holder=old.holder)
        )
        acted = next(d for d in reversed(before.decisions) if d.step_id == old.step_id and d.action in _AGREEING)
        origin = acted.carried_from or acted.decision_id
        kept.append(replace(acted, decision_id=new_id(), step_id=step.step_id, round=1, carried_from=origin))
    still = [one.by for one in kept if (seat := hall.seats.get(one.by.post_id)) and seat.held_by(one.by.staff_id)]
    told = dict.fromkeys(by.post_id for by in still)
    steps.extend(informed_step(new_id(), post_id, now, "軽微な差替え") for post_id in told)
    kept.sort(key=lambda decision: decision.acted_at)
    return replace(case, steps=tuple(steps), decisions=tuple(kept))
