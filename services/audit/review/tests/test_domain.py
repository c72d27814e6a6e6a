"""Each rule (SC-07): what it finds, what it leaves, and the border between."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random

import pytest

from chassis.errors import DomainError
from services.audit.review import domain
from services.audit.review.domain import Behind, StaffFact, Thresholds
from services.audit.review.tests.making import CLERK, DAY, MONTH, OTHER, UNIT, at, examine, of, record


def documents(count: int, **more: object) -> list[domain.Record]:
    return [
        record(at(f"10:{number // 60:02}:{number % 60:02}"), document_id=f"D-{number}", **more)
        for number in range(count)
    ]


def test_bulk_viewing_counts_different_documents_and_speaks_above_the_threshold():
    limit = Thresholds(documents_per_day=5)
    assert not of("bulk_viewing", examine(*documents(5), thresholds=limit))
    again = [record(at("11:00"), document_id="D-0") for _ in range(20)]
    assert not of("bulk_viewing", examine(*documents(5), *again, thresholds=limit))
    (found,) = of("bulk_viewing", examine(*documents(6), thresholds=limit))
    assert (found.subject_id, found.unit_id, found.day, found.count) == (CLERK, UNIT, DAY, 6)
    assert found.detail == {"documents": "6", "limit": "5"}
    assert len(found.places) == 6


def test_midnight_in_japan_parts_two_days():
    """23:59 and 00:00 JST are two days, though one UTC day."""
    limit = Thresholds(documents_per_day=1)
    late, early = (
        record(at("23:59"), document_id="D-1"),
        record(at("00:00", DAY + dt.timedelta(days=1)), document_id="D-2"),
    )
    assert late.at.astimezone(dt.UTC).date() == early.at.astimezone(dt.UTC).date()
    assert not of("bulk_viewing", examine(late, early, thresholds=limit))
    same = record(at("23:59:59"), document_id="D-2")
    assert of("bulk_viewing", examine(late, same, thresholds=limit))


def test_bulk_download():
    limit = Thresholds(downloads_per_day=3)
    three = [record(at(f"10:0{n}"), "attachment.downloaded") for n in range(3)]
    assert not of("bulk_download", examine(*three, thresholds=limit))
    (found,) = of("bulk_download", examine(*three, record(at("11:00"), "attachment.downloaded"), thresholds=limit))
    assert found.count == 4
    denied = [record(at("11:00"), "attachment.downloaded", outcome="denied", reason="NOT_FOUND") for _ in range(9)]
    assert not of("bulk_download", examine(*three, *denied, thresholds=limit))


def test_output_spike_is_measured_against_the_person_itself():
    limit = Thresholds(outputs_per_day=10, outputs_times_mean=5)
    ten = [record(at(f"10:{n:02}"), "attachment.downloaded") for n in range(10)]
    (found,) = of("output_spike", examine(*ten, thresholds=limit))
    assert found.detail == {"limit": "10", "others": "0"}
    assert not of("output_spike", examine(*ten[:9], thresholds=limit))
    # Somebody whose work is to print every day: 10 on each open day is no spike, and 100 on one of them is.
    days = [day for day in domain.days_of(MONTH) if not domain.is_closed(day, limit)]
    daily = [record(at(f"10:{n:02}", day), "document.printed") for day in days for n in range(10)]
    assert not of("output_spike", examine(*daily, thresholds=limit))
    more = [record(at(f"11:{n // 60:02}:{n % 60:02}"), "document.printed") for n in range(90)]
    (found,) = of("output_spike", examine(*daily, *more, thresholds=limit))
    assert (found.day, found.count) == (DAY, 100)


@pytest.mark.parametrize("action", ["document.printed", "document.exported", "attachment.downloaded", "manifest.read"])
def test_whatever_leaves_the_screen_is_an_output_and_a_reading(action: str):
    """SC-07, AC-15: printing and exporting count as output, and a document printed without a look has been read."""
    limit = Thresholds(outputs_per_day=3, documents_per_day=2)
    taken = [record(at(f"10:0{n}"), action, document_id=f"D-{n}") for n in range(3)]
    found = examine(*taken, thresholds=limit)
    assert [(one.rule, one.count) for one in found] == [("bulk_viewing", 3), ("output_spike", 3)]
    assert not of("output_spike", examine(*taken[1:], thresholds=limit))
    seen = [record(at(f"10:0{n}"), "document.viewed", document_id=f"D-{n}") for n in range(3)]
    assert not of("output_spike", examine(*seen, thresholds=limit))


@pytest.mark.parametrize(
    ("moment", "outside"),
    [
        (at("07:00"), False),
        (at("06:59:59"), True),
        (at("18:59:59"), False),
        (at("19:00"), True),
        (at("23:59"), True),
        (at("00:00"), True),
        # Saturday, and スポーツの日 (a Monday): closed, whatever the hour.
        (at("10:00", dt.date(2026, 10, 17)), True),
        (at("10:00", dt.date(2026, 10, 12)), True),
        (at("10:00", dt.date(2026, 10, 13)), False),
        # 年末年始 of the city, and the last and first day of fiscal years.
        (at("10:00", dt.date(2026, 12, 29)), True),
        (at("10:00", dt.date(2027, 1, 3)), True),
        (at("10:00", dt.date(2027, 1, 4)), False),
        (at("10:00", dt.date(2027, 3, 31)), False),
        (at("10:00", dt.date(2027, 4, 1)), False),
        # 振替休日: 2026-05-06 stands for Constitution Day on a Sunday.
        (at("10:00", dt.date(2026, 5, 6)), True),
    ],
)
def test_after_hours_and_closed_days(moment: dt.datetime, outside: bool):
    found = of("after_hours", examine(record(moment), month=moment.strftime("%Y-%m")))
    assert bool(found) is outside


def test_after_hours_is_of_documents_and_people_only():
    night = at("22:00")
    login = record(night, "session.login", document_id="", purpose="")
    service = record(night, staff_id="service:documents")
    assert not of("after_hours", examine(login, service))
    assert of("after_hours", examine(record(night, "document.listed", document_id="")))


def test_closed_days_are_the_citys_to_set():
    own = Thresholds(closed_days=("2026-10-15",))
    assert of("after_hours", examine(record(at("10:00")), thresholds=own))
    assert not of("after_hours", examine(record(at("10:00")), thresholds=Thresholds(closed_days=())))


def denial(time: str, action: str = "document.viewed", reason: str = "NOT_FOUND", **more: object) -> domain.Record:
    return record(at(time), action, outcome="denied", reason=reason, purpose="", **more)


@pytest.mark.parametrize(("granted", "found"), [("10:59:59", True), ("11:00", True), ("11:00:01", False)])
def test_denied_then_granted_within_the_window(granted: str, found: bool):
    records = denial("10:00", document_id="D-1"), record(at(granted), document_id="D-1", purpose="grant")
    assert bool(of("denied_then_granted", examine(*records))) is found


def test_denied_then_granted_across_midnight_and_only_for_the_same_person_and_document():
    after = record(at("00:10", DAY + dt.timedelta(days=1)), document_id="D-1")
    assert of("denied_then_granted", examine(denial("23:50", document_id="D-1"), after))
    assert not of("denied_then_granted", examine(denial("23:50", document_id="D-2"), after))
    assert not of("denied_then_granted", examine(denial("23:50", document_id="D-1", staff_id="S0999"), after))


@pytest.mark.parametrize(
    ("reason", "refused", "granted", "found"),
    [
        ("NOT_FOUND", "document.viewed", "document.viewed", True),
        ("NOT_FOUND", "document.viewed", "attachment.downloaded", True),
        ("DOWNLOAD_NOT_PERMITTED", "attachment.downloaded", "attachment.downloaded", True),
        ("PRINT_NOT_PERMITTED", "document.printed", "document.printed", True),
        ("NOT_PERMITTED", "document.history_read", "document.history_read", True),
        # Who may not print goes on reading.
        ("PRINT_NOT_PERMITTED", "document.printed", "document.viewed", False),
        ("NOT_PERMITTED", "document.updated", "document.viewed", False),
        # Everyday work: read again, then act.
        ("READ_RECEIPT_INVALID", "document.viewers_read", "document.viewers_read", False),
        ("NOT_YOUR_STEP", "document.submitted", "document.submitted", False),
    ],
)
def test_only_a_refusal_of_access_counts_before_a_grant(reason: str, refused: str, granted: str, found: bool):
    """SC-07: a hidden document seen at last, or the very act that was not permitted done."""
    records = (
        denial("10:00", refused, reason, document_id="D-1"),
        record(at("10:05"), granted, document_id="D-1", purpose="grant"),
    )
    assert len(of("denied_then_granted", examine(*records))) == int(found)


def test_a_step_of_a_case_explains_the_access_after_a_refusal_and_a_grant_does_not():
    def explained(purpose: str) -> str:
        records = denial("10:00", document_id="D-1"), record(at("10:30"), document_id="D-1", purpose=purpose)
        (found,) = of("denied_then_granted", examine(*records))
        assert found.count == 2
        return found.explained_by

    assert explained("route_step") == "route_step"
    assert explained("grant") == ""
    assert explained("") == ""


def test_many_denials():
    limit = Thresholds(denials_per_day=3)
    three = [denial(f"10:0{n}", document_id=f"D-{n}") for n in range(3)]
    assert not of("denials", examine(*three, thresholds=limit))
    (found,) = of("denials", examine(*three, denial("11:00"), thresholds=limit))
    assert found.count == 4
    tomorrow = record(at("10:00", DAY + dt.timedelta(days=1)), outcome="denied", reason="NOT_FOUND")
    assert not of("denials", examine(*three, tomorrow, thresholds=limit))


def absence(first: str, last: str, action: str = "absence.registered") -> domain.Record:
    detail = {"about": "A-1", "staff_id": CLERK, "from": first, "to": last}
    return record(at("09:00", dt.date(2026, 10, 1)), action, staff_id="S0300", document_id="", detail=detail)


@pytest.mark.parametrize(
    ("moment", "found"),
    [
        (at("08:44:59"), False),
        (at("08:45"), True),
        (at("17:14:59", DAY + dt.timedelta(days=1)), True),
        (at("17:15", DAY + dt.timedelta(days=1)), False),
    ],
)
def test_use_during_an_absence(moment: dt.datetime, found: bool):
    away = absence("2026-10-15T08:45:00+09:00", "2026-10-16T17:15:00+09:00")
    assert bool(of("absent", examine(record(moment), known=(away,)))) is found


def test_an_absence_that_was_called_off_is_none():
    away = absence("2026-10-15T08:45:00+09:00", "2026-10-16T17:15:00+09:00")
    over = absence("2026-10-15T08:45:00+09:00", "2026-10-15T08:45:00+09:00", "absence.ended")
    assert not of("absent", examine(record(at("10:00")), known=(away, over)))
    assert not of("absent", examine(record(at("10:00"), staff_id="S0124"), known=(away,)))


def test_first_access_to_a_document_of_another_unit():
    foreign = {"document_id": "D-9", "detail": {"unit": OTHER}}
    first, again = record(at("10:00"), purpose="", **foreign), record(at("10:05"), purpose="", **foreign)
    (found,) = of("foreign_document", examine(first, again))
    assert found.places == (first.place,)
    assert (found.document_id, found.detail, found.explained_by) == ("D-9", {"owner_unit": OTHER}, "")
    assert not of("foreign_document", examine(again, read_before=frozenset({(CLERK, "D-9")})))
    assert not of("foreign_document", examine(record(at("10:00"))))


@pytest.mark.parametrize("purpose", ["route_step", "circulation", "acted", "drafter"])
def test_a_recorded_reason_marks_the_access_as_explained(purpose: str):
    (found,) = of("foreign_document", examine(record(at("10:00"), detail={"unit": OTHER}, purpose=purpose)))
    assert found.explained_by == purpose
    assert domain.first_state(found.explained_by) == "recorded"


def test_a_grant_explains_nothing():
    """AC-01: nobody can give one in the product, so whoever has it got it by another way."""
    (found,) = of("foreign_document", examine(record(at("10:00"), detail={"unit": OTHER}, purpose="grant")))
    assert found.explained_by == ""


@pytest.mark.parametrize("action", ["document.viewed", "attachment.read", "document.history_read"])
def test_every_document_seen_by_break_glass_is_one_to_ask_about(action: str):
    """AC-08: whatever was looked at, in the own unit too; the same reading otherwise is none, nor is one refused."""
    looked = {"detail": {"unit": OTHER}, "purpose": "break_glass"}
    twice = [record(at(f"10:0{n}"), action, document_id="D-1", **looked) for n in range(2)]
    another = record(at("11:00"), action, document_id="D-2", purpose="break_glass", detail={"unit": UNIT})
    found = of("break_glass", examine(*twice, another))
    assert [(one.subject_id, one.document_id, one.count, one.explained_by) for one in found] == [
        (CLERK, "D-1", 2, ""),
        (CLERK, "D-2", 1, ""),
    ]
    assert found[0].detail == {"owner_unit": OTHER}
    others = [record(at("10:00"), action, document_id="D-1", purpose=one) for one in ("owner_unit", "grant", "")]
    refused = record(
        at("10:00"), action, document_id="D-1", purpose="break_glass", outcome="denied", reason="NOT_FOUND"
    )
    assert not of("break_glass", examine(*others, refused))


def test_documents_about_staff_read_from_another_unit():
    about_staff = {"detail": {"unit": OTHER, "class": "0203-01-02"}}
    (found,) = of("staff_file", examine(record(at("10:00"), purpose="", **about_staff)))
    assert (found.explained_by, found.detail) == ("", {"owner_unit": OTHER})
    assert not of("staff_file", examine(record(at("10:00"), detail={"unit": OTHER, "class": "0204-01-02"})))
    assert not of(
        "staff_file", examine(record(at("10:00"), **about_staff), thresholds=Thresholds(staff_file_classes=()))
    )


def test_reading_without_a_recorded_reason():
    (found,) = of("unexplained", examine(record(at("10:00"), purpose="", detail={"unit": OTHER})))
    assert (found.count, found.purposes) == (1, {"": 1})
    assert not of("unexplained", examine(record(at("10:00"), purpose="route_step", detail={"unit": OTHER})))
    assert not of("unexplained", examine(record(at("10:00"), purpose="")))


def test_privileged_acts():
    acts = [
        record(at("10:00"), "config.changed", document_id=""),
        record(at("11:00"), "audit.exported", document_id=""),
    ]
    restored = record(at("12:00"), "backup.restored", document_id="", staff_id="service:audit")
    found = of("privileged", examine(*acts, restored, record(at("10:00"), "audit.read", document_id="")))
    assert [(one.subject_id, one.detail["action"]) for one in found] == [
        (CLERK, "audit.exported"),
        (CLERK, "config.changed"),
        ("service:audit", "backup.restored"),
    ]


def test_gaps_and_sources_that_did_not_end_by_themselves():
    gap = domain.gap_of_source("documents.documents-0", "E-1", [3, 4])
    examination = domain.Examination(MONTH, Thresholds())
    examination.take(
        record(at("10:00"), "epoch.recovered", staff_id="service:audit", object_id="E-2", object_type="epoch")
    )
    first, second = examination.findings(set(), [gap])
    assert (first.count, first.detail["missing"]) == (2, "3 4")
    assert second.detail == {"kind": "recovered", "epoch": "E-2"}


def test_documents_about_staff_of_the_own_unit_are_one_finding_of_the_person():
    """SC-07: a colleague's file, or one's own, lies in the own unit. Whose it is, the log does not know."""
    about_staff = {"detail": {"class": "0203-01-02"}}
    read = [record(at(f"10:0{n}"), document_id=f"D-{n % 2}", **about_staff) for n in range(3)]
    (found,) = of("staff_file", examine(*read))
    assert (found.count, found.detail, found.document_id, found.day) == (3, {"own_files": "2"}, "", None)
    assert (found.explained_by, found.purposes) == ("owner_unit", {"owner_unit": 3})
    untold = record(at("11:00"), purpose="", **about_staff)
    (found,) = of("staff_file", examine(*read, untold))
    assert (found.count, found.explained_by) == (4, "")


SEPTEMBER, NOVEMBER = dt.date(2026, 9, 1), dt.date(2026, 11, 1)


def test_who_had_left_and_accounts_nobody_uses():
    """AC-16, SC-07: as of the day of each use; unused is who is on the staff on the month's last day."""
    gone = dt.date(2026, 10, 31)
    members = [
        StaffFact("S0123", UNIT, ((SEPTEMBER, NOVEMBER),)),
        StaffFact("S0500", UNIT, ((SEPTEMBER, gone),)),
        StaffFact("S0600", OTHER, ((SEPTEMBER, NOVEMBER),)),
    ]
    outside = {("S0500", gone): Behind(2, [], unit_id=OTHER), ("S0999", DAY): Behind(1, [], unit_id=OTHER)}
    away = {("S0123", DAY): Behind(3, [], unit_id=UNIT)}
    ends = domain.month_span(MONTH)[1]
    logins = {"S0123": ends - dt.timedelta(days=90), "S0600": ends - dt.timedelta(days=90, seconds=1)}
    found = domain.compare_staff(MONTH, Thresholds(), members, outside, away, logins)
    assert [(one.rule, one.subject_id, one.unit_id, one.day, one.count) for one in found] == [
        ("absent", "S0123", UNIT, DAY, 3),
        ("left", "S0999", OTHER, DAY, 1),
        ("left", "S0500", UNIT, gone, 2),
        ("unused", "", OTHER, None, 1),
    ]
    assert found[-1].detail["staff_ids"] == "S0600"


@pytest.mark.parametrize("members", [[], [StaffFact("S0123", UNIT, ())]])
def test_a_list_without_anybody_on_the_staff_is_none(members: list[StaffFact]):
    """By it everybody would have left."""
    with pytest.raises(DomainError) as refused:
        domain.require_members(members)
    assert refused.value.fields[0].field == "members"


def test_the_years_change_belongs_to_two_months():
    """3/31 23:59:59 is March's and the old fiscal year's, 4/1 00:00 April's."""
    begins, ends = domain.month_span("2027-03")
    assert begins <= at("23:59:59", dt.date(2027, 3, 31)) < ends == at("00:00", dt.date(2027, 4, 1))
    assert domain.month_span("2026-12")[1] == at("00:00", dt.date(2027, 1, 1))
    assert domain.month_before(dt.date(2027, 4, 1)) == "2027-03"
    for wrong in ("2027-13", "2027-3", "2027-03-01", "", "２０２７-03"):
        with pytest.raises(DomainError):
            domain.month_span(wrong)


def test_the_same_month_gives_the_same_findings_in_the_same_order():
    records = [
        *documents(70, purpose="", detail={"unit": OTHER, "class": "0203-01-01"}),
        *[denial(f"12:{n:02}", document_id=f"D-{n}") for n in range(12)],
        *[record(at("22:00"), staff_id=f"S{n:04}") for n in range(20)],
    ]
    once = examine(*records)
    random.Random(7).shuffle(records)
    assert examine(*records) == once
    assert [domain.RULES.index(one.rule) for one in once] == sorted(domain.RULES.index(one.rule) for one in once)


def test_all_entries_are_counted_and_the_first_are_kept():
    many = documents(domain.MAX_ENTRIES + 7)
    (found,) = of("bulk_viewing", examine(*many))
    assert found.count == domain.MAX_ENTRIES + 7
    assert list(found.places) == [one.place for one in many[: domain.MAX_ENTRIES]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("documents_per_day", 0),
        ("denials_per_day", 100_001),
        ("opens_at", "8:45"),
        ("closes_at", "08:45"),
        ("closed_days", ("12/29",)),
        ("staff_file_classes", ("02%",)),
        ("unused_days", 0),
    ],
)
def test_thresholds_no_rule_could_work_with_are_refused(name: str, value: object):
    domain.require_thresholds(Thresholds())
    with pytest.raises(DomainError) as refused:
        domain.require_thresholds(dataclasses.replace(Thresholds(), **{name: value}))
    assert [one.field for one in refused.value.fields] == [f"thresholds.{name}"]


def test_thresholds_survive_being_stored():
    changed = Thresholds(documents_per_day=7, closed_days=("11-03",))
    assert domain.thresholds_of(changed.as_json()) == changed
