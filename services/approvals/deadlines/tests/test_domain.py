"""Opening days: weekends, holidays, the city's own closed days, and the terms counted in them (AP-09, LC-13)."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import clock
from services.approvals.deadlines import domain
from services.approvals.deadlines.domain import Deadlines

CITY = Deadlines()
DAYS = st.dates(dt.date(2023, 4, 1), dt.date(2030, 3, 31))


def at(day: str, time: str = "10:00") -> dt.datetime:
    return dt.datetime.fromisoformat(f"{day}T{time}:00").replace(tzinfo=clock.JST)


@pytest.mark.parametrize(
    ("day", "is_open"),
    [
        ("2026-11-27", True),
        ("2026-11-28", False),  # Saturday
        ("2026-11-23", False),  # 勤労感謝の日
        ("2026-09-22", False),  # 国民の休日 between two holidays
        ("2026-12-28", True),
        ("2026-12-29", False),  # 年末年始 of the city
        ("2027-01-04", True),
        ("2028-02-29", True),  # a leap day like another
        ("2026-03-31", True),
        ("2026-04-01", True),
    ],
)
def test_closed_are_weekends_holidays_and_the_citys_days(day: str, is_open: bool) -> None:
    assert CITY.is_open(dt.date.fromisoformat(day)) is is_open


@pytest.mark.parametrize(
    ("since", "due_on"),
    [
        (at("2026-11-24"), "2026-11-27"),
        (at("2026-11-24", "23:59"), "2026-11-27"),
        (at("2026-11-20"), "2026-11-26"),  # over a weekend and a Monday holiday
        (at("2026-11-21"), "2026-11-26"),  # came on a Saturday
        (at("2026-12-28"), "2027-01-06"),  # over the turn of the year
        (at("2026-03-30"), "2026-04-02"),  # over the turn of the fiscal year
        (at("2028-02-25"), "2028-03-01"),
    ],
)
def test_a_concurrence_has_three_opening_days(since: dt.datetime, due_on: str) -> None:
    """AP-09."""
    assert CITY.due_on("concurrence", since) == dt.date.fromisoformat(due_on)


def test_days_are_japanese_wherever_the_moment_was_written() -> None:
    """AP-51: 15:30 UTC on Tuesday is Wednesday here."""
    written = dt.datetime(2026, 11, 24, 15, 30, tzinfo=dt.UTC)
    assert CITY.due_on("concurrence", written) == dt.date(2026, 11, 30)


def test_what_only_informs_is_never_urged() -> None:
    """AP-18: a 後閲 waits as long as it takes."""
    for kind in ("post_view", "circulation"):
        assert CITY.due_on(kind, at("2026-11-24")) is None
        with pytest.raises(ValueError, match="urged"):
            CITY.overdue_before(kind, dt.date(2026, 11, 24))


@given(day=DAYS, today=DAYS, kind=st.sampled_from(["decision", "concurrence"]))
def test_the_moment_before_which_all_is_overdue_is_exact(day: dt.date, today: dt.date, kind: str) -> None:
    since = dt.datetime.combine(day, dt.time(12), clock.JST)
    due_on = CITY.due_on(kind, since)
    assert due_on is not None
    assert (due_on < today) == (since < CITY.overdue_before(kind, today))


@given(day=DAYS, later=st.integers(0, 60))
def test_on_the_last_day_the_whole_term_has_been_waited(day: dt.date, later: int) -> None:
    since = dt.datetime.combine(day, dt.time(12), clock.JST)
    due_on = CITY.due_on("decision", since)
    assert due_on is not None
    assert CITY.waited(since, due_on) == CITY.step_days
    assert (CITY.waited(since, day + dt.timedelta(days=later)) > CITY.step_days) <= (
        day + dt.timedelta(days=later) > due_on
    )


def test_days_and_terms_are_the_citys_to_set() -> None:
    own = Deadlines(closed_days=("2026-11-25",), concurrence_days=1)
    assert own.due_on("concurrence", at("2026-11-24")) == dt.date(2026, 11, 26)
    assert own.is_open(dt.date(2026, 12, 29))
    for wrong in (("12/29",), ("13-01",), ("2026-1-1",)):
        with pytest.raises(ValueError, match="closed day"):
            Deadlines(closed_days=wrong)
    with pytest.raises(ValueError, match="opening days"):
        Deadlines(concurrence_days=0)


def test_a_page_asks_the_calendar_once_for_each_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many lines of an inbox came in the same week."""
    asked: list[dt.date] = []
    holiday = domain.jpholiday.is_holiday

    def counted(day: dt.date) -> bool:
        asked.append(day)
        return bool(holiday(day))

    monkeypatch.setattr(domain.jpholiday, "is_holiday", counted)
    domain._is_open.cache_clear()
    for _ in range(50):
        assert CITY.due_on("decision", at("2026-04-28")) == dt.date(2026, 5, 11), "over the holidays of May"
    assert len(asked) == len(set(asked)) <= 13
