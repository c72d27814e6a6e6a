"""What a page sent, read again."""

from __future__ import annotations

import pytest

from services.gateway.pages.forms import Form, end_of, version_of


@pytest.mark.parametrize(
    ("sent", "read"),
    [("7", 7), ("9" * 18, 10**18 - 1), ("9" * 19, 0), ("-1", 0), ("１", 0), ("7x", 0), ("", 0)],
)
def test_a_version_is_what_a_message_can_carry_or_nobodys(sent: str, read: int) -> None:
    """A tampered version meets a conflict like an old one, and never a failure inside."""
    assert version_of(Form({"version": sent})) == read
    assert version_of(Form({"case_version": sent}), "case_version") == read


@pytest.mark.parametrize(
    ("day", "end"), [("2027-03-31", "2027-04-01"), ("2028-02-28", "2028-02-29"), ("2026-12-31", "2027-01-01")]
)
def test_a_day_ends_with_the_first_moment_of_the_next(day: str, end: str) -> None:
    """SC-06: the last millisecond of a day belongs to it."""
    assert end_of(day) == f"{end}T00:00:00+09:00"
