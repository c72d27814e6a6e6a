"""Who heads a unit and who belongs to it on a day. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.approvals.organisation.chart import Chart, Place
from services.approvals.organisation.domain import LINE, Seat, Unit

# From here upwards a post heads a unit (所属長).
_HEADS = LINE[LINE.index("head") :]


@dataclass(frozen=True)
class Membership:
    """A unit's 所属長 and members, as staff ids."""

    unit_id: str
    heads: tuple[str, ...]
    members: tuple[str, ...]


def membership(line: Sequence[Unit], above_members: Sequence[Seat], own: Sequence[Seat]) -> Membership | None:
    """From the unit and its ancestors, nearest first, their posts above member, and all posts of the unit itself.

    The 所属長 is who holds the highest post of 室長 rank or above in the unit, or while nobody does in the nearest unit
    above it (AP-19). None for a unit that does not exist.
    """
    if not line:
        return None
    return Membership(line[0].unit_id, heads(line, above_members), _holders(own))


def superiors(line: Sequence[Unit], above_members: Sequence[Seat]) -> frozenset[str]:
    """Who heads the unit or one above it, as staff ids; `line`: nearest first."""
    return frozenset(who for place in range(len(line)) for who in heads(line[place:], above_members))


def headed(chart: Chart, above_members: Sequence[Seat], staff_id: str) -> frozenset[str]:
    """Of all units of a day those whose 所属長 the person is; from these and all posts above member."""
    seats: dict[str, list[Seat]] = defaultdict(list)
    for seat in above_members:
        seats[seat.unit_id].append(seat)
    lines = [tuple(chart.upwards(unit_id)) for unit_id in chart.units]
    return frozenset(
        line[0].unit_id
        for line in lines
        if staff_id in heads(line, [seat for place in line for seat in seats[place.unit_id]])
    )


def heads(line: Iterable[Unit | Place], seats: Sequence[Seat]) -> tuple[str, ...]:
    """The 所属長 of the first unit of the line, as `membership` says; nobody for no line."""
    for unit in line:
        held = [s for s in seats if s.unit_id == unit.unit_id and s.rank in _HEADS and s.holders]
        if held:
            highest = max(_HEADS.index(seat.rank) for seat in held)
            return _holders([seat for seat in held if _HEADS.index(seat.rank) == highest])
    return ()


def _holders(seats: Sequence[Seat]) -> tuple[str, ...]:
    return tuple(sorted({holder.staff_id for seat in seats for holder in seat.holders}))
