"""持回りの事後登録 (AP-50): a decision on paper or by word is registered by the drafter of an urgent case. Pure.

What keeps it honest: the decider, and every seat that had not acted, get a 後閲 at once, so that nobody is said to
have decided without seeing it in their inbox; and the evidence is named by its digest before it is a file.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import replace

from chassis.errors import DomainError, FieldViolation, Kind, invalid
from chassis.wareki import JST
from services.approvals.cases.acts import no_substitution, require_circulating, require_comment
from services.approvals.cases.domain import (
    OPEN,
    Act,
    Action,
    Case,
    CaseState,
    CityRules,
    Decision,
    EventKind,
    Signature,
    StepState,
    WalkAround,
)
from services.approvals.cases.turns import Change, Outcome
from services.approvals.deadlines.domain import Deadlines

_SHA256 = re.compile("[0-9a-f]{64}")
# After one of these the seats were asked anew: a decision before it was not the last word.
_TURNS_BACK = frozenset({Action.SEND_BACK, Action.RESTART})


def barred(case: Case, city: CityRules) -> str:
    """Why no 持回り may be registered of this case, "" for nothing.

    With a 不同意 standing the decider has to weigh it themselves (AP-20): nobody says so for them.
    """
    if not city.walk_around_days:
        return "not_set"
    if not case.urgent:
        return "not_urgent"
    return "dissent" if case.dissented else ""


def register(
    case: Case,
    act: Act,
    decided_at: dt.datetime,
    evidence_sha256: str,
    who_decided: Callable[[], Signature],
    city: CityRules,
    deadlines: Deadlines,
) -> Outcome:
    """The case is decided, at the named moment; who had not acted gets a 後閲, the decider too.

    CASE_CLOSED, WALK_AROUND_NOT_ALLOWED, COMMENT_REQUIRED, INVALID_FIELDS, REGISTRATION_OVERDUE, and what `who_decided`
    raises. A substitute may have decided only what they may in the system (AP-12).
    """
    require_circulating(case)
    if why := barred(case, city):
        raise _not_allowed(why)
    require_comment(act.action, act.comment)
    _require_moment(case, decided_at, act.at, city, deadlines)
    if not _SHA256.fullmatch(evidence_sha256):
        raise invalid(FieldViolation("evidence_sha256", "MALFORMED" if evidence_sha256 else "REQUIRED"))
    decider, by = case.decider, who_decided()
    if by.post_id != decider.post_id and (why := no_substitution(case, city)):
        raise _not_allowed(why)
    made = Decision(
        act.decision_id,
        "",
        act.action,
        1,
        act.by,
        act.comment,
        act.at,
        act.version_digest,
        act.access_record,
        walk_around=WalkAround(by, decided_at, evidence_sha256),
    )
    change = Change(replace(case, decisions=(*case.decisions, made)))
    for step in case.line:
        if step.step_id != decider.step_id and step.state in OPEN | {StepState.WAITING}:
            change.set(replace(step, state=StepState.POSTVIEW_DUE))
            change.say(EventKind.CLOSED_STEP, step.step_id, act.action)
    change.set(replace(decider, state=StepState.REGISTERED, acted_at=decided_at, acted_for=by))
    change.case = replace(change.case, state=CaseState.DECIDED, decided_at=decided_at, decided_by=by.staff_id)
    change.say(EventKind.REGISTERED, decider.step_id, act.action)
    return change.done()


def _require_moment(
    case: Case, decided_at: dt.datetime, now: dt.datetime, city: CityRules, deadlines: Deadlines
) -> None:
    """Between the last time the seats were asked anew and now, at most so many opening days ago.

    Before the case was opened no version circulated that a decision could have been about; after a 差戻し, and after an
    act of the deciding seat itself, an earlier decision is not the last word.
    """
    asked = [d.acted_at for d in case.decisions if d.action in _TURNS_BACK or d.step_id == case.decider.step_id]
    if decided_at > now:
        raise invalid(FieldViolation("decided_at", "IN_FUTURE"))
    # People name minutes.
    if decided_at < max((case.opened_at, *asked)).replace(second=0, microsecond=0):
        raise invalid(FieldViolation("decided_at", "TOO_EARLY"))
    last = deadlines.last_day(decided_at, city.walk_around_days)
    if now.astimezone(JST).date() > last:
        raise DomainError(
            Kind.PRECONDITION, "REGISTRATION_OVERDUE", "too late", metadata={"last_day": last.isoformat()}
        )


def _not_allowed(why: str) -> DomainError:
    return DomainError(Kind.PRECONDITION, "WALK_AROUND_NOT_ALLOWED", why, metadata={"why": why})
