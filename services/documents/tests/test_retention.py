"""Fiscal years and retention: the table of domain.md RT-02, and what must hold for every day."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.documents import retention
from services.documents.retention import Period

D = dt.date.fromisoformat
DAYS = st.dates(dt.date(1926, 12, 25), dt.date(2150, 12, 31))
YEARS = st.integers(1, 100)


@pytest.mark.parametrize(
    ("completed_on", "year", "kept", "starts", "until"),
    [
        ("2023-03-31", 2022, "1", "2023-04-01", "2024-03-31"),
        ("2023-04-01", 2023, "1", "2024-04-01", "2025-03-31"),
        ("2022-06-10", 2022, "5", "2023-04-01", "2028-03-31"),
        ("2020-02-29", 2019, "3", "2020-04-01", "2023-03-31"),
        ("2019-04-15", 2019, "10", "2020-04-01", "2030-03-31"),
        ("2024-01-20", 2023, "3", "2024-04-01", "2027-03-31"),
        ("2026-11-23", 2026, "30", "2027-04-01", "2057-03-31"),
    ],
)
def test_the_table_of_rt_02(completed_on: str, year: int, kept: str, starts: str, until: str) -> None:
    day = D(completed_on)
    assert retention.fiscal_year(day) == year
    assert retention.period(kept, day) == Period(D(starts), D(until))
    # 廃棄可能日 is the day after, and not a second earlier.
    moment = retention.lock_until(kept, day)
    assert moment.isoformat() == f"{D(until) + dt.timedelta(days=1)}T00:00:00+09:00"


def test_what_does_not_expire() -> None:
    day = D("2026-11-23")
    assert retention.period("perpetual", day) == Period(D("2027-04-01"), None)
    assert retention.period("perpetual_use", day) == Period(None, None)
    assert retention.lock_until("perpetual", day).isoformat() == "2057-04-01T00:00:00+09:00"
    assert retention.lock_until("perpetual_use", day) == retention.lock_until("perpetual", day)


def test_under_a_year_ends_with_the_fiscal_year() -> None:
    assert retention.period("under_1", D("2026-04-01")) == Period(D("2026-04-01"), D("2027-03-31"))
    assert retention.period("under_1", D("2027-03-31")) == Period(D("2027-03-31"), D("2027-03-31"))


@given(DAYS, YEARS)
def test_every_period_ends_on_a_31_march_and_covers_whole_years(day: dt.date, years: int) -> None:
    kept = retention.period(str(years), day)
    assert kept.starts is not None
    assert kept.until is not None
    assert (kept.starts.month, kept.starts.day) == (4, 1)
    assert (kept.until.month, kept.until.day) == (3, 31)
    assert kept.starts > day
    assert (kept.starts - day).days <= 366
    assert kept.until == dt.date(kept.starts.year + years, 3, 31)


@given(DAYS, DAYS, st.sampled_from(["under_1", "1", "3", "5", "10", "30", "perpetual", "perpetual_use"]))
def test_a_later_completion_never_shortens_a_lock(one: dt.date, other: dt.date, kept: str) -> None:
    early, late = sorted((one, other))
    assert retention.lock_until(kept, early) <= retention.lock_until(kept, late)


@pytest.mark.parametrize("word", ["", "0", "05", "-1", "101", "5年", "五", "forever", "１"])
def test_other_words_are_no_retention(word: str) -> None:
    assert not retention.is_retention(word)
    with pytest.raises(ValueError, match="not a retention"):
        retention.period(word, D("2026-11-23"))
