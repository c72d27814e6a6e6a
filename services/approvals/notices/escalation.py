"""Whom the escalation lists of a day reach (LC-13): a 組織改編 ends units and posts, and neither may end a list silently."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from chassis.db import Connection
from services.approvals.notices import domain, store
from services.approvals.notices.store import EscalationList
from services.approvals.organisation import store as organisation
from services.approvals.succession import store as succession


@dataclass(frozen=True)
class Lists:
    """The lists of all units as of a day."""

    kept: Mapping[str, EscalationList]
    # Unit → the one above it; of an ended unit the last, or what took over from that.
    parents: Mapping[str, str]
    # Unit → posts of its list that somebody holds, an ended one by who took over (AP-41).
    reached: Mapping[str, tuple[str, ...]]
    # Ended post of a list → who took over; "" for nobody.
    heirs: Mapping[str, str]

    def of(self, unit_id: str) -> EscalationList:
        """As it was saved last; version 0 when it never was."""
        return self.kept.get(unit_id, EscalationList(unit_id, 0, ()))

    def holding(self, unit_id: str) -> str:
        """The unit whose list is told of this one's cases; "" when nobody is."""
        return domain.list_of(unit_id, self.parents, self.reached)

    def told(self) -> dict[str, tuple[str, ...]]:
        """Posts to tell, by the unit whose cases wait."""
        return {unit: self.reached[source] for unit in self.parents if (source := self.holding(unit))}


async def lists_on(conn: Connection, day: dt.date) -> Lists:
    """All of them, in five statements."""
    kept = await store.escalation_lists(conn)
    living, follows = await succession.living_posts(conn, day), await succession.successors_on(conn, "post", day)
    held = await organisation.posts_held(conn, day)
    heirs = domain.heirs({post for one in kept.values() for post in one.post_ids}, follows, living)
    reached = {unit: domain.reached(one.post_ids, heirs, held) for unit, one in kept.items()}
    return Lists(kept, await organisation.parents_on(conn, day), reached, heirs)
