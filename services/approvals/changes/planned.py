"""A planned set of changes and its life: draft → reviewed → applied at midnight, or undone until then.

Pure. The organisation is written when the set is applied and not before, so undoing one changes no row.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chassis.errors import DomainError, FieldViolation, Kind, invalid
from services.approvals.changes.domain import MAX_TEXT, Change, Finding

MAX_CHANGES = 5000


class SetState(enum.StrEnum):
    """Draft → reviewed → applied; undone until midnight; refused when the organisation had moved meanwhile."""

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


def require_plan(title: str, effective_on: dt.date, changes: Sequence[Change], today: dt.date) -> None:
    """INVALID_FIELDS: without title, for a day that is not ahead, empty or too long."""
    problems: list[FieldViolation] = []
    if not title.strip():
        problems.append(FieldViolation("title", "REQUIRED"))
    if len(title) > MAX_TEXT:
        problems.append(FieldViolation("title", "TOO_LONG"))
    if effective_on <= today:
        problems.append(FieldViolation("effective_on", "PAST"))
    if not changes:
        problems.append(FieldViolation("changes", "REQUIRED"))
    if len(changes) > MAX_CHANGES:
        problems.append(FieldViolation("changes", "TOO_MANY"))
    if problems:
        raise invalid(*problems)


def reviewed(planned: ChangeSet, by: str, findings: Sequence[Finding], now: dt.datetime) -> ChangeSet:
    """Another person has looked at it. CHANGE_SET_STATE, OWN_CHANGES, DAY_BEGUN, CHANGES_REFUSED with the findings."""
    _require_state(planned, SetState.DRAFT)
    if by == planned.author:
        raise DomainError(Kind.DENIED, "OWN_CHANGES", "the author does not review")
    _require_ahead(planned, now)
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
    if planned.state is SetState.REVIEWED:
        _require_ahead(planned, now)
    if not reason.strip():
        raise DomainError(Kind.INVALID, "COMMENT_REQUIRED", "a reason is needed")
    if len(reason) > MAX_TEXT:
        raise invalid(FieldViolation("reason", "TOO_LONG"))
    return replace(
        planned, state=SetState.UNDONE, closed_by=by, closed_at=now, reason=reason, version=planned.version + 1
    )


def closed(planned: ChangeSet, findings: Sequence[Finding], now: dt.datetime) -> ChangeSet:
    """Midnight: applied, or refused when there are findings. CHANGE_SET_STATE."""
    _require_state(planned, SetState.REVIEWED)
    state = SetState.REFUSED if findings else SetState.APPLIED
    return replace(planned, state=state, closed_at=now, findings=tuple(findings), version=planned.version + 1)


def _require_state(planned: ChangeSet, *states: SetState) -> None:
    if planned.state not in states:
        raise DomainError(
            Kind.PRECONDITION, "CHANGE_SET_STATE", f"the set is {planned.state}", metadata={"state": planned.state}
        )


def _require_ahead(planned: ChangeSet, now: dt.datetime) -> None:
    if planned.effective_on <= now.date():
        raise DomainError(Kind.PRECONDITION, "DAY_BEGUN", "its day has begun")
