"""Numbers of a source and names of logs."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.domain import Numbers, fiscal_year, origin


@given(st.lists(st.integers(1, 40), max_size=60))
def test_numbers_know_what_is_missing_and_what_came_twice(seen: list[int]) -> None:
    numbers, known = Numbers(), set[int]()
    for number in seen:
        assert numbers.add(number) == (number not in known)
        known.add(number)
    assert numbers.last == max(known, default=0)
    missing = [number for first, last in numbers.missing() for number in range(first, last + 1)]
    assert missing == [number for number in range(1, numbers.last) if number not in known]


@given(st.permutations(range(1, 60)))
def test_numbers_in_any_order_end_as_one_span(order: list[int]) -> None:
    numbers = Numbers()
    assert all(numbers.add(number) for number in order)
    assert numbers.missing() == []
    assert numbers._spans == [[1, 59]]


@pytest.mark.parametrize(("day", "year"), [("2026-03-31", 2025), ("2026-04-01", 2026), ("2027-01-01", 2026)])
def test_fiscal_years(day: str, year: int) -> None:
    assert fiscal_year(dt.date.fromisoformat(day)) == year
    assert origin("audit.minoh.example", year) == f"audit.minoh.example/{year}"
