"""The organisation as of a day: posts with their holders, units, staff, absences, and how they are called.

Pure values; `[valid_from, valid_to)` everywhere. A post may be vacant or have several holders
(兼務, 事務取扱); who may act is always asked of the post as it is held on the day (AP-40).
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

# From the drafter upwards (AP-06). A member never approves.
LINE = ("chief", "deputy_head", "head", "deputy_director", "director", "vice_mayor", "body_head")
RANKS = ("member", *LINE)
# 課長 (室長, 所長), the 所属長.
HEAD = "head"
DECISION_CLASSES = LINE[2:]
BODIES = (
    "mayor",
    "education",
    "fire",
    "water",
    "boatrace",
    "hospital",
    "council",
    "election",
    "audit_commission",
    "equity",
    "agriculture",
    "assessment",
)
# Every staff member is a clerk; the others are given by date.
CLERK = "clerk"
RECORDS_MANAGER, SYSTEM_ADMIN = "records_manager", "system_admin"
ROLES = ("records_officer", RECORDS_MANAGER, "audit_officer", SYSTEM_ADMIN)


class AppointmentKind(enum.StrEnum):
    """How somebody holds a post."""

    MAIN = "main"
    # 兼務
    CONCURRENT = "concurrent"
    # 事務取扱, 職務代理 (AP-19)
    ACTING = "acting"


class AbsenceReason(enum.StrEnum):
    """Why somebody is away."""

    BUSINESS_TRIP = "business_trip"
    LEAVE = "leave"
    SICK = "sick"
    TRAINING = "training"
    OTHER = "other"


@dataclass(frozen=True)
class Holder:
    """Somebody who holds a post on the day."""

    staff_id: str
    name: str
    kind: AppointmentKind
    # A registered absence covers this moment (AP-14).
    absent: bool = False


@dataclass(frozen=True)
class Seat:
    """A post on a day, with its holders: main first, then acting, then concurrent."""

    post_id: str
    title: str
    rank: str
    unit_id: str
    unit_name: str
    covers: tuple[str, ...] = ()
    holders: tuple[Holder, ...] = ()
    # Place of the unit in 事務分掌規則.
    unit_order: int = 0

    @property
    def absent(self) -> bool:
        """Held, and nobody who holds it is there. A vacant post is not 不在 (section 2 of the glossary)."""
        return bool(self.holders) and all(holder.absent for holder in self.holders)

    @property
    def holder(self) -> Holder | None:
        """The one to show: the first who is there, else the first."""
        return next((holder for holder in self.holders if not holder.absent), next(iter(self.holders), None))

    def held_by(self, staff_id: str) -> Holder | None:
        """The holder of that id, None when they do not hold it today."""
        return next((holder for holder in self.holders if holder.staff_id == staff_id), None)


@dataclass(frozen=True)
class HeldPost:
    """A post somebody holds on a day."""

    post_id: str
    unit_id: str
    title: str
    unit_name: str
    kind: AppointmentKind
    rank: str


@dataclass(frozen=True)
class Actor:
    """A staff member on a day, as the gateway signs them."""

    staff_id: str
    name: str
    kana: str
    posts: tuple[HeldPost, ...]
    roles: tuple[str, ...]
    # What they are by whom they are beside on the day: `Chart.principals`.
    beside: tuple[str, ...] = ()

    @property
    def principals(self) -> tuple[str, ...]:
        """`staff:…`; `post:…` and `unit:…` of the posts held (AC-05); of each unit also `member:staff@unit`, who is somebody
        only while they belong to it, and for its 文書管理責任者 `manager:unit`; then those of `beside` (AC-02)."""
        units = list(dict.fromkeys(post.unit_id for post in self.posts))
        manages = RECORDS_MANAGER in self.roles
        return (
            f"staff:{self.staff_id}",
            *(f"post:{post.post_id}" for post in self.posts),
            *(f"unit:{unit}" for unit in units),
            *(f"member:{self.staff_id}@{unit}" for unit in units),
            *(f"manager:{unit}" for unit in units if manages),
            *self.beside,
        )


@dataclass(frozen=True)
class Unit:
    """A unit in one span of its validity; `valid_to` None is open."""

    unit_id: str
    parent_id: str
    body: str
    name: str
    kana: str
    symbol: str
    valid_from: dt.date
    valid_to: dt.date | None


@dataclass(frozen=True)
class StaffMember:
    """Somebody in a list of colleagues."""

    staff_id: str
    name: str
    kana: str
    absent: bool
    posts: tuple[HeldPost, ...] = field(default_factory=tuple)


@dataclass(frozen=True)
class Tenure:
    """One person in one post, under one name of the post and its unit; `until` None while it lasts."""

    staff_id: str
    # As they were called when it began.
    name: str
    post_id: str
    title: str
    unit_id: str
    unit_name: str
    kind: AppointmentKind
    since: dt.date
    until: dt.date | None


@dataclass(frozen=True)
class Absence:
    """不在: `[from_at, to_at)`. Called off when both are equal."""

    absence_id: str
    staff_id: str
    from_at: dt.datetime
    to_at: dt.datetime
    reason_code: AbsenceReason
    registered_by: str


@dataclass(frozen=True)
class Presence:
    """Somebody in a span of days: when on the staff, `[from, to)` by day, and when registered as absent, by moment."""

    staff_id: str
    # Of the last main post in the span; "" without one.
    unit_id: str
    employed: tuple[tuple[dt.date, dt.date], ...]
    absent: tuple[tuple[dt.datetime, dt.datetime], ...]


def ended(absence: Absence, now: dt.datetime) -> Absence:
    """The absence when it ends now; one that has not begun is called off."""
    return Absence(
        absence.absence_id,
        absence.staff_id,
        absence.from_at,
        max(absence.from_at, min(absence.to_at, now)),
        absence.reason_code,
        absence.registered_by,
    )


def department(units: Sequence[Unit], seats: Sequence[Seat]) -> str:
    """The 部 of a unit, from the unit and its ancestors, nearest first: the nearest with a 部長, else the unit itself."""
    directed = {seat.unit_id for seat in seats if seat.rank == "director"}
    return next((unit.unit_id for unit in units if unit.unit_id in directed), units[0].unit_id if units else "")


def post_label(unit_name: str, title: str) -> str:
    """「環境政策室」 + 「室長」 → 「環境政策室長」; 「環境政策室」 + 「担当主査」 → 「環境政策室担当主査」."""
    if unit_name and title and unit_name[-1] == title[0]:
        return unit_name + title[1:]
    return unit_name + title
