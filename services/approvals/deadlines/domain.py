"""How long a step may wait, in opening days of the city (AP-09, LC-13). Pure: the day is an argument.

A deadline only shows: nothing is ever approved, decided or passed over because of it.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import jpholiday

from chassis.wareki import JST

_CLOSED: Final = re.compile(r"(\d{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
# Longer than any row of closed days: searches end.
_FURTHEST: Final = 400


@dataclass(frozen=True)
class Deadlines:
    """The city's calendar and its terms. `closed_days`: every year as 12-29, once as 2026-11-04. ValueError otherwise."""

    closed_days: tuple[str, ...] = ("12-29", "12-30", "12-31", "01-02", "01-03")
    # Opening days after the day on which it came.
    concurrence_days: int = 3
    step_days: int = 5

    def __post_init__(self) -> None:
        if wrong := [day for day in self.closed_days if not _CLOSED.fullmatch(day)]:
            raise ValueError(f"not a closed day: {', '.join(wrong)}")
        if not (1 <= self.concurrence_days <= 60 and 1 <= self.step_days <= 60):
            raise ValueError("terms are 1 to 60 opening days")

    def is_open(self, day: dt.date) -> bool:
        """Neither a weekend nor a national holiday nor a closed day of the city."""
        return _is_open(self.closed_days, day)

    def last_day(self, since: dt.datetime, term: int) -> dt.date:
        """The last of `term` opening days after the day of that moment."""
        return self._after(since.astimezone(JST).date(), term)

    def due_on(self, kind: str, since: dt.datetime) -> dt.date | None:
        """The last day for what waits as `kind` of inbox; None where nothing is urged (供覧, 後閲)."""
        term = self._term(kind)
        return None if term is None else self.last_day(since, term)

    def overdue_before(self, kind: str, today: dt.date) -> dt.datetime:
        """What has waited since before this moment is overdue today. ValueError for a kind without a term."""
        return self.due_before(kind, today - dt.timedelta(days=1))

    def due_before(self, kind: str, day: dt.date, later: int = 0) -> dt.datetime:
        """What has waited since before this moment had its last day by `day`, or so many opening days earlier.

        ValueError for a kind without a term.
        """
        term = self._term(kind)
        if term is None:
            raise ValueError(f"nothing is urged: {kind}")
        first = day
        for _ in range(_FURTHEST):
            if self._after(first - dt.timedelta(days=1), term + later) <= day:
                break
            first -= dt.timedelta(days=1)
        return dt.datetime.combine(first, dt.time(), JST)

    def waited(self, since: dt.datetime, today: dt.date) -> int:
        """Opening days after the one on which it came, today included."""
        day, count = since.astimezone(JST).date(), 0
        while day < today:
            day += dt.timedelta(days=1)
            count += self.is_open(day)
        return count

    def _term(self, kind: str) -> int | None:
        return {"concurrence": self.concurrence_days, "decision": self.step_days}.get(kind)

    def _after(self, day: dt.date, term: int) -> dt.date:
        """The `term`-th opening day after `day`."""
        for _ in range(_FURTHEST):
            day += dt.timedelta(days=1)
            term -= self.is_open(day)
            if term == 0:
                break
        return day


@lru_cache(maxsize=4096)
def _is_open(closed_days: tuple[str, ...], day: dt.date) -> bool:
    """Asked for the same days again and again: of every line of an inbox."""
    own = day.isoformat() in closed_days or day.strftime("%m-%d") in closed_days
    return day.weekday() < 5 and not own and not jpholiday.is_holiday(day)
