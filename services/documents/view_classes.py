"""閲覧区分 (AC-02): whom of the city a document or a receipt is for, beside its route. Pure.

A right names its people by the owner unit: "unit:…" are the members of its 課, "section:…" those of the 係 with the 所属長,
"department:…" everybody under the same 部, "manager:…" the 文書管理責任者 (of a 係 those of its 課 too), "member:…@…" one person
while they hold a post of the unit; approvals says each day who that is (AC-05). So a 組織改編 changes no right, and whoever leaves loses it by leaving.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from chassis.errors import FieldViolation


class ViewClass(enum.IntEnum):
    """As in the messages; the numbers say nothing of the width."""

    # 課（室）内, the usual one.
    UNIT = 1
    # 指定者のみ
    DESIGNATED = 2
    # 係内
    SECTION = 3
    # 部内
    DEPARTMENT = 4
    # 全庁
    CITY = 5


UNIT, DESIGNATED, SECTION, DEPARTMENT, CITY = ViewClass
# From the narrowest.
BY_WIDTH = (DESIGNATED, SECTION, UNIT, DEPARTMENT, CITY)
# A receipt is for no more than paper has.
OF_RECEIPTS = (DESIGNATED, SECTION, UNIT)
# Why somebody sees it by its class.
OWN_REASONS = ("drafter", "owner_unit", "section", "designated", "records_manager", "department", "city")
EVERYBODY = "city:all"
MAX_DESIGNATED = 50
# PersonalInformation: 無.
_NO_PERSONAL_INFORMATION = 1
_STAFF_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What says which classes there may be."""

    # What the class of the file plan allows: 部内 and 全庁 are more than paper has, and only where the city has said so (⚙).
    widest: int
    # As in PersonalInformation.
    personal_information: int
    # Whether the owner unit is a 係.
    in_section: bool


def wider(one: int, other: int) -> bool:
    """Is `one` for more people than `other`?"""
    return _width(one) > _width(other)


def narrowest(classes: Iterable[int]) -> int:
    """Of these."""
    return min(classes, key=_width)


def shape_problems(
    view_class: int, designated: Collection[str], among: Collection[int] = BY_WIDTH
) -> list[FieldViolation]:
    """What is wrong with the values by themselves; 0 is not given."""
    found = []
    if view_class and view_class not in among:
        found.append(FieldViolation("view_class", "UNKNOWN"))
    if len(designated) > MAX_DESIGNATED:
        found.append(FieldViolation("designated", "TOO_MANY"))
    if not all(_STAFF_ID.fullmatch(staff_id) for staff_id in designated):
        found.append(FieldViolation("designated", "MALFORMED"))
    return found


def problems(view_class: int, designated: Collection[str], limits: Limits) -> list[FieldViolation]:
    """Why it may not have this class."""
    found = []
    if wider(view_class, limits.widest):
        found.append(FieldViolation("view_class", "WIDER_THAN_PAPER" if wider(view_class, UNIT) else "TOO_WIDE"))
    elif view_class == CITY and limits.personal_information != _NO_PERSONAL_INFORMATION:
        found.append(FieldViolation("view_class", "PERSONAL_INFORMATION"))
    elif view_class == SECTION and not limits.in_section:
        found.append(FieldViolation("view_class", "NO_SECTION"))
    if designated and view_class != DESIGNATED:
        found.append(FieldViolation("designated", "MISMATCH"))
    return found


def widest_allowed(at_most: int, limits: Limits) -> int:
    """The widest up to `at_most` that it may have; 指定者のみ it always may."""
    allowed = [one for one in BY_WIDTH if not wider(one, at_most) and not problems(one, (), limits)]
    return allowed[-1]


def rights(unit_id: str, in_charge: str, view_class: int, designated: Iterable[str]) -> list[tuple[str, str]]:
    """Principal and reason of everybody it is for by its class.

    Whose it is and the 文書管理責任者 keep the narrow ones, so that one is never without anybody: a 係 may end, a person leave.
    """
    if not wider(UNIT, view_class):
        broad = broad_principal(unit_id, view_class)
        return [(f"unit:{unit_id}", "owner_unit"), *([(broad, ViewClass(view_class).name.lower())] if broad else [])]
    own = [(f"member:{in_charge}@{unit_id}", "drafter"), (f"manager:{unit_id}", "records_manager")]
    if view_class == SECTION:
        return [*own, (f"section:{unit_id}", "section")]
    return [*own, *((f"member:{staff_id}@{unit_id}", "designated") for staff_id in designated if staff_id != in_charge)]


def broad_principal(unit_id: str, view_class: int) -> str:
    """Whom 部内 and 全庁 add to the 課; "" for the others."""
    return {DEPARTMENT.value: f"department:{unit_id}", CITY.value: EVERYBODY}.get(view_class, "")


def is_broad(principal: str) -> bool:
    """Is it one of those?"""
    return principal.startswith("department:") or principal == EVERYBODY


def in_section(principals: Collection[str], unit_id: str) -> bool:
    """Is this unit a 係, and the person with these principals of it?"""
    return f"section:{unit_id}" in principals


def wider_than_receipts(
    view_class: int, designated: Collection[str], receipts: Sequence[tuple[int, Collection[str]]]
) -> bool:
    """Would a draft be for people whom one of its receipts, by its class and whom it names, is not for?"""
    return view_class != 0 and any(
        wider(view_class, theirs) or (view_class == theirs == DESIGNATED and not set(designated) <= set(named))
        for theirs, named in receipts
    )


def _width(view_class: int) -> int:
    return BY_WIDTH.index(ViewClass(view_class))
