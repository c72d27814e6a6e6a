"""Alarms begin and end once."""

from __future__ import annotations

from services.audit.completeness.domain import Alarm, changes


def test_an_alarm_begins_once_and_ends_once():
    gap = Alarm("source.gap", "documents.d-0/1", 4, 6)
    assert changes([], [gap]) == ([gap], [])
    assert changes([gap], [gap]) == ([], [])
    assert changes([gap], []) == ([], [gap])


def test_a_gap_filled_in_part_is_the_same_alarm_and_a_second_gap_is_another():
    gap = Alarm("source.gap", "documents.d-0/1", 4, 6)
    rest, other = Alarm("source.gap", "documents.d-0/1", 5, 5), Alarm("source.gap", "documents.d-0/1", 9, 9)
    assert changes([gap], [rest]) == ([], [])
    assert changes([gap], [rest, other]) == ([other], [])
