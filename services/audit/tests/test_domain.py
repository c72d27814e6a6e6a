"""Numbers of a source and names of logs."""

import datetime as dt
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.domain import Numbers, fiscal_year, in_order, origin


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


# --- messages in their order ---------------------------------------------------------------------------------------


def test_messages_in_any_order_are_put_into_the_one_without_a_gap():
    messages = [{"a": (1, 3)}, {"a": (4, 4), "b": (1, 2)}, {"a": (5, 9)}, {"b": (3, 3)}]
    for order in permutations(range(4)):
        ready, early = in_order([messages[place] for place in order], {})
        assert early == []
        reached = {}
        for place in ready:
            for epoch, (first, last) in messages[order[place]].items():
                assert first == reached.get(epoch, 0) + 1
                reached[epoch] = last


def test_what_is_beyond_a_gap_is_early_and_nobody_else_is():
    messages = [{"a": (5, 6)}, {"b": (3, 4)}, {"a": (7, 7)}]
    assert in_order(messages, {"a": 3, "b": 2}) == ([1], [0, 2])
    assert in_order(messages, {"a": 4, "b": 2}) == ([0, 1, 2], [])


def test_what_was_there_before_is_never_early():
    assert in_order([{"a": (2, 3)}], {"a": 9}) == ([0], [])
