"""The organisation that decision rules are checked in: that of a day as planned, with every reviewed change set.

A 専決規程 of a reorganised city is made ready before the day, and names units and posts that begin on it.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

from chassis.db import Connection
from services.approvals.changes import domain
from services.approvals.changes.commands import projected
from services.approvals.organisation.domain import AppointmentKind, Holder, Seat
from services.approvals.rules.checks import Organisation


async def organisation_on(conn: Connection, day: dt.date) -> Organisation:
    """What the tables say of the day, with every reviewed set until then."""
    return as_checked(await projected(conn, day))


def as_checked(planned: domain.Organisation) -> Organisation:
    """The same organisation for the check: units in the order of 事務分掌規則, posts with their holders."""
    holders: dict[str, list[Holder]] = defaultdict(list)
    for row in planned.appointments.values():
        if (member := planned.staff.get(row.staff_id)) is not None:
            holders[row.post_id].append(Holder(member.staff_id, member.name, AppointmentKind(row.kind)))
    seats: list[Seat] = []
    for post_id, post in sorted(planned.posts.items()):
        unit = planned.units.get(post.unit_id)
        name, order = (unit.name, unit.sort_order) if unit is not None else ("", 0)
        held = tuple(holders[post_id])
        seats.append(Seat(post_id, post.title, post.rank, post.unit_id, name, post.covers, held, order))
    units = sorted(planned.units.values(), key=lambda unit: (unit.sort_order, unit.unit_id))
    return Organisation(tuple(units), tuple(seats))
