"""Which units somebody answers for on a day, so that their 滞留 is listed to them (LC-13)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from chassis.db import Connection
from services.approvals import policy
from services.approvals.members import domain as members
from services.approvals.organisation import store as organisation
from services.approvals.policy import Reader


async def units_overseen(conn: Connection, reader: Reader, roles: Collection[str], now: dt.datetime) -> frozenset[str]:
    """As 所属長 or as records manager; none for most."""
    day = now.date()
    seats = await organisation.seats_above_members(conn, day, now)
    chart = await organisation.chart(conn, day)
    return policy.overseen(reader, roles, members.headed(chart, seats, reader.staff_id), chart)
