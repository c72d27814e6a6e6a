"""The organisation as of a day: posts with their holders, units, staff, absences, and how they are called.

Pure values; `[valid_from, valid_to)` everywhere. A post may be vacant or have several holders
(兼務, 職務代理); who may act is always asked of the post as it is held on the day (AP-40).
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
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

    # 本務
    MAIN = "main"
    # 兼務: a further post of the same 執行機関.
    CONCURRENT = "concurrent"
    # 併任: a post of another one.
    JOINT = "joint"
    # 職務代理: in place of a holder who is missing or hindered (AP-19).
    DEPUTIZING = "deputizing"
    # 事務取扱: a higher post does a lower one too (AP-19).
    ACTING = "acting"


# What stands between the two posts of who signs so (AP-19). Such a holder may stand beside the regular one.
IN_PLACE: Mapping[AppointmentKind, str] = {AppointmentKind.DEPUTIZING: "職務代理者", AppointmentKind.ACTING: "事務取扱"}


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
    # How their main post is called, where they sign with it (AP-19).
    own_post: str = ""


@dataclass(frozen=True)
class Seat:
    """A post on a day, with its holders: a 職務代理者 first, for then the main one is hindered, then main and the others."""

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

    def signed_by(self, holder: Holder) -> str:
        """As what this holder acts from it (AP-19)."""
        return signing_title(holder.kind, self.title, called(self.unit_name, self.title, self.rank), holder.own_post)

    @property
    def shown_title(self) -> str:
        """As what the one to show would act; the title of a vacant post."""
        return self.signed_by(self.holder) if self.holder else self.title


@dataclass(frozen=True)
class HeldPost:
    """A post somebody holds on a day."""

    post_id: str
    unit_id: str
    title: str
    unit_name: str
    kind: AppointmentKind
    rank: str

    @property
    def called(self) -> str:
        """「総務課長」."""
        return called(self.unit_name, self.title, self.rank)


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
        only while they belong to it, and for its 文書管理責任者 `manager:unit`; then those of `beside` (AC-02), among them
        `manager:unit` of the 係 below."""
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


def signing_title(kind: AppointmentKind, title: str, post: str, own_post: str) -> str:
    """As what somebody acts from a post (AP-19): its `title`, also by 兼務 and 併任.

    「市長職務代理者副市長」, 「総務課長事務取扱総務部長」: `post` and `own_post`, their main one, as they are `called`.
    """
    return f"{post}{IN_PLACE[kind]}{own_post}" if kind in IN_PLACE else title


def signing_titles(posts: Sequence[HeldPost]) -> list[str]:
    """As what a person acts from each of their posts."""
    own = next((post.called for post in posts if post.kind is AppointmentKind.MAIN), "")
    return [signing_title(post.kind, post.title, post.called, own) for post in posts]


def called(unit_name: str, title: str, rank: str) -> str:
    """A post as it is called outside its unit: 「総務課長」; at the top of a body the title says it: 「副市長」."""
    return title if rank in ("vice_mayor", "body_head") else post_label(unit_name, title)


def post_label(unit_name: str, title: str) -> str:
    """「環境政策室」 + 「室長」 → 「環境政策室長」; + 「担当主査」 → 「環境政策室担当主査」; + 「環境政策室長事務取扱市民部長」 → that."""
    if title.startswith(unit_name):
        return title
    if unit_name and title and unit_name[-1] == title[0]:
        return unit_name + title[1:]
    return unit_name + title
