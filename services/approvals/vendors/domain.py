"""保守業者: accounts of vendors, which open only for a confirmed span of time (AC-09). Pure.

A vendor is no member of the staff. It holds no post and has no principal, so that no document is ever for it; its one
role is to keep users and plans, never the records office's or the audit officer's. Two persons of the staff open it.
"""

from __future__ import annotations

import datetime as dt
import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from chassis.errors import DomainError, FieldViolation, Kind, invalid

PREFIX = "vendor:"
# Its one role: accounts and planned changes of the organisation, which another person reviews.
ROLE = "maintainer"
# Between two windows of an account; what is nearer would be one window longer than the city allows.
APART = dt.timedelta(hours=1)
# A span further ahead is a mistake in the date.
AHEAD = dt.timedelta(days=31)
MAX_TEXT = 200
_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
# It stands in the log, which holds identifiers and no words.
_TICKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/#-]{0,39}")


class State(enum.StrEnum):
    """Where a window is at a moment."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    OPEN = "open"
    OVER = "over"


@dataclass(frozen=True)
class Vendor:
    """An account; shut unless one of its windows is open."""

    vendor_id: str
    login: str
    full_name: str
    company: str
    registered_by: str
    registered_at: dt.datetime


@dataclass(frozen=True)
class Window:
    """保守時間枠 `[opens_at, closes_at)`: asked for by one person, confirmed by another."""

    window_id: str
    vendor_id: str
    opens_at: dt.datetime
    closes_at: dt.datetime
    reason: str
    ticket: str
    requested_by: str
    requested_at: dt.datetime
    confirmed_by: str = ""
    confirmed_at: dt.datetime | None = None
    ended_by: str = ""
    ended_at: dt.datetime | None = None
    version: int = 1

    def state(self, now: dt.datetime) -> State:
        """At the moment; a window that nobody confirmed in time is over, too."""
        if self.ended_at is not None or self.closes_at <= now:
            return State.OVER
        if self.confirmed_at is None:
            return State.REQUESTED
        return State.CONFIRMED if now < self.opens_at else State.OPEN

    def allowed(self, staff_id: str, now: dt.datetime) -> tuple[str, ...]:
        """What somebody who may look after windows may do with this one."""
        state = self.state(now)
        confirms = state is State.REQUESTED and staff_id != self.requested_by
        return (*(("confirm",) if confirms else ()), *(("end",) if state is not State.OVER else ()))


def is_vendor(staff_id: str) -> bool:
    """Whether an id of the log is a vendor's."""
    return staff_id.startswith(PREFIX)


def registered(number: str, login: str, full_name: str, company: str, by: str, now: dt.datetime) -> Vendor:
    """A new account, shut. INVALID_FIELDS."""
    problems = [] if _NUMBER.fullmatch(number) else [FieldViolation("number", "MALFORMED" if number else "REQUIRED")]
    problems += _texts(login=login, full_name=full_name, company=company)
    if problems:
        raise invalid(*problems)
    return Vendor(PREFIX + number, login.strip(), full_name.strip(), company.strip(), by, now)


def requested(window: Window, others: Iterable[Window], longest: dt.timedelta, now: dt.datetime) -> Window:
    """The window as asked for. INVALID_FIELDS: what is missing, a span that is over, too long or too far ahead, and one
    that is nearer than an hour to another of the account."""
    problems = _texts(reason=window.reason)
    if not _TICKET.fullmatch(window.ticket):
        problems.append(FieldViolation("ticket", "MALFORMED" if window.ticket else "REQUIRED"))
    if window.closes_at <= window.opens_at:
        problems.append(FieldViolation("closes_at", "NOT_AFTER_FROM"))
    elif window.closes_at <= now:
        problems.append(FieldViolation("closes_at", "PAST"))
    elif window.closes_at - window.opens_at > longest:
        problems.append(FieldViolation("closes_at", "WINDOW_TOO_LONG"))
    elif window.opens_at - now > AHEAD:
        problems.append(FieldViolation("opens_at", "OUT_OF_RANGE"))
    elif any(_near(window, other) for other in others):
        problems.append(FieldViolation("opens_at", "WINDOW_TOO_NEAR"))
    if problems:
        raise invalid(*problems)
    return replace(window, reason=window.reason.strip())


def confirmed(window: Window, by: str, now: dt.datetime) -> Window:
    """By another person than who asked. OWN_WINDOW, WINDOW_STATE."""
    if by == window.requested_by:
        raise DomainError(Kind.DENIED, "OWN_WINDOW", "who asked for it does not confirm it")
    _require(window, now, State.REQUESTED)
    return replace(window, confirmed_by=by, confirmed_at=now, version=window.version + 1)


def ended(window: Window, by: str, now: dt.datetime) -> Window:
    """It ends now; one that has not begun is called off and never was open. WINDOW_STATE."""
    _require(window, now, State.REQUESTED, State.CONFIRMED, State.OPEN)
    closes_at = max(window.opens_at, min(window.closes_at, now))
    return replace(window, closes_at=closes_at, ended_by=by, ended_at=now, version=window.version + 1)


def run_out(window: Window, by: str, now: dt.datetime) -> Window:
    """Its time is up: noted by the service, for the log. It was shut from `closes_at` on."""
    return replace(window, ended_by=by, ended_at=now, version=window.version + 1)


def _near(window: Window, other: Window) -> bool:
    """Whether the two are less than APART from each other; what was called off never was."""
    return (
        other.opens_at < other.closes_at
        and window.opens_at < other.closes_at + APART
        and other.opens_at < window.closes_at + APART
    )


def _require(window: Window, now: dt.datetime, *states: State) -> None:
    state = window.state(now)
    if state not in states:
        raise DomainError(Kind.PRECONDITION, "WINDOW_STATE", f"the window is {state}", metadata={"state": state})


def _texts(**texts: str) -> list[FieldViolation]:
    def problem(text: str) -> str:
        return "REQUIRED" if not text.strip() else "TOO_LONG" if len(text) > MAX_TEXT else ""

    return [FieldViolation(name, found) for name, text in texts.items() if (found := problem(text))]


def by_vendor(windows: Sequence[Window]) -> dict[str, list[Window]]:
    """Windows of each account, in the order given."""
    found: dict[str, list[Window]] = {}
    for window in windows:
        found.setdefault(window.vendor_id, []).append(window)
    return found
