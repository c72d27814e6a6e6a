"""係, 課 and 部 of each unit on a day, as its posts say: what 閲覧区分 is measured by (AC-02). Pure.

A unit with a 部長 is a 部, one with a 課長 (室長) is a 課; one below a 課 that has neither is a 係 of it. Nothing of this is
stored: a 組織改編 changes the posts and units of a day, and with them who is beside whom from that day on (AC-05).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

CITY = "city:all"
"""Everybody on the staff."""


@dataclass(frozen=True)
class Place:
    """A unit on a day: the one above it, and whether it has a post of 部長 or of 課長."""

    unit_id: str
    parent_id: str
    directed: bool
    headed: bool


class Chart:
    """All units of a day. A unit that is not among them stands alone."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._places: Mapping[str, Place] = {place.unit_id: place for place in places}

    @property
    def units(self) -> Iterable[str]:
        """Their ids."""
        return self._places.keys()

    def upwards(self, unit_id: str) -> Iterable[Place]:
        """The unit and those above it. A loop in the table ends the walk."""
        seen: set[str] = set()
        while unit_id in self._places and unit_id not in seen:
            seen.add(unit_id)
            yield self._places[unit_id]
            unit_id = self._places[unit_id].parent_id

    def room_of(self, unit_id: str) -> str:
        """The 課 that a 係 belongs to; any other unit itself."""
        for place in self.upwards(unit_id):
            if place.headed and not place.directed:
                return place.unit_id
            if place.directed:
                break
        return unit_id

    def department_of(self, unit_id: str) -> str:
        """The 部: the nearest with a 部長; where there is none, the 課."""
        return next((place.unit_id for place in self.upwards(unit_id) if place.directed), self.room_of(unit_id))

    def is_section(self, unit_id: str) -> bool:
        """Is it a 係?"""
        return self.room_of(unit_id) != unit_id

    def of_room(self, unit_id: str) -> tuple[str, ...]:
        """All units of the same 課, itself among them."""
        return self._rooms.get(self.room_of(unit_id), (unit_id,))

    def sections_below(self, units: Iterable[str]) -> list[str]:
        """係 of those of these that are a 課. A 部 has none: below it are 課 (AC-07)."""
        own = list(units)
        return _once(
            below
            for unit in own
            for below in self.of_room(unit)
            if self.room_of(below) == unit != below and below not in own
        )

    def of_department(self, unit_id: str) -> tuple[str, ...]:
        """All units of the same 部, itself among them."""
        return self._departments.get(self.department_of(unit_id), (unit_id,))

    def principals(self, units: Iterable[str], headed: Iterable[str]) -> list[str]:
        """What somebody with posts in `units`, in `headed` as 課長, is besides a member of them (AC-02).

        `unit:…` of the other units of the same 課; `section:…` of their 係 and of those below them as 所属長;
        `department:…` of every unit of the same 部; and one of the city.
        """
        own = list(dict.fromkeys(units))
        rooms = {self.room_of(unit) for unit in headed}
        near = _once(other for unit in own for other in self.of_room(unit))
        sections = [unit for unit in near if self.is_section(unit) and (unit in own or self.room_of(unit) in rooms)]
        around = _once(other for unit in own for other in self.of_department(unit))
        return [
            *(f"unit:{unit}" for unit in near if unit not in own),
            *(f"section:{unit}" for unit in sections),
            *(f"department:{unit}" for unit in around),
            CITY,
        ]

    @cached_property
    def _rooms(self) -> Mapping[str, tuple[str, ...]]:
        return _grouped((self.room_of(unit), unit) for unit in self._places)

    @cached_property
    def _departments(self) -> Mapping[str, tuple[str, ...]]:
        return _grouped((self.department_of(unit), unit) for unit in self._places)


def _once(units: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(units))


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for key, unit in pairs:
        found.setdefault(key, []).append(unit)
    return {key: tuple(units) for key, units in found.items()}
