"""Who may see a review and write about it: audit officers, and the person a finding was assigned to (SC-06, SC-07)."""

from __future__ import annotations

from chassis.errors import DomainError, Kind, not_found
from chassis.identity import Identity
from services.audit.policy import AUDIT_OFFICER


def is_officer(reader: Identity) -> bool:
    """Whether the reader reviews the log."""
    return reader.has_role(AUDIT_OFFICER)


def require_officer(reader: Identity) -> None:
    """For everybody else there are no reviews: NOT_FOUND, as if there were none."""
    if not is_officer(reader):
        raise not_found()


def may_see(reader: Identity, assignee_id: str, unit_id: str) -> bool:
    """A finding: officers; and whoever it was assigned to, if it is of one of the person's own units today."""
    return is_officer(reader) or (bool(assignee_id) and assignee_id == reader.staff_id and unit_id in reader.units)


def require_not_oneself(reader: Identity, subject_id: str) -> None:
    """Nobody judges what was found about oneself: NOT_PERMITTED."""
    if subject_id and subject_id == reader.staff_id:
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", "nobody judges a finding about oneself")
