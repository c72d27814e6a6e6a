"""Fiscal years and how long documents are kept: pure date arithmetic of RT-01 to RT-05."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

PERPETUAL = "perpetual"
PERPETUAL_USE = "perpetual_use"
UNDER_ONE_YEAR = "under_1"
# The lock of what never expires: this many years, extended every year while it is kept (RT-05).
PERPETUAL_LOCK_YEARS = 30
_LONGEST_YEARS = 100
JST = dt.timezone(dt.timedelta(hours=9))


@dataclass(frozen=True)
class Period:
    """From when to when something is kept. `until` is None for what does not expire."""

    # 起算日; None while 常用.
    starts: dt.date | None
    # 満了日, the last day kept.
    until: dt.date | None


def fiscal_year(day: dt.date) -> int:
    """1 April to 31 March (NB-01)."""
    return day.year if day.month >= 4 else day.year - 1


def is_retention(text: str) -> bool:
    """Whether the word is a retention of the file plan: years, or one of the three words."""
    if text in (PERPETUAL, PERPETUAL_USE, UNDER_ONE_YEAR):
        return True
    return text.isascii() and text.isdigit() and text[0] != "0" and int(text) <= _LONGEST_YEARS


def period(retention: str, completed_on: dt.date) -> Period:
    """起算日 and 満了日 of a document completed on that day.

    RT-02: from 1 April of the year after the fiscal year of completion, to a 31 March.
    常用 starts when the use ends (RT-04); 永年 starts and never ends (RT-05). 1年未満 is kept to
    the end of the fiscal year in which it was completed: less than a year, and a 31 March as well.
    """
    if not is_retention(retention):
        raise ValueError(f"not a retention: {retention!r}")
    year = fiscal_year(completed_on)
    starts = dt.date(year + 1, 4, 1)
    if retention == PERPETUAL_USE:
        return Period(None, None)
    if retention == PERPETUAL:
        return Period(starts, None)
    if retention == UNDER_ONE_YEAR:
        return Period(completed_on, dt.date(year + 1, 3, 31))
    return Period(starts, dt.date(year + 1 + int(retention), 3, 31))


def lock_until(retention: str, completed_on: dt.date) -> dt.datetime:
    """The moment the store may let go: the first second after 満了日 in Japan; 30 years on for what does not expire."""
    last = period(retention, completed_on).until
    if last is None:
        last = dt.date(fiscal_year(completed_on) + 1 + PERPETUAL_LOCK_YEARS, 3, 31)
    return dt.datetime.combine(last + dt.timedelta(days=1), dt.time(), JST)
