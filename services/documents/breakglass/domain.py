"""緊急閲覧 (break-glass, AC-08): one document, one person, some hours, two persons' word. Pure.

What is named is looked up at the consent and no sooner, and nothing that the two are told depends on what was found: for a
document that does not exist everything goes the same way, and only reading it shows that there is nothing (AC-03).
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from chassis.errors import DomainError, FieldViolation, Kind, invalid
from services.documents import textkey, textrules
from services.documents.domain import Fact, text_violations
from services.documents.policy import not_permitted

# Who may ask, in the order in which one of several roles is taken; and who may consent.
ASKING: Final = ("system_admin", "records_officer", "audit_officer")
CONSENTING: Final = frozenset({"records_officer", "audit_officer"})
# Unanswered for so long a request lapses.
LAPSES: Final = dt.timedelta(hours=24)
# Beyond this no city may let one be open (⚙ below it); the database says so too.
MOST_HOURS: Final = 24
MAX_NAMED, MAX_REASON = 100, 1000
# What each step is called in the log.
ACTIONS: Final = {
    "BreakGlassRequested": "break_glass.requested",
    "BreakGlassConsented": "break_glass.consented",
    "BreakGlassEnded": "break_glass.ended",
}


class State(enum.StrEnum):
    """Where a request is at a moment."""

    REQUESTED = "requested"
    OPEN = "open"
    # Nobody consented in time, or who asked took it back.
    LAPSED = "lapsed"
    OVER = "over"


@dataclass(frozen=True)
class Found:
    """The document that a consent opens: what the notice and the log name it by."""

    document_id: str = ""
    draft_number: str = ""
    unit_id: str = ""


@dataclass(frozen=True)
class BreakGlass:
    """A request and what became of it; open in [consented_at, ends_at)."""

    break_glass_id: str
    named: str
    reason: str
    hours: int
    requested_by: str
    # The role it was asked from.
    requested_as: str
    requested_at: dt.datetime
    # Until when it waits for consent; after that, until when it is open.
    ends_at: dt.datetime
    consented_by: str = ""
    consented_as: str = ""
    consented_at: dt.datetime | None = None
    # "" before the consent, and when there is no such document.
    document_id: str = ""
    ended_by: str = ""
    ended_at: dt.datetime | None = None
    version: int = 1

    @property
    def principal(self) -> str:
        """Whom it is for: the one person."""
        return f"staff:{self.requested_by}"

    def is_of(self, staff_id: str) -> bool:
        """Is it one of the two persons?"""
        return staff_id in (self.requested_by, self.consented_by)

    def state(self, now: dt.datetime) -> State:
        """At the moment."""
        done = self.ended_at is not None or self.ends_at <= now
        if self.consented_at is None:
            return State.LAPSED if done else State.REQUESTED
        return State.OVER if done else State.OPEN

    def allowed(self, staff_id: str, roles: Collection[str], now: dt.datetime, *, head: bool = False) -> list[str]:
        """What somebody may do with it; `head`: the 所属長 of the owner unit."""
        state = self.state(now)
        may = []
        if state is State.REQUESTED and staff_id != self.requested_by and consenting_role(self, roles):
            may.append("consent")
        may_end = {State.REQUESTED: staff_id == self.requested_by, State.OPEN: head or self.is_of(staff_id)}
        if may_end.get(state):
            may.append("end")
        return may


def asking_role(roles: Collection[str]) -> str:
    """The role somebody asks from. NOT_PERMITTED to everybody else, and so to vendors (AC-09)."""
    for role in ASKING:
        if role in roles:
            return role
    raise not_permitted("break-glass is for administrators, the records office and audit officers")


def check_consents(roles: Collection[str]) -> None:
    """NOT_PERMITTED to everybody but the records office and audit officers."""
    if not CONSENTING.intersection(roles):
        raise not_permitted("the records office or an audit officer consents")


def consenting_role(request: BreakGlass, roles: Collection[str]) -> str:
    """The role that consents: another than it was asked from, so that no one office does both; "" for none."""
    return next(iter(sorted(CONSENTING.intersection(roles) - {request.requested_as})), "")


def requested(request: BreakGlass, most_hours: int) -> BreakGlass:
    """As asked for. INVALID_FIELDS."""
    found = text_violations([("named", request.named, MAX_NAMED, False), ("reason", request.reason, MAX_REASON, True)])
    found += [FieldViolation(name, "REQUIRED") for name in ("named", "reason") if not getattr(request, name).strip()]
    if not 1 <= request.hours <= most_hours:
        found.append(FieldViolation("hours", "OUT_OF_RANGE"))
    if found:
        raise invalid(*found)
    return replace(request, named=_as_kept(request.named), reason=request.reason.strip())


def consented(request: BreakGlass, by: str, roles: Collection[str], document_id: str, now: dt.datetime) -> BreakGlass:
    """By another person, from another role; the span begins. OWN_BREAK_GLASS, SAME_ROLE, BREAK_GLASS_STATE."""
    if by == request.requested_by:
        raise DomainError(Kind.DENIED, "OWN_BREAK_GLASS", "who asked for it does not consent to it")
    role = consenting_role(request, roles)
    if not role:
        raise DomainError(Kind.DENIED, "SAME_ROLE", "it was asked for from this role; another one consents")
    _require(request, now, State.REQUESTED)
    return replace(
        request,
        consented_by=by,
        consented_as=role,
        consented_at=now,
        document_id=document_id,
        ends_at=now + dt.timedelta(hours=request.hours),
        version=request.version + 1,
    )


def ended(request: BreakGlass, by: str, now: dt.datetime, *, head: bool) -> BreakGlass:
    """Over now, by one of the two or the 所属長. NOT_PERMITTED, BREAK_GLASS_STATE."""
    if not (head or request.is_of(by)):
        raise not_permitted("the two persons or the head of the owner unit end it")
    _require(request, now, State.REQUESTED, State.OPEN)
    return run_out(request, by, now)


def run_out(request: BreakGlass, by: str, now: dt.datetime) -> BreakGlass:
    """Noted as over; when its time is up the clock has shut it before."""
    return replace(request, ended_by=by, ended_at=now, version=request.version + 1)


def fact(name: str, request: BreakGlass, found: Found) -> Fact:
    """A step for the log: who, whose consent, until when, and what was opened; never the reason, nor what was typed."""
    detail: Mapping[str, str] = {
        "about": request.break_glass_id,
        "staff_id": request.requested_by,
        "consented_by": request.consented_by,
        "to": request.ends_at.isoformat() if request.consented_at else "",
        "document_id": found.document_id,
    }
    values = {"break_glass_id": request.break_glass_id}
    if name != "BreakGlassRequested":
        values |= {"document_id": found.document_id, "draft_number": found.draft_number, "unit_id": found.unit_id}
    kept = {key: value for key, value in detail.items() if value}
    return Fact(name, ACTIONS[name], values, kept)


def _as_kept(named: str) -> str:
    """An id, or a number as it is written in its register."""
    return named.strip().lower() if textrules.is_uuid(named.strip().lower()) else textkey.number(named)


def _require(request: BreakGlass, now: dt.datetime, *states: State) -> None:
    state = request.state(now)
    if state not in states:
        raise DomainError(Kind.PRECONDITION, "BREAK_GLASS_STATE", f"it is {state}", metadata={"state": state})
