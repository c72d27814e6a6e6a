"""A version: the whole 専決規程 of one body, drafted by one person, activated by another, in force from its first day.

Pure. A rule of a version never changes; another text is another version, and a case keeps the one it was made by.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chassis.errors import DomainError, FieldViolation, Kind, invalid
from services.approvals.routes.domain import Rule

MAX_TITLE = 100
MAX_RULES = 5_000


class VersionState(enum.StrEnum):
    """Where a version is. Whether an activated one is in force is a question of the day."""

    DRAFT = "draft"
    ACTIVATED = "activated"
    DISCARDED = "discarded"


@dataclass(frozen=True)
class Version:
    """A version without its rules. In force from `valid_from` until the next activated one of its body."""

    rule_version_id: str
    body: str
    title: str
    valid_from: dt.date
    state: VersionState
    imported_by: str
    imported_at: dt.datetime
    # Who activated or discarded it last, and when.
    settled_by: str = ""
    settled_at: dt.datetime | None = None
    # Number of its last event.
    version: int = 1


@dataclass(frozen=True)
class Difference:
    """What a version would change: rules by id, each list in the order of ids."""

    added: tuple[Rule, ...]
    removed: tuple[Rule, ...]
    # (before, after)
    changed: tuple[tuple[Rule, Rule], ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def difference(before: Sequence[Rule], after: Sequence[Rule]) -> Difference:
    """From the rules in force to those of a version."""
    old, new = ({rule.rule_id: rule for rule in rules} for rules in (before, after))
    return Difference(
        added=tuple(new[rule_id] for rule_id in sorted(new.keys() - old.keys())),
        removed=tuple(old[rule_id] for rule_id in sorted(old.keys() - new.keys())),
        changed=tuple(
            (old[rule_id], new[rule_id]) for rule_id in sorted(old.keys() & new.keys()) if old[rule_id] != new[rule_id]
        ),
    )


def require_future(valid_from: dt.date, today: dt.date) -> None:
    """Nobody decides under rules of yesterday that did not exist then. INVALID_FIELDS; today is allowed."""
    if valid_from < today:
        raise invalid(FieldViolation("valid_from", "PAST"))


def activate(version: Version, blocking: int, by: str, now: dt.datetime) -> Version:
    """A reviewed draft becomes what holds from its first day on.

    `blocking`: how many findings of the check forbid it. RULES_SETTLED, SAME_PERSON, RULES_BLOCKED, and
    INVALID_FIELDS when its first day has passed meanwhile.
    """
    _require(version, VersionState.DRAFT)
    if by == version.imported_by:
        raise DomainError(Kind.DENIED, "SAME_PERSON", "somebody else than who imported it activates it")
    require_future(version.valid_from, now.date())
    if blocking:
        raise DomainError(
            Kind.PRECONDITION, "RULES_BLOCKED", "the check has findings", metadata={"findings": str(blocking)}
        )
    return _settled(version, VersionState.ACTIVATED, by, now)


def discard(version: Version, by: str, now: dt.datetime) -> Version:
    """A draft that is not wanted, or an activated version before its first day. RULES_SETTLED afterwards."""
    if version.state is VersionState.ACTIVATED and version.valid_from <= now.date():
        raise _wrong_state(version)
    _require(version, VersionState.DRAFT, VersionState.ACTIVATED)
    return _settled(version, VersionState.DISCARDED, by, now)


def supersede(version: Version, by: str, now: dt.datetime) -> Version:
    """A loaded file corrects the version of the same first day."""
    _require(version, VersionState.ACTIVATED)
    return _settled(version, VersionState.DISCARDED, by, now)


def _settled(version: Version, state: VersionState, by: str, now: dt.datetime) -> Version:
    return replace(version, state=state, settled_by=by, settled_at=now, version=version.version + 1)


def _require(version: Version, *states: VersionState) -> None:
    if version.state not in states:
        raise _wrong_state(version)


def _wrong_state(version: Version) -> DomainError:
    return DomainError(
        Kind.PRECONDITION, "RULES_SETTLED", f"the version is {version.state}", metadata={"state": version.state}
    )
