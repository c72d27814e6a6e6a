"""What a principal is called and who it is today.

"staff:…", "post:…", "unit:…", "member:staff@unit", "manager:unit"; and by 閲覧区分 "section:unit", "department:unit", "city:all".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chassis.db import Connection
from chassis.errors import FieldViolation, invalid
from services.approvals.organisation import store
from services.approvals.organisation.chart import CITY, Chart
from services.approvals.organisation.domain import RECORDS_MANAGER, SYSTEM_ADMIN, Actor, post_label
from services.approvals.vendors import store as vendors_store
from services.approvals.vendors.domain import is_vendor

KINDS = ("staff", "post", "unit", "member", "manager", "section", "department", "city")
# Posts that answer for the units below their own.
_DIRECTING = frozenset({"director", "deputy_director"})


@dataclass(frozen=True)
class Description:
    """A principal in words, and the ids of the people it is on the day; of the whole city none are listed."""

    principal: str
    label: str
    staff_ids: Sequence[str]


async def describe(conn: Connection, principals: Sequence[str], now: dt.datetime) -> list[Description]:
    """In the order given. One that is not known is described by itself; INVALID_FIELDS MALFORMED for what is none."""
    named: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for principal in dict.fromkeys(principals):
        kind, _, name = principal.partition(":")
        malformed = kind not in named or not name or (kind == "member" and not all(name.partition("@")))
        if malformed or (kind == "city" and principal != CITY):
            raise invalid(FieldViolation("principals", "MALFORMED"))
        named[kind].append(name)
    members = [name.partition("@") for name in named["member"]]
    staff_ids = [*named["staff"], *(staff_id for staff_id, _, _ in members)]
    day = now.date()
    names = await store.staff_names(conn, staff_ids) if staff_ids else {}
    if any(is_vendor(staff_id) for staff_id in staff_ids):
        names = names | await vendors_store.names(conn, staff_ids)
    seats = await store.find_seats(conn, named["post"], day, now) if named["post"] else {}
    managers = await store.with_role(conn, RECORDS_MANAGER, day) if named["manager"] else frozenset[str]()
    around = [*named["unit"], *named["section"], *named["department"], *named["manager"]]
    chart = await store.chart(conn, day) if around else Chart(())
    asked = {*around, *(unit_id for _, _, unit_id in members)}
    wanted = {other for unit in named["unit"] for other in chart.of_room(unit)}
    wanted |= {other for unit in named["department"] for other in chart.of_department(unit)}
    wanted |= {chart.department_of(unit) for unit in named["department"]}
    wanted |= {chart.room_of(unit) for unit in named["manager"]}
    units = await store.unit_names(conn, sorted(asked | wanted), day) if asked else {}
    rooms = {chart.room_of(unit) for unit in named["section"] if chart.is_section(unit)}
    admins = await store.with_role(conn, SYSTEM_ADMIN, day) if around else frozenset[str]()
    heads = await store.heads(conn, sorted(rooms), day) if rooms else {}

    def people(unit_id: str, around: Iterable[str]) -> list[str]:
        """Members of the unit, and those beside it (AC-08)."""
        beside = {staff_id for other in around for staff_id in units.get(other, ("", []))[1]} - admins
        return sorted(beside | set(units[unit_id][1]))

    def one(principal: str) -> Description:
        kind, _, name = principal.partition(":")
        if kind == "staff":
            return Description(principal, names.get(name, name), [name])
        if kind == "post" and name in seats:
            seat = seats[name]
            holders = "・".join(holder.name for holder in seat.holders)
            label = f"{post_label(seat.unit_name, seat.title)} {holders}".strip()
            return Description(principal, label, [holder.staff_id for holder in seat.holders])
        if kind == "unit" and name in units:
            return Description(principal, units[name][0], people(name, chart.of_room(name)))
        if kind == "member":
            staff_id, _, unit_id = name.partition("@")
            belongs = staff_id in units.get(unit_id, ("", []))[1]
            return Description(principal, names.get(staff_id, staff_id), [staff_id] if belongs else [])
        if kind == "manager" and name in units:
            # Of a 係 also those of its 課.
            belonging = people(name, [chart.room_of(name)])
            label = f"{units[name][0]}の文書管理責任者"
            return Description(principal, label, [one for one in belonging if one in managers])
        if kind == "section" and name in units:
            above = set(heads.get(chart.room_of(name), ())) - admins
            inside = {*units[name][1], *above} if chart.is_section(name) else set()
            return Description(principal, f"{units[name][0]}と所属長", sorted(inside))
        if kind == "department" and name in units:
            whole = units[chart.department_of(name)][0]
            inside = {*people(name, chart.of_department(name))} - admins
            return Description(principal, f"{whole}の全職員", sorted(inside))
        return Description(principal, "全庁（全職員）" if kind == "city" else name, [])

    return [one(principal) for principal in principals]


async def subordinate_units(conn: Connection, actor: Actor, day: dt.date) -> list[str]:
    """`unit:…` of all units below those whose 部長 or 次長 they are, for a city that lets them see these (AC-07)."""
    below: set[str] = set()
    for unit_id in {post.unit_id for post in actor.posts if post.rank in _DIRECTING}:
        below |= await store.units_below(conn, unit_id, day)
    return sorted(f"unit:{unit_id}" for unit_id in below - {post.unit_id for post in actor.posts})
