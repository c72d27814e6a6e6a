"""A planned set of changes for one day: what it makes of the organisation, and what is wrong with it.

Pure. `after` is the one meaning of a change: previews, findings and the rows that are written at midnight are all
differences between the organisation before and after.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from services.approvals.organisation.domain import BODIES, IN_PLACE, RANKS, ROLES, AppointmentKind
from services.approvals.vendors.domain import PREFIX as VENDOR

MAX_TEXT = 200
# 代決順位 of any city end long before.
MAX_PLACE = 99

_K = TypeVar("_K")
_R = TypeVar("_R")


class ChangeKind(enum.StrEnum):
    """What happens on the day. Merge, split and abolition are combinations of these."""

    UNIT_BEGINS = "unit_begins"
    # 改称, 所管替え: the same unit under another name or parent.
    UNIT_CHANGES = "unit_changes"
    UNIT_ENDS = "unit_ends"
    # Of a unit that ends in the set: what of its things goes to another successor than the rest (RT-10).
    UNIT_SHARES = "unit_shares"
    POST_BEGINS = "post_begins"
    POST_CHANGES = "post_changes"
    POST_ENDS = "post_ends"
    STAFF_BEGINS = "staff_begins"
    STAFF_CHANGES = "staff_changes"
    # 退職: every post and role of the person ends with it (AC-16).
    STAFF_ENDS = "staff_ends"
    APPOINTMENT_BEGINS = "appointment_begins"
    APPOINTMENT_ENDS = "appointment_ends"
    ROLE_BEGINS = "role_begins"
    ROLE_ENDS = "role_ends"
    # A rank of a 代決順位 (AP-13): the same rank with another post is an end and a beginning.
    SUBSTITUTE_BEGINS = "substitute_begins"
    SUBSTITUTE_ENDS = "substitute_ends"


@dataclass(frozen=True)
class Change:
    """One change; only the fields of its kind are given."""

    kind: ChangeKind
    unit_id: str = ""
    parent_id: str = ""
    body: str = ""
    name: str = ""
    kana: str = ""
    symbol: str = ""
    sort_order: int = 0
    post_id: str = ""
    title: str = ""
    rank: str = ""
    covers: tuple[str, ...] = ()
    staff_id: str = ""
    login: str = ""
    email: str = ""
    # A value of AppointmentKind.
    appointment: str = ""
    role: str = ""
    # Of a 代決順位: the matter it is for, "" for all others; the rank, from 1; and the post that has it (AP-13).
    matter: str = ""
    place: int = 0
    substitute_post_id: str = ""
    # Of what a unit shares out: a class of the file plan, or one folder (RT-10).
    class_code: str = ""
    folder_id: str = ""
    # Of a unit or post that ends: what takes over (AP-41); "" when nothing does.
    successor: str = ""


_UNIT = ("unit_id", "body", "name", "kana", "symbol")
_POST = ("post_id", "unit_id", "title", "rank")
_STAFF = ("staff_id", "name", "kana", "login", "email")
_REQUIRED: Mapping[ChangeKind, tuple[str, ...]] = {
    ChangeKind.UNIT_BEGINS: _UNIT,
    ChangeKind.UNIT_CHANGES: _UNIT,
    ChangeKind.UNIT_ENDS: ("unit_id",),
    ChangeKind.UNIT_SHARES: ("unit_id", "successor"),
    ChangeKind.POST_BEGINS: _POST,
    ChangeKind.POST_CHANGES: _POST,
    ChangeKind.POST_ENDS: ("post_id",),
    ChangeKind.STAFF_BEGINS: _STAFF,
    ChangeKind.STAFF_CHANGES: _STAFF,
    ChangeKind.STAFF_ENDS: ("staff_id",),
    ChangeKind.APPOINTMENT_BEGINS: ("staff_id", "post_id", "appointment"),
    ChangeKind.APPOINTMENT_ENDS: ("staff_id", "post_id"),
    ChangeKind.ROLE_BEGINS: ("staff_id", "role"),
    ChangeKind.ROLE_ENDS: ("staff_id", "role"),
    ChangeKind.SUBSTITUTE_BEGINS: ("post_id", "place", "substitute_post_id"),
    ChangeKind.SUBSTITUTE_ENDS: ("post_id", "place"),
}
_CHOICES: Mapping[str, Sequence[str]] = {
    "body": BODIES,
    "rank": RANKS,
    "appointment": [kind.value for kind in AppointmentKind],
    "role": ROLES,
}


@dataclass(frozen=True)
class UnitRow:
    """A unit on a day."""

    unit_id: str
    parent_id: str
    body: str
    name: str
    kana: str
    symbol: str
    sort_order: int


@dataclass(frozen=True)
class PostRow:
    """A post on a day."""

    post_id: str
    unit_id: str
    title: str
    rank: str
    covers: tuple[str, ...] = ()


@dataclass(frozen=True)
class StaffRow:
    """A staff member on a day."""

    staff_id: str
    name: str
    kana: str
    login: str
    email: str


@dataclass(frozen=True)
class AppointmentRow:
    """Who holds which post how, on a day."""

    staff_id: str
    post_id: str
    kind: str


@dataclass(frozen=True)
class RoleRow:
    """A role somebody has on a day."""

    staff_id: str
    role: str


@dataclass(frozen=True)
class SubstituteRow:
    """Which post has which rank of a 代決順位, on a day (AP-13)."""

    post_id: str
    # The list for one matter, "" for all that have none of their own.
    matter: str
    place: int
    substitute_post_id: str


@dataclass(frozen=True)
class Organisation:
    """Everything that is valid on one day, by key."""

    units: Mapping[str, UnitRow] = field(default_factory=dict)
    posts: Mapping[str, PostRow] = field(default_factory=dict)
    staff: Mapping[str, StaffRow] = field(default_factory=dict)
    appointments: Mapping[tuple[str, str], AppointmentRow] = field(default_factory=dict)
    roles: Mapping[tuple[str, str], RoleRow] = field(default_factory=dict)
    substitutes: Mapping[tuple[str, str, int], SubstituteRow] = field(default_factory=dict)

    def held_by(self, staff_id: str) -> list[AppointmentRow]:
        """The person's posts, main first."""
        own = [row for row in self.appointments.values() if row.staff_id == staff_id]
        return sorted(own, key=lambda row: (row.kind != AppointmentKind.MAIN, row.post_id))

    def holders_of(self, post_id: str) -> list[AppointmentRow]:
        """Who holds the post, main first."""
        held = [row for row in self.appointments.values() if row.post_id == post_id]
        return sorted(held, key=lambda row: (row.kind != AppointmentKind.MAIN, row.staff_id))

    def ranks(self, post_id: str, matter: str) -> list[SubstituteRow]:
        """The 代決順位 of the post for the matter, in order."""
        own = [row for row in self.substitutes.values() if (row.post_id, row.matter) == (post_id, matter)]
        return sorted(own, key=lambda row: row.place)


@dataclass(frozen=True, order=True)
class Finding:
    """Why a set cannot be applied. `place` is the number of the change, from 1; 0 is the whole."""

    place: int
    # Upper-case word; the gateway has the sentence.
    problem: str
    # The id it is about.
    about: str = ""


def after(before: Organisation, changes: Sequence[Change]) -> tuple[Organisation, list[Finding]]:
    """The organisation when the changes have happened, all at once; and every finding, by place.

    A change that makes no sense is left out of the result. Ends come before beginnings, so that a person can leave a
    post and another take it in one set, whatever the order of the lines.
    """
    building = _Building(before)
    order = sorted(enumerate(changes, start=1), key=lambda pair: not pair[1].kind.endswith("_ends"))
    for place, change in order:
        building.take(place, change)
    made = building.organisation()
    findings = [*building.findings, *_contradictions(made, changes)]
    return made, sorted(set(findings))


def still_wrong(before: Organisation, changes: Sequence[Change], findings: Sequence[Finding]) -> list[Finding]:
    """Without the end of somebody who has left since the review: said earlier, meant once (AC-16)."""
    return [
        finding
        for finding in findings
        if not (
            finding.problem == "DOES_NOT_EXIST"
            and changes[finding.place - 1].kind in (ChangeKind.STAFF_ENDS, ChangeKind.ROLE_ENDS)
            and changes[finding.place - 1].staff_id not in before.staff
        )
    ]


class _Building:
    """An organisation on its way from before to after."""

    def __init__(self, before: Organisation) -> None:
        self.units, self.posts, self.staff = dict(before.units), dict(before.posts), dict(before.staff)
        self.appointments, self.roles = dict(before.appointments), dict(before.roles)
        self.before, self.substitutes = before, dict(before.substitutes)
        self.findings: list[Finding] = []

    def organisation(self) -> Organisation:
        return Organisation(self.units, self.posts, self.staff, self.appointments, self.roles, self.substitutes)

    def take(self, place: int, change: Change) -> None:
        wrong = _malformed(change)
        if wrong:
            self.findings += [Finding(place, problem, about) for problem, about in wrong]
            return
        match change.kind:
            case ChangeKind.UNIT_BEGINS | ChangeKind.UNIT_CHANGES | ChangeKind.UNIT_ENDS:
                unit = UnitRow(
                    change.unit_id,
                    change.parent_id,
                    change.body,
                    change.name,
                    change.kana,
                    change.symbol,
                    change.sort_order,
                )
                self._put(place, change.kind, self.units, change.unit_id, unit, change.unit_id)
            case ChangeKind.UNIT_SHARES:
                # Changes no row: documents follows it.
                pass
            case ChangeKind.POST_BEGINS | ChangeKind.POST_CHANGES | ChangeKind.POST_ENDS:
                post = PostRow(change.post_id, change.unit_id, change.title, change.rank, change.covers)
                self._put(place, change.kind, self.posts, change.post_id, post, change.post_id)
                if change.kind is ChangeKind.POST_ENDS:
                    self._end_appointments(lambda row: row.post_id == change.post_id)
                    self._end_substitutes(change.post_id)
            case ChangeKind.STAFF_BEGINS | ChangeKind.STAFF_CHANGES | ChangeKind.STAFF_ENDS:
                member = StaffRow(change.staff_id, change.name, change.kana, change.login, change.email)
                self._put(place, change.kind, self.staff, change.staff_id, member, change.staff_id)
                if change.kind is ChangeKind.STAFF_ENDS:
                    self._end_appointments(lambda row: row.staff_id == change.staff_id)
                    self.roles = {key: row for key, row in self.roles.items() if row.staff_id != change.staff_id}
            case ChangeKind.APPOINTMENT_BEGINS | ChangeKind.APPOINTMENT_ENDS:
                row = AppointmentRow(change.staff_id, change.post_id, change.appointment)
                key = (change.staff_id, change.post_id)
                if change.kind is ChangeKind.APPOINTMENT_ENDS and key not in self.appointments:
                    # It ended with the post or the person, in this set: said twice, meant once.
                    gone = change.staff_id not in self.staff or change.post_id not in self.posts
                    if gone:
                        return
                self._put(place, change.kind, self.appointments, key, row, f"{change.staff_id}/{change.post_id}")
            case ChangeKind.ROLE_BEGINS | ChangeKind.ROLE_ENDS:
                role = RoleRow(change.staff_id, change.role)
                about = f"{change.staff_id}/{change.role}"
                self._put(place, change.kind, self.roles, (change.staff_id, change.role), role, about)
            case ChangeKind.SUBSTITUTE_BEGINS | ChangeKind.SUBSTITUTE_ENDS:
                rank = SubstituteRow(change.post_id, change.matter, change.place, change.substitute_post_id)
                self._rank(place, change.kind, rank)

    def _put(self, place: int, kind: ChangeKind, rows: dict[_K, _R], key: _K, row: _R, about: str) -> None:
        begins, ends = kind.endswith("_begins"), kind.endswith("_ends")
        if begins == (key in rows):
            self.findings.append(Finding(place, "EXISTS_ALREADY" if begins else "DOES_NOT_EXIST", about))
        elif ends:
            del rows[key]
        else:
            rows[key] = row

    def _end_appointments(self, ends: Callable[[AppointmentRow], bool]) -> None:
        self.appointments = {key: row for key, row in self.appointments.items() if not ends(row)}

    def _rank(self, place: int, kind: ChangeKind, row: SubstituteRow) -> None:
        key = (row.post_id, row.matter, row.place)
        if kind is ChangeKind.SUBSTITUTE_ENDS and key not in self.substitutes and key in self.before.substitutes:
            was = self.before.substitutes[key]
            # It ended with one of its posts, in this set: said twice, meant once.
            if was.post_id not in self.posts or was.substitute_post_id not in self.posts:
                return
        self._put(place, kind, self.substitutes, key, row, list_label(row.post_id, row.matter))

    def _end_substitutes(self, post_id: str) -> None:
        """A post that ends has no substitutes and is nobody's: no successor takes its rank unless the set says so (AP-13)."""
        self.substitutes = {
            key: row for key, row in self.substitutes.items() if post_id not in (row.post_id, row.substitute_post_id)
        }


def list_label(post_id: str, matter: str) -> str:
    """Which 代決順位 a finding is about."""
    return f"{post_id}/{matter}" if matter else post_id


def _malformed(change: Change) -> list[tuple[str, str]]:
    wrong = [("REQUIRED", name) for name in _REQUIRED[change.kind] if not getattr(change, name)]
    for name, choices in _CHOICES.items():
        value = getattr(change, name)
        if value and value not in choices:
            wrong.append(("UNKNOWN_VALUE", name))
    texts = [value for value in vars(change).values() if isinstance(value, str)]
    if any(len(text) > MAX_TEXT or "\0" in text for text in (*texts, *change.covers)):
        wrong.append(("MALFORMED", ""))
    # Who had such an id would pass for a service, whom no review of the log looks at, or for a vendor (AC-09).
    wrong += [
        ("MALFORMED", name)
        for name in ("staff_id", "post_id", "unit_id", "substitute_post_id")
        if getattr(change, name).startswith(("service:", VENDOR))
    ]
    if change.kind is ChangeKind.UNIT_SHARES and bool(change.class_code) == bool(change.folder_id):
        wrong.append(("REQUIRED", "class_code"))
    if not 0 <= change.place <= MAX_PLACE:
        wrong.append(("MALFORMED", "place"))
    return wrong


def _contradictions(made: Organisation, changes: Sequence[Change]) -> Iterable[Finding]:
    """What does not fit together afterwards. Named at the change that is to blame, else at the whole set."""
    places: dict[str, int] = {}
    for place, change in enumerate(changes, start=1):
        for about in (change.unit_id, change.post_id, change.staff_id, f"{change.staff_id}/{change.post_id}"):
            places[about] = place

    def finding(problem: str, about: str) -> Finding:
        return Finding(places.get(about, 0), problem, about)

    for unit in made.units.values():
        if unit.parent_id and unit.parent_id not in made.units:
            yield finding("UNKNOWN_PARENT", unit.unit_id)
        if _is_below_itself(made.units, unit.unit_id):
            yield finding("LOOP", unit.unit_id)
    for post in made.posts.values():
        # Also a unit that ends although it still has posts.
        if post.unit_id not in made.units:
            yield finding("UNKNOWN_UNIT", post.post_id)
    for (staff_id, post_id), row in made.appointments.items():
        if staff_id not in made.staff:
            yield finding("UNKNOWN_STAFF", f"{staff_id}/{post_id}")
        if row.post_id not in made.posts:
            yield finding("UNKNOWN_POST", f"{staff_id}/{post_id}")
    for staff_id, _ in made.roles:
        if staff_id not in made.staff:
            yield finding("UNKNOWN_STAFF", staff_id)
    mains = Counter(row.staff_id for row in made.appointments.values() if row.kind == AppointmentKind.MAIN)
    yield from (finding("MAIN_TWICE", staff_id) for staff_id, count in mains.items() if count > 1)
    # A post above member has one regular holder; 職務代理 and 事務取扱 may stand beside (AP-19).
    regular = Counter(
        row.post_id
        for row in made.appointments.values()
        if row.kind not in IN_PLACE and row.post_id in made.posts and made.posts[row.post_id].rank != RANKS[0]
    )
    yield from (finding("HELD_TWICE", post_id) for post_id, count in regular.items() if count > 1)
    logins = Counter(member.login for member in made.staff.values())
    yield from (finding("LOGIN_TWICE", one.staff_id) for one in made.staff.values() if logins[one.login] > 1)
    for place, change in enumerate(changes, start=1):
        known: Mapping[str, object] = made.units if change.unit_id else made.posts
        if change.successor and change.successor not in known:
            yield Finding(place, "UNKNOWN_SUCCESSOR", change.successor)
        if change.kind is ChangeKind.UNIT_SHARES:
            yield from (Finding(place, problem, about) for problem, about in _bad_share(changes, change))
        if change.kind is ChangeKind.SUBSTITUTE_BEGINS:
            yield from (Finding(place, problem, about) for problem, about in _bad_rank(made, change))


def unowned(changes: Sequence[Change], records_unit: str) -> list[Finding]:
    """Units that end without anybody who takes over what they owned: no successor, and no records office (RT-10)."""
    return [
        Finding(place, "UNOWNED", change.unit_id)
        for place, change in enumerate(changes, start=1)
        if change.kind is ChangeKind.UNIT_ENDS and not change.successor and not records_unit
    ]


def _bad_share(changes: Sequence[Change], change: Change) -> Iterable[tuple[str, str]]:
    """Of a rule for what a unit owned: it ends in this set with a successor for all the rest, and nothing is given twice."""
    ended = next((one for one in changes if one.kind is ChangeKind.UNIT_ENDS and one.unit_id == change.unit_id), None)
    if ended is None:
        yield "UNIT_STAYS", change.unit_id
    elif not ended.successor:
        yield "REST_UNOWNED", change.unit_id
    same = [one for one in changes if one.kind is ChangeKind.UNIT_SHARES and _shared(one) == _shared(change)]
    if len(same) > 1:
        yield "SHARED_TWICE", change.folder_id or change.class_code


def _shared(change: Change) -> tuple[str, str, str]:
    return change.unit_id, change.class_code, change.folder_id


def _bad_rank(made: Organisation, change: Change) -> Iterable[tuple[str, str]]:
    """Of a rank that begins. One that stands since before is warned of, and refuses nothing."""
    for post_id in (change.post_id, change.substitute_post_id):
        if post_id not in made.posts:
            yield "UNKNOWN_POST", post_id
    if change.post_id == change.substitute_post_id:
        yield "OWN_SUBSTITUTE", change.post_id
    same = [
        row for row in made.ranks(change.post_id, change.matter) if row.substitute_post_id == change.substitute_post_id
    ]
    if len(same) > 1:
        yield "SUBSTITUTE_TWICE", change.substitute_post_id


def _is_below_itself(units: Mapping[str, UnitRow], unit_id: str) -> bool:
    above = units[unit_id].parent_id
    for _ in units:
        if above == unit_id:
            return True
        if above not in units:
            return False
        above = units[above].parent_id
    return True


# --- what is written and shown -----------------------------------------------------------------------


@dataclass(frozen=True)
class Turnover:
    """Rows of one table that end on the day, and rows that begin; one that changes is in both."""

    ended: tuple[object, ...]
    begun: tuple[object, ...]


def turnovers(before: Organisation, made: Organisation) -> dict[str, Turnover]:
    """By table, in the order of writing."""
    return {
        name: _turnover(getattr(before, name), getattr(made, name))
        for name in ("units", "posts", "staff", "appointments", "roles", "substitutes")
    }


def _turnover(before: Mapping[_K, _R], made: Mapping[_K, _R]) -> Turnover:
    return Turnover(
        tuple(row for key, row in before.items() if made.get(key) != row),
        tuple(row for key, row in made.items() if before.get(key) != row),
    )


def differences(before: Organisation, made: Organisation) -> list[Change]:
    """The changes of staff and appointments that lead from one to the other; `after` of them is `made` again."""
    found: list[Change] = []
    for staff_id, member in sorted(made.staff.items()):
        if before.staff.get(staff_id) != member:
            kind = ChangeKind.STAFF_CHANGES if staff_id in before.staff else ChangeKind.STAFF_BEGINS
            found.append(Change(kind, **vars(member)))
    found += [Change(ChangeKind.STAFF_ENDS, staff_id=gone) for gone in sorted(before.staff.keys() - made.staff.keys())]
    for (staff_id, post_id), row in sorted(before.appointments.items()):
        if made.appointments.get((staff_id, post_id)) != row and staff_id in made.staff and post_id in made.posts:
            found.append(Change(ChangeKind.APPOINTMENT_ENDS, staff_id=staff_id, post_id=post_id))
    for (staff_id, post_id), row in sorted(made.appointments.items()):
        if before.appointments.get((staff_id, post_id)) != row:
            found.append(
                Change(ChangeKind.APPOINTMENT_BEGINS, staff_id=staff_id, post_id=post_id, appointment=row.kind)
            )
    return found


@dataclass(frozen=True)
class Share:
    """What of the things of an ended unit goes to another successor: a class of the file plan, or one folder (RT-10)."""

    class_code: str
    folder_id: str
    successor: str


@dataclass(frozen=True)
class UnitChange:
    """A unit that began, changed or ended: what documents needs of it (RT-10, NB-10)."""

    unit_id: str
    parent_id: str
    symbol: str
    ended: bool
    # Which unit took over; "" while it exists, and when nobody did.
    successor: str
    # What goes elsewhere; all the rest is the successor's.
    shares: tuple[Share, ...] = ()


def unit_changes(
    before: Organisation, made: Organisation, changes: Sequence[Change], heirs: Sequence[tuple[str, str, str]]
) -> list[UnitChange]:
    """Every unit that is not as it was."""
    units = {old: new for kind, old, new in heirs if kind == "unit"}
    shares = {
        unit_id: tuple(
            Share(one.class_code, one.folder_id, one.successor)
            for one in changes
            if one.kind is ChangeKind.UNIT_SHARES and one.unit_id == unit_id
        )
        for unit_id in units
    }
    changed = [one for unit_id, one in made.units.items() if before.units.get(unit_id) != one]
    ended = [one for unit_id, one in before.units.items() if unit_id not in made.units]
    return [UnitChange(one.unit_id, one.parent_id, one.symbol, False, "") for one in changed] + [
        UnitChange(
            one.unit_id, one.parent_id, one.symbol, True, units.get(one.unit_id, ""), shares.get(one.unit_id, ())
        )
        for one in ended
    ]


def successors(changes: Sequence[Change], records_unit: str = "") -> list[tuple[str, str, str]]:
    """(kind, old id, new id) of what ends with a successor (AP-41).

    What a unit without one owned goes to the records office, `records_unit`, if the city named one (RT-10).
    """
    found: list[tuple[str, str, str]] = []
    for change in changes:
        heir = change.successor or records_unit
        if heir and change.kind is ChangeKind.UNIT_ENDS:
            found.append(("unit", change.unit_id, heir))
        if change.successor and change.kind is ChangeKind.POST_ENDS:
            found.append(("post", change.post_id, change.successor))
    return found
