"""A month of leaves as the services would write them, by people of the sample city."""

from __future__ import annotations

import datetime as dt

from chassis import clock
from services.audit.entry import Leaf, encode
from services.audit.review.domain import JST, Examination, Finding, Place, Record, Thresholds, record_of

MONTH = "2026-10"
# A Thursday on which the offices are open.
DAY = dt.date(2026, 10, 15)
CLERK, UNIT, OTHER = "S0123", "U-040-03", "U-020-03"
_places = iter(range(10**9))


def at(clock_time: str, day: dt.date = DAY) -> dt.datetime:
    """A moment in Japan: "10:00" or "10:00:59.5"."""
    return dt.datetime.combine(day, dt.time.fromisoformat(clock_time), JST)


def leaf(time: dt.datetime, action: str = "document.viewed", **more: object) -> Leaf:
    """A granted reading of a document of the person's own unit, unless it says otherwise."""
    document_id = more.pop("document_id", "0199c7a6-0000-7000-8000-000000000001")
    detail = {"unit": UNIT, "class": "0403-02-01"} | dict(more.pop("detail", {}))
    values = {
        "event_id": clock.new_id(),
        "time": time,
        "action": action,
        "service": "documents",
        "staff_id": CLERK,
        "unit_id": UNIT,
        "object_type": "document" if document_id else "session",
        "object_id": document_id,
        "purpose": "owner_unit",
        "detail": {key: value for key, value in detail.items() if value},
    }
    return Leaf(**(values | more))


def record(time: dt.datetime, action: str = "document.viewed", **more: object) -> Record:
    """The same as the rules read it."""
    return record_of(Place(2026, next(_places)), encode(leaf(time, action, **more)))


def examine(
    *records: Record,
    thresholds: Thresholds | None = None,
    month: str = MONTH,
    read_before: frozenset[tuple[str, str]] = frozenset(),
    known: tuple[Record, ...] = (),
) -> list[Finding]:
    """The findings of these records."""
    examination = Examination(month, thresholds or Thresholds())
    for one in known:
        examination.learn(one)
    for one in sorted(records, key=lambda one: (one.at, one.place)):
        examination.take(one)
    return examination.findings(read_before)


def of(rule: str, findings: list[Finding]) -> list[Finding]:
    """Those of one rule."""
    return [one for one in findings if one.rule == rule]
