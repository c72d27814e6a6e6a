"""What the report tells the council of a month: comparisons, alarms from beginning to end, and who outside vouches."""

from __future__ import annotations

import datetime as dt

import psycopg
import pytest

from chassis import clock
from kanketsu.audit.v1 import review_service_pb2 as pb
from services.audit.completeness import commands as completeness
from services.audit.completeness.domain import Alarm
from services.audit.review import assurance
from services.audit.review.api import BEGUN, ENDED
from services.audit.review.domain import Record
from services.audit.review.tests.conftest import Reviews
from services.audit.review.tests.making import DAY, MONTH, at, leaf, record

OCTOBER = dt.date(2026, 10, 1)
LATER = dt.date(2026, 11, 5)
EPOCH = "0199c7a6-0000-7000-8000-0000000000e1"


def said(action: str, time: dt.datetime, subject: str, **detail: str) -> Record:
    """A leaf of the log about itself."""
    return record(
        time,
        action,
        staff_id="service:audit",
        document_id="",
        object_type="alarm",
        object_id=subject,
        detail={"unit": "", "class": "", **detail},
    )


def compared(day: int, action: str = assurance.AGREED, time: str = "00:02") -> Record:
    when = dt.date(2026, 10, day)
    return said(action, at(time, when), when.isoformat())


def of_october(*records: Record, today: dt.date = LATER, opened_on: dt.date = OCTOBER) -> assurance.Completeness:
    return assurance.completeness(MONTH, records, BEGUN, ENDED, opened_on, today)


def test_every_day_is_compared_or_named():
    found = of_october(*(compared(day) for day in range(1, 32) if day != 9), compared(12, assurance.DISAGREED, "15:00"))
    assert (len(found.agreed), found.disagreed) == (29, [dt.date(2026, 10, 12)])
    assert found.not_compared == [dt.date(2026, 10, 9)]


def test_days_before_the_log_and_after_today_are_nobody_s():
    """A running month: today may still come; a log that was opened in the month begins that day."""
    found = of_october(compared(3), today=dt.date(2026, 10, 5), opened_on=dt.date(2026, 10, 2))
    assert [day.day for day in found.not_compared] == [2, 4]


SUBJECT = f"documents.documents-0/{EPOCH}"


def gap(action: str, time: dt.datetime, first: int = 3, last: int = 7) -> Record:
    return said(action, time, SUBJECT, first=str(first), last=str(last))


def test_an_alarm_is_told_from_its_beginning_to_its_end_and_names_no_process():
    found = of_october(gap("source.gap_found", at("10:00")), gap("source.gap_filled", at("10:30")))
    assert found.alarms == [assurance.AlarmSpan("source.gap", "documents", 5, at("10:00"), at("10:30"))]
    assert SUBJECT not in repr(found)


@pytest.mark.parametrize(
    ("since", "until", "told"),
    [
        # Of another month, begun before and still standing in it, ended after it, standing for ever.
        (at("10:00", dt.date(2026, 9, 20)), at("10:00", dt.date(2026, 9, 21)), False),
        (at("10:00", dt.date(2026, 9, 20)), at("10:00", OCTOBER), True),
        (at("23:59", dt.date(2026, 10, 31)), at("10:00", LATER), True),
        (at("10:00", dt.date(2026, 9, 20)), None, True),
        (at("00:00", dt.date(2026, 11, 1)), None, False),
    ],
)
def test_alarms_of_a_month_are_those_that_stood_in_it(since: dt.datetime, until: dt.datetime | None, told: bool):
    records = [gap("source.gap_found", since), *([gap("source.gap_filled", until)] if until else [])]
    found = of_october(*records).alarms
    assert [(one.since, one.until) for one in found] == ([(since, until)] if told else [])


def test_two_gaps_of_one_source_are_two_and_one_that_comes_again_is_two():
    found = of_october(
        gap("source.gap_found", at("10:00")),
        gap("source.gap_found", at("10:01"), 9, 9),
        gap("source.gap_filled", at("10:30"), 9, 9),
        gap("source.gap_found", at("11:00"), 9, 9),
    ).alarms
    assert [(one.numbers, one.until) for one in found] == [(5, None), (1, at("10:30")), (1, None)]


def test_a_disagreement_lasts_until_the_next_agreement():
    bad, good = assurance.DISAGREED, assurance.AGREED
    found = of_october(compared(1), compared(2, bad), compared(3, bad), compared(4, good), compared(5, bad)).alarms
    assert [(one.kind, one.since.day, one.until and one.until.day) for one in found] == [
        ("reconciliation.failed", 2, 4),
        ("reconciliation.failed", 5, None),
    ]


def test_the_last_check_is_the_newest_since_the_month_began():
    origin = "audit.minoh.example/2026"

    def check(day: dt.date, findings: str, name: str = origin, time: str = "03:00") -> Record:
        return said(assurance.CHECKED, at(time, day), name, leaves="900", findings=findings)

    september, october, november = dt.date(2026, 9, 30), DAY, LATER
    assert assurance.last_check(MONTH, origin, [check(september, "0")]) is None
    # Earlier years are checked as well, and after it.
    other = check(november, "0", "audit.minoh.example/2025", "03:05")
    found = assurance.last_check(
        MONTH, origin, [check(october, "0"), check(november, "2"), check(september, "0"), other]
    )
    assert found == assurance.Check(at("03:00", november), origin, 900, 2)


def test_an_alarm_about_the_log_names_no_place():
    place = "audit.minoh.example/2026 leaf 12"
    (found,) = of_october(said("log.alteration_found", at("10:00"), place)).alarms
    assert (found.kind, found.service, found.until) == ("log.altered", "audit", None)


async def test_a_review_has_them_from_the_log_and_from_what_others_signed(
    reviews: Reviews, superuser: psycopg.AsyncConnection
):
    """Real alarms by the code that raises them; cosignatures and time-stamps as they are kept. All of the month only."""
    when = at("10:00")
    silent = dt.timedelta(minutes=3)
    epoch = {"epoch": EPOCH, "instance": "documents-0"}
    await reviews.log(leaf(when, seq=1, **epoch), leaf(when, seq=4, **epoch))
    noticed = completeness.Noticed(dt.timedelta(0))
    begun, _ = await completeness.watch(reviews.pool, noticed, silent, when)
    assert Alarm("source.gap", SUBJECT, 2, 3) in begun
    await reviews.log(*(leaf(when, seq=seq, **epoch) for seq in (2, 3)))
    await completeness.watch(reviews.pool, noticed, silent, when + dt.timedelta(minutes=5))
    assert await completeness.reconcile(reviews.pool, dt.timedelta(0), at("00:02", DAY + dt.timedelta(days=1)))
    await reviews.sign()
    await superuser.execute("INSERT INTO cosigned_checkpoints VALUES (2026, 2, 'x'), (2026, 4, 'x'), (2026, 5, 'x')")
    await superuser.execute(
        "INSERT INTO cosignatures VALUES (2026, 2, 'w.example+0+k', 'x', '2026-09-30 23:59:59+09'),"
        " (2026, 4, 'w.example+0+k', 'x', '2026-10-01 00:00+09'), (2026, 5, 'w.example+0+k', 'x', '2026-10-02+09')"
    )
    await superuser.execute("DELETE FROM checkpoints")
    await superuser.execute(
        "INSERT INTO checkpoints VALUES (2026, 2, 'x', '2026-09-30 23:00+09'), (2026, 4, 'x', '2026-10-31 23:00+09')"
    )
    await superuser.execute("INSERT INTO timestamps VALUES (2026, 4, 'x', '2026-10-31 23:00:05+09')")
    review = await reviews.open(MONTH)
    whole = await reviews.ask("GetReview", pb.GetReviewRequest(review_id=review.review_id, purpose="report"))
    (alarm,) = [one for one in whole.completeness.alarms if one.kind == "source.gap"]
    assert (alarm.service, alarm.numbers) == ("documents", 2)
    assert (alarm.since.ToDatetime(tzinfo=dt.UTC), alarm.until.ToDatetime(tzinfo=dt.UTC)) == (
        when,
        when + dt.timedelta(minutes=5),
    )
    assert list(whole.completeness.agreed) == [(DAY + dt.timedelta(days=1)).isoformat()]
    outside = whole.outside
    assert (outside.checkpoints, outside.size, outside.timestamps, outside.stamped_size) == (1, 4, 1, 4)
    assert [(one.name, one.checkpoints, one.size) for one in outside.witnesses] == [("w.example", 2, 5)]
    assert not outside.HasField("last_check")


async def test_what_no_checkpoint_covers_is_not_told(reviews: Reviews):
    await reviews.log(leaf(at("10:00")))
    assert await completeness.reconcile(reviews.pool, dt.timedelta(0), at("12:00"))
    review = await reviews.open(MONTH)
    request = pb.GetReviewRequest(review_id=review.review_id)
    assert list((await reviews.ask("GetReview", request)).completeness.agreed) == []
    await reviews.sign()
    assert list((await reviews.ask("GetReview", request)).completeness.agreed) == [DAY.isoformat()]
    assert clock.today() > DAY
