"""引継ぎ: who may give whose document to whom (AC-16, AP-42). Pure; the organisation is what approvals attests."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from chassis.errors import DomainError, FieldViolation, Kind, invalid, not_found
from services.documents.domain import (
    MAX_NOTE,
    Document,
    Fact,
    State,
    text_violations,
    wrong_state,
)
from services.documents.policy import not_permitted

# In which somebody still has something to do with it.
OPEN = frozenset({State.DRAFTING, State.CIRCULATING, State.SENT_BACK, State.DECIDED, State.ENFORCED})
# An attestation is asked for with each request; longer than this nobody needs it.
LIFETIME = dt.timedelta(seconds=60)
# Clocks of one cluster differ by less than this.
_LEEWAY = dt.timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Attested:
    """Who heads a unit and who belongs to it, as approvals signed it."""

    tenant: str
    unit_id: str
    heads: frozenset[str]
    members: frozenset[str]
    at: dt.datetime


def check_attested(attested: Attested, tenant: str, now: dt.datetime) -> None:
    """MEMBERSHIP_UNPROVEN for another municipality's, an old or a future one."""
    if attested.tenant != tenant or not now - LIFETIME - _LEEWAY <= attested.at <= now + _LEEWAY:
        raise unproven("of another tenant or moment")


def unproven(message: str) -> DomainError:
    """No good word of approvals about the members."""
    return DomainError(Kind.PRECONDITION, "MEMBERSHIP_UNPROVEN", message)


def check_head(attested: Attested, staff_id: str) -> None:
    """NOT_PERMITTED for everybody but the 所属長."""
    if staff_id not in attested.heads:
        raise not_permitted("only the head of the unit may do this")


def check_may_assign(document: Document, attested: Attested, staff_id: str, *, visible: bool) -> None:
    """The 所属長 of the owner unit, when whose document it is has left the unit; or passing on what is their own.

    NOT_FOUND instead of a reason where the document is not for them to see: a colleague's draft stays theirs (AC-03).
    """
    if attested.unit_id != document.unit_id or staff_id not in attested.heads:
        raise not_permitted("only the head of the owner unit may do this") if visible else not_found()
    if document.in_charge in attested.members and document.in_charge != staff_id:
        if not visible:
            raise not_found()
        raise DomainError(Kind.PRECONDITION, "STILL_IN_CHARGE", "whose document it is belongs to the unit")


def assign(
    document: Document, assignee: str, attested: Attested, reason: str, now: dt.datetime
) -> tuple[Document, list[Fact]]:
    """Another 担当者, a member of the owner unit, with a reason; the drafter stays as they were."""
    if document.state not in OPEN:
        raise wrong_state(document)
    found = text_violations([("reason", reason, MAX_NOTE, True)])
    if not reason.strip():
        found.append(FieldViolation("reason", "REQUIRED"))
    if assignee not in attested.members:
        found.append(FieldViolation("assignee", "UNKNOWN" if assignee else "REQUIRED"))
    elif assignee == document.in_charge:
        found.append(FieldViolation("assignee", "NOT_ALLOWED"))
    if found:
        raise invalid(*found)
    values = {"document_id": document.document_id, "assignee": assignee, "previous": document.in_charge}
    detail = {"assignee": assignee, "previous": document.in_charge}
    made = replace(document, assignee=assignee, version=document.version + 1, updated_at=now)
    return made, [Fact("DocumentAssigned", "document.assigned", values, detail)]
