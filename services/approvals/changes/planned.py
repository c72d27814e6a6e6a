"""A planned set of changes and its life: draft → reviewed → applied at midnight, or undone until then.

One of today or of an earlier day (遡及) is applied by its review; it is of people and posts only. Pure. The organisation is
written when the set is applied and not before, so undoing one changes no row.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chassis.errors import DomainError, FieldViolation, Kind, invalid
from chassis.wareki import fiscal_year
from services.approvals.changes.domain import MAX_TEXT, Change, ChangeKind, Finding

MAX_CHANGES = 5000
# What a unit owns goes with it from a day on (RT-10, NB-10), and cannot have gone yesterday.
_OF_UNITS = (ChangeKind.UNIT_BEGINS, ChangeKind.UNIT_CHANGES, ChangeKind.UNIT_ENDS, ChangeKind.UNIT_SHARES)


class SetState(enum.StrEnum):
    """Draft → reviewed → applied; undone until then; refused when the organisation had moved meanwhile."""

    DRAFT = "draft"
    REVIEWED = "reviewed"
    APPLIED = "applied"
    UNDONE = "undone"
    REFUSED = "refused"


@dataclass(frozen=True)
class ChangeSet:
    """A planned set, with who did what to it."""

    change_set_id: str
    title: str
    effective_on: dt.date
    state: SetState
    changes: tuple[Change, ...]
    author: str
    drafted_at: dt.datetime
    reviewed_by: str = ""
    reviewed_at: dt.datetime | None = None
    closed_by: str = ""
    closed_at: dt.datetime | None = None
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    version: int = 1
    # Why it is entered after its day (遡及, AC-06).
    late_reason: str = ""


def require_plan(
    title: str, effective_on: dt.date, changes: Sequence[Change], late_reason: str, today: dt.date
) -> None:
    """INVALID_FIELDS: without title, of an earlier day without the reason (AC-06), and what `require_changes` refuses."""
    problems: list[FieldViolation] = []
    if not title.strip():
        problems.append(FieldViolation("title", "REQUIRED"))
    if len(title) > MAX_TEXT:
        problems.append(FieldViolation("title", "TOO_LONG"))
    if effective_on < today and not late_reason.strip():
        problems.append(FieldViolation("late_reason", "REQUIRED"))
    if len(late_reason) > MAX_TEXT:
        problems.append(FieldViolation("late_reason", "TOO_LONG"))
    problems += _problems(effective_on, changes, today)
    if problems:
        raise invalid(*problems)


def require_changes(effective_on: dt.date, changes: Sequence[Change], today: dt.date) -> None:
    """INVALID_FIELDS: before the last fiscal year; with changes of units, not ahead; empty or too long."""
    problems = _problems(effective_on, changes, today)
    if problems:
        raise invalid(*problems)


def _problems(effective_on: dt.date, changes: Sequence[Change], today: dt.date) -> list[FieldViolation]:
    problems: list[FieldViolation] = []
    if effective_on < earliest(today):
        problems.append(FieldViolation("effective_on", "TOO_LONG_AGO"))
    if effective_on <= today and _of_units(changes):
        problems.append(FieldViolation("effective_on", "UNITS_AHEAD"))
    if not changes:
        problems.append(FieldViolation("changes", "REQUIRED"))
    if len(changes) > MAX_CHANGES:
        problems.append(FieldViolation("changes", "TOO_MANY"))
    return problems


def earliest(today: dt.date) -> dt.date:
    """The first day that can be entered late: the first of April of the last fiscal year."""
    return dt.date(fiscal_year(today) - 1, 4, 1)


def in_time(planned: ChangeSet, today: dt.date) -> bool:
    """Whether it can still take effect: its day is ahead, or it is of people and posts, and of today or entered late."""
    if planned.effective_on > today:
        return True
    late = bool(planned.late_reason) and planned.effective_on >= earliest(today)
    return not _of_units(planned.changes) and (planned.effective_on == today or late)


def _of_units(changes: Sequence[Change]) -> bool:
    return any(change.kind in _OF_UNITS for change in changes)


def reviewed(planned: ChangeSet, by: str, findings: Sequence[Finding], now: dt.datetime) -> ChangeSet:
    """Another person has looked at it. CHANGE_SET_STATE, OWN_CHANGES, DAY_BEGUN, CHANGES_REFUSED with the findings."""
    _require_state(planned, SetState.DRAFT)
    if by == planned.author:
        raise DomainError(Kind.DENIED, "OWN_CHANGES", "the author does not review")
    if not in_time(planned, now.date()):
        raise _begun()
    if findings:
        raise DomainError(
            Kind.PRECONDITION,
            "CHANGES_REFUSED",
            "the changes do not fit the organisation",
            [FieldViolation(f"changes.{finding.place}", finding.problem) for finding in findings],
        )
    return replace(planned, state=SetState.REVIEWED, reviewed_by=by, reviewed_at=now, version=planned.version + 1)


def undone(planned: ChangeSet, by: str, reason: str, now: dt.datetime) -> ChangeSet:
    """Called off, until midnight. CHANGE_SET_STATE, DAY_BEGUN, COMMENT_REQUIRED."""
    _require_state(planned, SetState.DRAFT, SetState.REVIEWED)
    if planned.state is SetState.REVIEWED and planned.effective_on <= now.date():
        raise _begun()
    if not reason.strip():
        raise DomainError(Kind.INVALID, "COMMENT_REQUIRED", "a reason is needed")
    if len(reason) > MAX_TEXT:
        raise invalid(FieldViolation("reason", "TOO_LONG"))
    return replace(
        planned, state=SetState.UNDONE, closed_by=by, closed_at=now, reason=reason, version=planned.version + 1
    )


def closed(planned: ChangeSet, findings: Sequence[Finding], now: dt.datetime) -> ChangeSet:
    """Applied, or refused when there are findings. CHANGE_SET_STATE."""
    _require_state(planned, SetState.REVIEWED)
    state = SetState.REFUSED if findings else SetState.APPLIED
    return replace(planned, state=state, closed_at=now, findings=tuple(findings), version=planned.version + 1)


def _require_state(planned: ChangeSet, *states: SetState) -> None:
    if planned.state not in states:
        raise DomainError(
            Kind.PRECONDITION, "CHANGE_SET_STATE", f"the set is {planned.state}", metadata={"state": planned.state}
        )


def _begun() -> DomainError:
    return DomainError(Kind.PRECONDITION, "DAY_BEGUN", "its day has begun")
