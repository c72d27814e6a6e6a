"""What a principal is called and who it is today: "staff:…", "post:…", "unit:…", "member:staff@unit", "manager:unit"."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from chassis.db import Connection
from chassis.errors import FieldViolation, invalid
from services.approvals.organisation import store
from services.approvals.organisation.domain import Actor, post_label

KINDS = ("staff", "post", "unit", "member", "manager")
# Posts that answer for the units below their own.
_DIRECTING = frozenset({"director", "deputy_director"})


@dataclass(frozen=True)
class Description:
    """A principal in words, and the ids of the people it is on the day."""

    principal: str
    label: str
    staff_ids: Sequence[str]


async def describe(conn: Connection, principals: Sequence[str], now: dt.datetime) -> list[Description]:
    """In the order given. One that is not known is described by itself; INVALID_FIELDS MALFORMED for what is none."""
    named: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for principal in dict.fromkeys(principals):
        kind, _, name = principal.partition(":")
        if kind not in named or not name or (kind == "member" and not all(name.partition("@"))):
            raise invalid(FieldViolation("principals", "MALFORMED"))
        named[kind].append(name)
    members = [name.partition("@") for name in named["member"]]
    staff_ids = [*named["staff"], *(staff_id for staff_id, _, _ in members)]
    unit_ids = [*named["unit"], *(unit_id for _, _, unit_id in members), *named["manager"]]
    day = now.date()
    names = await store.staff_names(conn, staff_ids) if staff_ids else {}
    seats = await store.find_seats(conn, named["post"], day, now) if named["post"] else {}
    units = await store.unit_names(conn, unit_ids, day) if unit_ids else {}
    managers = await store.managers(conn, day) if named["manager"] else frozenset[str]()

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
            return Description(principal, *units[name])
        if kind == "member":
            staff_id, _, unit_id = name.partition("@")
            belongs = staff_id in units.get(unit_id, ("", []))[1]
            return Description(principal, names.get(staff_id, staff_id), [staff_id] if belongs else [])
        if kind == "manager" and name in units:
            unit_name, belonging = units[name]
            return Description(principal, f"{unit_name}の文書管理責任者", [one for one in belonging if one in managers])
        return Description(principal, name, [])

    return [one(principal) for principal in principals]


async def subordinate_units(conn: Connection, actor: Actor, day: dt.date) -> list[str]:
    """`unit:…` of all units below those whose 部長 or 次長 they are, for a city that lets them see these (AC-07)."""
    below: set[str] = set()
    for unit_id in {post.unit_id for post in actor.posts if post.rank in _DIRECTING}:
        below |= await store.units_below(conn, unit_id, day)
    return sorted(f"unit:{unit_id}" for unit_id in below - {post.unit_id for post in actor.posts})
