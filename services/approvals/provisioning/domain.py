"""What a city's directory may say of the staff: accounts, and plain memberships of units (AC-16). Pure.

A plain membership is a post of rank member: it can draft and see, and never approves. Posts above it are personnel's.
The directory's words become an organisation after today's, whose differences `changes.domain` checks and writes.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chassis.errors import DomainError, FieldViolation, Kind, invalid
from services.approvals.changes.domain import (
    MAX_TEXT,
    AppointmentRow,
    Change,
    ChangeKind,
    Organisation,
    StaffRow,
    differences,
)
from services.approvals.organisation.domain import IN_PLACE, RANKS, AppointmentKind
from services.approvals.words import RANKS as RANK_NAMES

PLAIN = RANKS[0]
# More in one request is no unit of a city.
MAX_MEMBERS = 1000
# No colon: "service:…" is the name of a service.
_STAFF_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Account:
    """Somebody who can log in, or once could; `units` are the id and name of those they hold a post in."""

    staff_id: str
    name: str
    kana: str
    login: str
    email: str
    active: bool
    units: tuple[tuple[str, str], ...] = ()

    @property
    def row(self) -> StaffRow:
        """As a row of the staff."""
        return StaffRow(self.staff_id, self.name, self.kana, self.login, self.email)

    @property
    def version(self) -> str:
        """Changes with anything of it."""
        return _digest(vars(self))


@dataclass(frozen=True)
class Membership:
    """A unit and everybody who holds a post in it: (staff id, name), by id."""

    unit_id: str
    name: str
    members: tuple[tuple[str, str], ...]

    @property
    def version(self) -> str:
        """Changes with anything of it."""
        return _digest(vars(self))


@dataclass(frozen=True)
class Fields:
    """What to write of an account; None stays as it is."""

    login: str | None = None
    name: str | None = None
    family_name: str | None = None
    given_name: str | None = None
    kana: str | None = None
    email: str | None = None
    active: bool | None = None


@dataclass(frozen=True)
class MembershipWish:
    """Who joins and who is lost; with `replace` every plain member is lost who does not join."""

    join: frozenset[str] = field(default_factory=frozenset)
    leave: frozenset[str] = field(default_factory=frozenset)
    replace: bool = False


# --- accounts ------------------------------------------------------------------------------------


def beginning(staff_id: str, fields: Fields) -> Change:
    """A new account. INVALID_FIELDS: no personnel number, or nobody who could log in."""
    if not _STAFF_ID.fullmatch(staff_id):
        raise invalid(FieldViolation("staff_id", "MALFORMED" if staff_id else "REQUIRED"))
    if fields.active is False:
        raise invalid(FieldViolation("active", "REQUIRED"))
    row = _row(StaffRow(staff_id, "", "", "", ""), fields)
    return Change(ChangeKind.STAFF_BEGINS, **vars(row))


def changing(account: Account, fields: Fields) -> list[Change]:
    """What makes the account as wished; empty when it is so already.

    Who is not active any more keeps the last name and login: only coming back begins anew, and begins the account alone.
    """
    stays = account.active if fields.active is None else fields.active
    if not stays:
        return [Change(ChangeKind.STAFF_ENDS, staff_id=account.staff_id)] if account.active else []
    row = _row(account.row, fields)
    if not account.active:
        return [Change(ChangeKind.STAFF_BEGINS, **vars(row))]
    return [] if row == account.row else [Change(ChangeKind.STAFF_CHANGES, **vars(row))]


def _row(before: StaffRow, fields: Fields) -> StaffRow:
    login = before.login if fields.login is None else fields.login
    name = before.name if fields.name is None else fields.name
    if fields.name is None and (fields.family_name is not None or fields.given_name is not None):
        family, _, given = before.name.replace("\u3000", " ").partition(" ")
        halves = (
            family if fields.family_name is None else fields.family_name,
            given if fields.given_name is None else fields.given_name,
        )
        name = " ".join(half for half in halves if half)
    # Who came without a reading is read as written, also after a new name.
    kana = fields.kana if fields.kana is not None else "" if before.kana == before.name else before.kana
    email = before.email if fields.email is None else fields.email
    row = StaffRow(
        before.staff_id,
        name,
        kana or name,
        login,
        email or (login if "@" in login else ""),
    )
    problems = [FieldViolation(key, problem) for key, text in vars(row).items() if (problem := _problem(text))]
    if problems:
        raise invalid(*problems)
    return row


def _problem(text: str) -> str:
    """What is wrong with a text that must be there, "" when nothing is. 外字 are refused (NM-03)."""
    if not text.strip():
        return "REQUIRED"
    if len(text) > MAX_TEXT:
        return "TOO_LONG"
    kinds = {unicodedata.category(character) for character in text}
    if "Co" in kinds:
        return "PRIVATE_USE_CHARACTER"
    # Invisible ones, too: two logins that look the same would be two people.
    return "INVALID_CHARACTER" if kinds & {"Cc", "Cf", "Zl", "Zp"} else ""


def require_free(before: Organisation, change: Change) -> None:
    """The login is nobody else's today. EXISTS ACCOUNT_EXISTS."""
    others = (row for row in before.staff.values() if row.staff_id != change.staff_id)
    if change.login and any(row.login == change.login for row in others):
        raise exists("login")


def exists(name: str) -> DomainError:
    """The staff id or the login is somebody's."""
    return DomainError(
        Kind.EXISTS, "ACCOUNT_EXISTS", f"another account has this {name}", [FieldViolation(name, "EXISTS_ALREADY")]
    )


# --- memberships ---------------------------------------------------------------------------------


def memberships(organisation: Organisation) -> dict[str, Membership]:
    """Of every unit, in the order of 事務分掌規則."""
    ids: dict[str, set[str]] = {unit_id: set() for unit_id in organisation.units}
    for row in organisation.appointments.values():
        unit_id = _unit_of(organisation, row.post_id)
        if unit_id in ids and row.staff_id in organisation.staff:
            ids[unit_id].add(row.staff_id)
    return {
        unit.unit_id: Membership(
            unit.unit_id,
            unit.name,
            tuple((staff_id, organisation.staff[staff_id].name) for staff_id in sorted(ids[unit.unit_id])),
        )
        for unit in sorted(organisation.units.values(), key=lambda unit: (unit.sort_order, unit.unit_id))
    }


def require_members(wish: MembershipWish, staff: Collection[str]) -> None:
    """INVALID_FIELDS: too many at once, or somebody to join who is not on the staff today."""
    if len(wish.join) + len(wish.leave) > MAX_MEMBERS:
        raise invalid(FieldViolation("members", "TOO_MANY"))
    if not wish.join <= set(staff):
        raise invalid(FieldViolation("members", "UNKNOWN"))


def regrouped(before: Organisation, unit_id: str, wish: MembershipWish) -> list[Change]:
    """The changes that make the plain memberships of the unit as wished; empty when they are so already.

    Who holds a post of the unit is a member of it already. Who joins gets a main post if they have none, else 兼務; whose
    main post is lost has another plain membership as the main one, if there is one. POST_OF_PERSONNEL for somebody to
    leave who holds a post above member there, NO_PLAIN_POST.
    """
    held = [row for row in before.appointments.values() if _unit_of(before, row.post_id) == unit_id]
    plain = [row for row in held if _is_plain(before, row)]
    members = {row.staff_id for row in held}
    above = members & wish.leave - {row.staff_id for row in plain}
    if above:
        raise DomainError(Kind.PRECONDITION, "POST_OF_PERSONNEL", "holds a post above member in the unit")
    lost = {row.staff_id for row in plain if row.staff_id in wish.leave or wish.replace} - wish.join
    appointments = dict(before.appointments)
    for row in plain:
        if row.staff_id in lost:
            del appointments[row.staff_id, row.post_id]
    joining = sorted(wish.join - members)
    if joining:
        post_id = _plain_post(before, unit_id)
        for staff_id in joining:
            has_main = any(
                row.staff_id == staff_id and row.kind == AppointmentKind.MAIN for row in appointments.values()
            )
            kind = AppointmentKind.CONCURRENT if has_main else AppointmentKind.MAIN
            appointments[staff_id, post_id] = AppointmentRow(staff_id, post_id, kind)
    for staff_id in sorted(lost):
        _settle_main(before, appointments, staff_id)
    return differences(before, replace(before, appointments=appointments))


def _settle_main(
    organisation: Organisation, appointments: dict[tuple[str, str], AppointmentRow], staff_id: str
) -> None:
    """The first plain membership is the main post of who has lost theirs."""
    own = sorted((row for row in appointments.values() if row.staff_id == staff_id), key=lambda row: row.post_id)
    if any(row.kind == AppointmentKind.MAIN for row in own):
        return
    for row in own:
        if _is_plain(organisation, row):
            appointments[staff_id, row.post_id] = replace(row, kind=AppointmentKind.MAIN)
            return


def _plain_post(organisation: Organisation, unit_id: str) -> str:
    """The 係員 post of the unit, else another of rank member."""
    posts = [post for post in organisation.posts.values() if post.unit_id == unit_id and post.rank == PLAIN]
    if not posts:
        raise DomainError(Kind.PRECONDITION, "NO_PLAIN_POST", "the unit has no post of rank member")
    return min(posts, key=lambda post: (post.title != RANK_NAMES[PLAIN], post.post_id)).post_id


def _is_plain(organisation: Organisation, row: AppointmentRow) -> bool:
    """職務代理 and 事務取扱 of a member's post would be somebody else's arrangement."""
    post = organisation.posts.get(row.post_id)
    return post is not None and post.rank == PLAIN and row.kind not in IN_PLACE


def _unit_of(organisation: Organisation, post_id: str) -> str:
    """Unit of a post; "" for one that has ended."""
    post = organisation.posts.get(post_id)
    return post.unit_id if post is not None else ""


def moved(before: Organisation, changes: Sequence[Change], unit_id: str) -> tuple[list[str], list[str]]:
    """(who joins the unit, who leaves it) by the changes."""
    joined, left = set[str](), set[str]()
    for change in changes:
        if _unit_of(before, change.post_id) == unit_id:
            (joined if change.kind is ChangeKind.APPOINTMENT_BEGINS else left).add(change.staff_id)
    return sorted(joined - left), sorted(left - joined)


def _digest(values: Mapping[str, object]) -> str:
    text = json.dumps(values, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
