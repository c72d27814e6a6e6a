"""A month's review from its opening to its sign-off: who may, what the log gets, and what nobody can undo (SC-07)."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import psycopg
import pytest

from chassis import clock, db
from chassis.errors import DomainError, Kind
from chassis.identity import Identity
from chassis.recorder import timestamp
from conftest import Database
from kanketsu.audit.v1 import review_service_pb2 as pb
from services.audit import commands as log_commands
from services.audit import source_store
from services.audit.policy import AUDIT_OFFICER
from services.audit.review import commands, domain, store
from services.audit.review.domain import Place
from services.audit.review.tests.conftest import HEAD, OFFICER, OTHER_HEAD, Reviews
from services.audit.review.tests.making import DAY, MONTH, OTHER, UNIT, at, leaf
from services.audit.tests.test_api import refused

ABSENT_ID = "0199c7a6-9999-7000-8000-000000000001"


async def a_month(reviews: Reviews) -> None:
    """Two findings about people of two units, and one that the record explains."""
    await reviews.log(
        leaf(at("09:00"), "session.login", document_id="", purpose=""),
        leaf(at("10:00")),
        leaf(at("22:00"), staff_id="S0123", document_id="D-1"),
        leaf(at("23:00"), staff_id="S0401", unit_id=OTHER, detail={"unit": OTHER}, document_id="D-2"),
        leaf(at("11:00"), document_id="D-3", detail={"unit": OTHER}, purpose="route_step"),
        leaf(at("11:30"), outcome="denied", reason="NOT_FOUND", purpose="", document_id="D-4"),
    )


async def findings(reviews: Reviews, who: Identity = OFFICER, **filters: Any) -> list[pb.Finding]:
    answer = await reviews.ask("ListFindings", pb.ListFindingsRequest(**filters), who)
    return list(answer.findings)


def treat(review: pb.Review | str, number: int, version: int, **more: Any) -> pb.TreatFindingRequest:
    review_id = review if isinstance(review, str) else review.review_id
    return pb.TreatFindingRequest(
        request_id=clock.new_id(), review_id=review_id, expected_version=version, number=number, **more
    )


async def test_a_month_from_opening_to_sign_off(reviews: Reviews):
    """Open, assign, comment, judge, sign, add a remark: each step is a leaf, numbered as the review is."""
    await a_month(reviews)
    review = await reviews.open(MONTH)
    assert (review.month, review.number, review.state, review.version) == (MONTH, 1, "open", 1)
    found = await findings(reviews, review_id=review.review_id)
    assert [(one.rule, one.subject_id, one.state) for one in found] == [
        ("after_hours", "S0123", "open"),
        ("after_hours", "S0401", "open"),
        ("foreign_document", "S0123", "recorded"),
    ]
    assert [one.number for one in found] == [1, 2, 3]
    whole = await reviews.ask("GetReview", pb.GetReviewRequest(review_id=review.review_id))
    assert {(one.action, one.outcome): one.count for one in whole.actions} == {
        ("document.viewed", "granted"): 4,
        ("document.viewed", "denied"): 1,
        ("session.login", "granted"): 1,
    }
    day = next(one for one in whole.days if one.day == DAY.isoformat())
    assert (day.accesses, day.denied, day.closed, len(whole.days)) == (6, 1, False, 31)
    assert whole.coverage[0].size == 6
    assert whole.coverage[0].checkpoint.splitlines()[0] == whole.coverage[0].origin

    assigned = await reviews.ask("TreatFinding", treat(review, 1, 1, assignee_id="S0300", comment="確認してください。"))
    assert (assigned.finding.assignee_id, assigned.version) == ("S0300", 2)
    await reviews.ask("TreatFinding", treat(review, 1, 2, comment="議会対応の残業でした。"), HEAD)
    await reviews.ask("TreatFinding", treat(review, 1, 3, state="explained", comment="超過勤務命令簿と一致。"))
    sign = pb.SignReviewRequest(request_id=clock.new_id(), review_id=review.review_id, expected_version=4, text="所見")
    assert (await refused(reviews.ask("SignReview", sign))).reason == "FINDINGS_OPEN"
    await reviews.ask("TreatFinding", treat(review, 2, 4, state="incident", comment="本人に事情を聴く。"))
    sign = pb.SignReviewRequest(
        request_id=clock.new_id(), review_id=review.review_id, expected_version=5, text="事案1件。ほかは問題なし。"
    )
    signed = await reviews.ask("SignReview", sign)
    assert (signed.review.state, signed.review.signed_by, signed.review.open_findings) == ("signed", "S0225", 0)
    remark = pb.RemarkReviewRequest(
        request_id=clock.new_id(), review_id=review.review_id, expected_version=6, text="事案は11月5日に処理済み。"
    )
    assert (await reviews.ask("RemarkReview", remark)).review.version == 7

    leaves = []
    for action in ("review.opened", "finding.assigned", "finding.commented", "review.signed", "review.remarked"):
        leaves += await reviews.leaves(action)
    assert sorted(one.object_version for one in leaves) == [1, 2, 3, 4, 5, 6, 7]
    assert {one.object_id for one in leaves} == {review.review_id}
    # Text stays out of the log: the leaf has its digest.
    assert not [one for one in leaves if "残業" in str(one.detail)]
    assert all(len(one.detail["text"]) == 64 for one in leaves if one.action != "review.opened")


async def test_the_entries_behind_a_finding_are_the_ones_of_the_log(reviews: Reviews):
    await a_month(reviews)
    review = await reviews.open(MONTH)
    answer = await reviews.ask("GetFinding", pb.GetFindingRequest(review_id=review.review_id, number=1))
    assert [(one.index, one.actor.staff_id, one.object_id) for one in answer.entries] == [(2, "S0123", "D-1")]
    assert (answer.review_state, answer.version) == ("open", 1)


async def test_reading_a_review_is_recorded(reviews: Reviews):
    """SC-06: whoever reads about accesses leaves one."""
    await a_month(reviews)
    review = await reviews.open(MONTH)
    await reviews.ask("ListReviews", pb.ListReviewsRequest())
    await reviews.ask("GetReview", pb.GetReviewRequest(review_id=review.review_id, purpose="report"))
    await findings(reviews, review_id=review.review_id)
    await reviews.ask("GetFinding", pb.GetFindingRequest(review_id=review.review_id, number=2))
    await reviews.ask("GetRules", pb.GetRulesRequest())
    actions = [one.action for one in await reviews.recorded()]
    assert actions == ["review.listed", "review.reported", "finding.listed", "finding.viewed", "config.read"]


async def test_a_head_sees_assigned_findings_of_the_own_unit_and_nothing_else(reviews: Reviews):
    """SC-07: the extract of the unit. What is not assigned, or of another unit, is absent."""
    await a_month(reviews)
    review = await reviews.open(MONTH)
    assert await findings(reviews, HEAD) == []
    absent = await refused(reviews.ask("GetFinding", pb.GetFindingRequest(review_id=ABSENT_ID, number=1), HEAD))
    for number in (1, 2, 3):
        request = pb.GetFindingRequest(review_id=review.review_id, number=number)
        hidden = await refused(reviews.ask("GetFinding", request, HEAD))
        assert (hidden.kind, hidden.reason, hidden.message) == (absent.kind, absent.reason, absent.message)
    await reviews.ask("TreatFinding", treat(review, 1, 1, assignee_id="S0300"))
    # Assigned to the head of another unit by mistake: still not shown there.
    await reviews.ask("TreatFinding", treat(review, 2, 2, assignee_id="S0300"))
    assert [one.number for one in await findings(reviews, HEAD)] == [1]
    assert [one.number for one in await findings(reviews, HEAD, unit_id=OTHER)] == []
    assert await findings(reviews, OTHER_HEAD) == []
    request = pb.GetFindingRequest(review_id=review.review_id, number=2)
    assert (await refused(reviews.ask("GetFinding", request, HEAD))).kind is Kind.NOT_FOUND
    comment = treat(review, 2, 3, comment="他所属への記入")
    assert (await refused(reviews.ask("TreatFinding", comment, HEAD))).kind is Kind.NOT_FOUND
    # The head comments, but neither judges nor passes on.
    for more in ({"state": "explained"}, {"assignee_id": "S0400"}):
        wrong = treat(review, 1, 3, comment="問題なし", **more)
        assert (await refused(reviews.ask("TreatFinding", wrong, HEAD))).reason == "NOT_PERMITTED"
    for method, wrong in (
        ("GetReview", pb.GetReviewRequest(review_id=review.review_id)),
        ("ListReviews", pb.ListReviewsRequest()),
        ("ListFindings", pb.ListFindingsRequest(review_id=review.review_id)),
        ("OpenReview", pb.OpenReviewRequest(request_id="r", month=MONTH)),
        ("SignReview", pb.SignReviewRequest(request_id="r", review_id=review.review_id, text="所見")),
        ("RemarkReview", pb.RemarkReviewRequest(request_id="r", review_id=review.review_id, text="補足")),
        ("CompareStaff", pb.CompareStaffRequest(request_id="r", review_id=review.review_id)),
        ("GetRules", pb.GetRulesRequest()),
        ("ChangeRules", pb.ChangeRulesRequest(request_id="r")),
    ):
        assert (await refused(reviews.ask(method, wrong, HEAD))).kind is Kind.NOT_FOUND, method


async def test_a_head_who_moved_to_another_unit_no_longer_sees_it(reviews: Reviews):
    """AC-05: rights follow the post of today."""
    await a_month(reviews)
    review = await reviews.open(MONTH)
    await reviews.ask("TreatFinding", treat(review, 1, 1, assignee_id="S0300"))
    moved = Identity(staff_id="S0300", tenant="minoh", posts={"P-060-01-01": "U-060-01"})
    assert await findings(reviews, moved) == []


async def test_nobody_judges_a_finding_about_oneself(reviews: Reviews):
    await reviews.log(leaf(at("22:00"), staff_id=OFFICER.staff_id))
    review = await reviews.open(MONTH)
    own = treat(review, 1, 1, state="explained", comment="自分のことです")
    assert (await refused(reviews.ask("TreatFinding", own))).reason == "NOT_PERMITTED"
    colleague = Identity(staff_id="S0041", tenant="minoh", roles=frozenset({AUDIT_OFFICER}))
    await reviews.ask("TreatFinding", own, colleague)


async def test_after_the_sign_off_nothing_can_be_added_but_remarks(reviews: Reviews, place: Database):
    """Through the service, and through SQL with the application's role."""
    await reviews.log(leaf(at("22:00")))
    review = await reviews.open(MONTH)
    await reviews.ask("TreatFinding", treat(review, 1, 1, state="explained", comment="確認済み"))
    sign = {"review_id": review.review_id, "text": "所見"}
    await reviews.ask("SignReview", pb.SignReviewRequest(request_id="1", expected_version=2, **sign))
    late = treat(review, 1, 3, state="open", comment="やり直し")
    assert (await refused(reviews.ask("TreatFinding", late))).reason == "REVIEW_SIGNED"
    twice = pb.SignReviewRequest(request_id="2", expected_version=3, **sign)
    assert (await refused(reviews.ask("SignReview", twice))).reason == "REVIEW_SIGNED"
    members = [on_staff("S0123", UNIT)]
    compare = pb.CompareStaffRequest(request_id="3", review_id=review.review_id, expected_version=3, members=members)
    assert (await refused(reviews.ask("CompareStaff", compare))).reason == "REVIEW_SIGNED"
    statements = (
        "INSERT INTO review_notes (review_id, version, action, noted_at, staff_id, number, assignee_id, state, text)"
        f" VALUES ('{review.review_id}', 4, 'finding.commented', now(), 'S0225', 1, '', 'open', '')",
        "INSERT INTO review_findings SELECT review_id, 99, rule, subject_id, unit_id, day, document_id, count,"
        " explained_by, purposes, detail, log_years, leaf_indexes FROM review_findings",
    )
    for statement in statements:
        await _refused_by_database(place.app_url, statement)
        await _refused_by_database(place.owner_url, statement)


@pytest.mark.parametrize("table", ["review_rules", "reviews", "review_findings", "review_notes"])
@pytest.mark.parametrize("role", ["app_url", "owner_url"])
async def test_nobody_changes_or_removes_what_was_written(reviews: Reviews, place: Database, table: str, role: str):
    """An officer with SQL cannot make a finding disappear: neither as the application nor as the owner."""
    await a_month(reviews)
    await reviews.open(MONTH)
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET review_id = review_id", f"TRUNCATE {table} CASCADE"):
        if table == "review_rules":
            statement = statement.replace("review_id = review_id", "reason = 'x'")
        await _refused_by_database(getattr(place, role), statement)


async def _refused_by_database(url: str, statement: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        await conn.execute("SET search_path = audit")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await conn.execute(statement.encode())


async def test_a_stale_write_loses_and_a_repeated_one_is_done_once(reviews: Reviews):
    await a_month(reviews)
    review = await reviews.open(MONTH)
    request = treat(review, 1, 1, comment="一度だけ")
    first = await reviews.ask("TreatFinding", request)
    assert await reviews.ask("TreatFinding", request) == first
    assert (await refused(reviews.ask("TreatFinding", treat(review, 2, 1, comment="古い版")))).reason == "STALE_VERSION"
    racing = [reviews.ask("TreatFinding", treat(review, 2, 2, comment=f"同時 {n}")) for n in range(5)]
    answers = await asyncio.gather(*racing, return_exceptions=True)
    assert sum(not isinstance(one, DomainError) for one in answers) == 1
    request.comment = "別の内容"
    assert (await refused(reviews.ask("TreatFinding", request))).reason == "REQUEST_ID_REUSED"


async def test_a_second_review_of_a_month_waits_for_the_first(reviews: Reviews):
    await reviews.log(leaf(at("10:00")))
    first = await reviews.open(MONTH)
    assert (await refused(reviews.open(MONTH))).reason == "REVIEW_OPEN"
    sign = pb.SignReviewRequest(request_id="1", review_id=first.review_id, expected_version=1, text="指摘なし")
    await reviews.ask("SignReview", sign)
    await reviews.log(leaf(at("22:00")))
    second = await reviews.open(MONTH)
    assert (second.number, second.findings) == (2, 1)
    listed = await reviews.ask("ListReviews", pb.ListReviewsRequest(limit=1))
    assert [one.review_id for one in listed.reviews] == [second.review_id]
    rest = await reviews.ask("ListReviews", pb.ListReviewsRequest(cursor=listed.next_cursor))
    assert [one.review_id for one in rest.reviews] == [first.review_id]
    assert (await refused(reviews.ask("ListReviews", pb.ListReviewsRequest(cursor="x")))).reason == "INVALID_CURSOR"


async def test_only_what_a_checkpoint_covers_is_examined(reviews: Reviews):
    """What is not signed yet could still be missing from the log that an outsider verifies."""
    assert (await refused(reviews.open(MONTH))).reason == "NOT_YET_IN_CHECKPOINT"
    await reviews.log(leaf(at("10:00")))
    await log_commands.append(reviews.pool, reviews.keys, [leaf(at("22:00"))], at("22:00"))
    assert (await reviews.open(MONTH)).findings == 0


async def test_months_that_have_not_begun_or_are_none_are_refused(reviews: Reviews):
    await reviews.log(leaf(at("10:00")))
    for month in ("2199-01", "2026-00", "2026/10", ""):
        assert (await refused(reviews.open(month))).reason == "INVALID_FIELDS"


async def test_a_month_whose_entries_were_dropped_is_not_examined(reviews: Reviews, place: Database):
    """SC-03: what remains of it would be found blameless."""
    await reviews.log(leaf(at("22:00")))
    async with await psycopg.AsyncConnection.connect(place.owner_url, autocommit=True) as owner:
        await owner.execute("INSERT INTO audit.dropped_years VALUES (2026, now(), ARRAY['S0225', 'S0041'], 0)")
    error = await refused(reviews.open(MONTH))
    assert [(one.field, one.problem) for one in error.fields] == [("month", "RETENTION_ENDED")]


async def test_a_month_takes_nothing_from_its_neighbours(reviews: Reviews):
    """3/31 and 4/1: two months, two fiscal years, two logs."""
    march = dt.datetime(2026, 3, 31, 23, 59, 59, tzinfo=domain.JST)
    april = dt.datetime(2026, 4, 1, 0, 0, tzinfo=domain.JST)
    await reviews.log(leaf(march, document_id="D-31"))
    # The record of March that arrives in April stands in April's log.
    async with db.connection(reviews.pool) as conn:
        await log_commands.turn_year(conn, reviews.keys, reviews.vault, april, clock.new_id)
    await reviews.log(leaf(april, document_id="D-1"), leaf(march, document_id="D-32", staff_id="S0777"))
    first = await reviews.open("2026-03")
    found = await findings(reviews, review_id=first.review_id)
    assert sorted((one.subject_id, one.day) for one in found) == [("S0123", "2026-03-31"), ("S0777", "2026-03-31")]
    whole = await reviews.ask("GetReview", pb.GetReviewRequest(review_id=first.review_id))
    assert [one.log_year for one in whole.coverage] == [2025, 2026]
    second = await reviews.open("2026-04")
    assert [one.day for one in await findings(reviews, review_id=second.review_id)] == ["2026-04-01"]


async def test_the_first_access_looks_back_beyond_the_month(reviews: Reviews):
    before = at("10:00", dt.date(2026, 9, 30))
    await reviews.log(leaf(before, document_id="D-8", detail={"unit": OTHER}, purpose=""))
    again = [leaf(at("10:00"), document_id=name, detail={"unit": OTHER}, purpose="") for name in ("D-8", "D-9")]
    await reviews.log(*again)
    review = await reviews.open(MONTH)
    found = await findings(reviews, review_id=review.review_id, rule="foreign_document")
    assert [one.document_id for one in found] == ["D-9"]


async def test_an_absence_registered_months_before_is_known(reviews: Reviews):
    detail = {
        "about": "A-1",
        "staff_id": "S0123",
        "from": "2026-07-01T00:00:00+09:00",
        "to": "2027-07-01T00:00:00+09:00",
    }
    registered = at("09:00", dt.date(2026, 6, 1))
    await reviews.log(
        leaf(registered, "absence.registered", document_id="", purpose="", detail=detail, staff_id="S0300")
    )
    await reviews.log(leaf(at("10:00")))
    review = await reviews.open(MONTH)
    assert [one.rule for one in await findings(reviews, review_id=review.review_id)] == ["absent"]


async def test_a_missing_number_is_a_finding(reviews: Reviews):
    epoch = clock.new_id()
    numbered = {"epoch": epoch, "instance": "documents-0"}
    await reviews.log(leaf(at("10:00"), seq=1, **numbered), leaf(at("10:01"), seq=3, **numbered))
    review = await reviews.open(MONTH)
    (gap,) = await findings(reviews, review_id=review.review_id, rule="gap")
    assert (gap.detail["missing"], gap.detail["source"], gap.state) == ("2", "documents.documents-0", "open")


def on_staff(
    staff_id: str,
    unit_id: str,
    until: str = "2026-11-01",
    absent: tuple[dt.datetime, dt.datetime] | None = None,
) -> pb.StaffFact:
    """Somebody on the staff from the month's first day."""
    fact = pb.StaffFact(staff_id=staff_id, unit_id=unit_id)
    fact.employed.add(to=until, **{"from": "2026-10-01"})
    if absent is not None:
        fact.absent.add(to=timestamp(absent[1]), **{"from": timestamp(absent[0])})
    return fact


def compare(review: pb.Review, version: int, *members: pb.StaffFact) -> pb.CompareStaffRequest:
    return pb.CompareStaffRequest(
        request_id=clock.new_id(), review_id=review.review_id, expected_version=version, members=members
    )


async def test_the_staff_list_is_compared_once(reviews: Reviews):
    await reviews.log(
        leaf(at("09:00"), "session.login", document_id="", purpose=""),
        leaf(at("10:00")),
        leaf(at("10:00"), staff_id="S0500"),
    )
    review = await reviews.open(MONTH)
    whole = await reviews.ask("GetReview", pb.GetReviewRequest(review_id=review.review_id))
    assert list(whole.not_examined) == ["left", "unused"]
    members = on_staff("S0123", UNIT), on_staff("S0500", UNIT, until=DAY.isoformat()), on_staff("S0600", OTHER)
    after = await reviews.ask("CompareStaff", compare(review, 1, *members))
    assert (after.review.findings, after.review.staff_compared, after.review.version) == (2, True, 2)
    found = await findings(reviews, review_id=review.review_id)
    assert [(one.rule, one.subject_id, one.unit_id, one.day) for one in found] == [
        ("left", "S0500", UNIT, DAY.isoformat()),
        ("unused", "", OTHER, ""),
    ]
    assert (await refused(reviews.ask("CompareStaff", compare(review, 2, *members)))).reason == "INVALID_FIELDS"


async def test_who_had_left_is_judged_as_of_the_day_of_each_use(reviews: Reviews):
    """AC-16: the last working day is no finding, the day after is; the day is Japanese, and who came back is back."""
    friday, monday = dt.date(2026, 10, 16), dt.date(2026, 10, 19)
    saturday = friday + dt.timedelta(days=1)
    await reviews.log(
        leaf(at("10:00"), "session.login", document_id="", purpose="", staff_id="S0500"),
        leaf(at("17:00", friday), staff_id="S0500", document_id="D-1"),
        # 00:30 of the day after is still Friday in UTC.
        leaf(at("00:30", saturday), staff_id="S0500", document_id="D-2"),
        leaf(at("00:40", saturday), "session.login", document_id="", purpose="", staff_id="S0500"),
        leaf(at("10:00", monday), staff_id="S0500", document_id="D-3"),
        leaf(at("10:00", monday), staff_id="service:documents"),
        leaf(at("10:00", monday), staff_id="S0777", outcome="denied", reason="NOT_FOUND"),
    )
    review = await reviews.open(MONTH)
    # Nobody knows yet what a checkpoint does not cover.
    await log_commands.append(reviews.pool, reviews.keys, [leaf(at("11:00", saturday), staff_id="S0500")], clock.now())
    back = on_staff("S0500", UNIT, until=saturday.isoformat())
    back.employed.add(to="2026-11-01", **{"from": monday.isoformat()})
    await reviews.ask("CompareStaff", compare(review, 1, back))
    (left,) = await findings(reviews, review_id=review.review_id, rule="left")
    assert (left.subject_id, left.day, left.count) == ("S0500", saturday.isoformat(), 2)
    answer = await reviews.ask("GetFinding", pb.GetFindingRequest(review_id=review.review_id, number=left.number))
    assert [one.object_id for one in answer.entries] == ["D-2", ""]


async def test_an_absence_that_only_the_staff_list_knows_is_found_by_it(reviews: Reviews):
    """SC-07: 休職 loaded with the staff list leaves no record of its own; what the log told already is told once."""
    told = {"about": "A-1", "staff_id": "S0124", "from": at("00:00").isoformat(), "to": at("23:59").isoformat()}
    registered = at("09:00", dt.date(2026, 10, 1))
    await reviews.log(
        leaf(registered, "absence.registered", document_id="", purpose="", detail=told, staff_id="S0300"),
        leaf(at("09:59"), staff_id="S0123", document_id="D-1"),
        leaf(at("10:00"), staff_id="S0123", document_id="D-2"),
        leaf(at("10:30"), "document.listed", document_id="", purpose="", staff_id="S0123"),
        leaf(at("10:40"), "session.login", document_id="", purpose="", staff_id="S0123"),
        leaf(at("11:00"), staff_id="S0123", document_id="D-3"),
        leaf(at("10:15"), staff_id="S0124", document_id="D-4"),
    )
    review = await reviews.open(MONTH)
    (known,) = await findings(reviews, review_id=review.review_id, rule="absent")
    assert known.subject_id == "S0124"
    away = at("10:00"), at("11:00")
    members = [on_staff(staff_id, UNIT, absent=away) for staff_id in ("S0123", "S0124", "S0300")]
    await reviews.ask("CompareStaff", compare(review, 1, *members))
    found = await findings(reviews, review_id=review.review_id, rule="absent")
    assert [(one.subject_id, one.day, one.count) for one in found] == [
        ("S0124", DAY.isoformat(), 1),
        ("S0123", DAY.isoformat(), 2),
    ]


async def test_findings_are_filtered_and_paged(reviews: Reviews):
    await a_month(reviews)
    review = await reviews.open(MONTH)
    review_id = review.review_id
    assert [one.number for one in await findings(reviews, review_id=review_id, state="recorded")] == [3]
    assert [one.number for one in await findings(reviews, review_id=review_id, unit_id=OTHER)] == [2]
    seen, cursor = [], ""
    for _ in range(4):
        answer = await reviews.ask("ListFindings", pb.ListFindingsRequest(review_id=review_id, limit=1, cursor=cursor))
        seen += [one.number for one in answer.findings]
        cursor = answer.next_cursor
        if not cursor:
            break
    assert seen == [1, 2, 3]


def rules_change(version: int, effective_from: str, **more: Any) -> pb.ChangeRulesRequest:
    thresholds = {
        **{"documents_per_day": 1, "downloads_per_day": 30, "outputs_per_day": 20, "outputs_times_mean": 5},
        **{"opens_at": "08:45", "closes_at": "17:15", "overtime_minutes": 405, "granted_within_minutes": 60},
        **{"denials_per_day": 10, "unused_days": 90},
    }
    return pb.ChangeRulesRequest(
        request_id=clock.new_id(),
        expected_version=version,
        effective_from=effective_from,
        thresholds=pb.Thresholds(**(thresholds | more)),
        reason="繁忙期の実態に合わせるため",
    )


async def test_rules_change_from_a_month_on_and_never_backwards(reviews: Reviews):
    """A threshold cannot be raised afterwards to make a finding of a past month disappear."""
    this_month = clock.now().date().replace(day=1)
    last_month = (this_month - dt.timedelta(days=1)).replace(day=1)
    past = rules_change(0, last_month.isoformat())
    assert [one.problem for one in (await refused(reviews.ask("ChangeRules", past))).fields] == ["PAST"]
    changed = await reviews.ask("ChangeRules", rules_change(0, this_month.isoformat()))
    assert (changed.rules.version, changed.rules.changed_by) == (1, "S0225")
    stale = rules_change(0, this_month.isoformat())
    assert (await refused(reviews.ask("ChangeRules", stale))).reason == "STALE_VERSION"
    wrong = rules_change(1, this_month.isoformat(), documents_per_day=0)
    assert (await refused(reviews.ask("ChangeRules", wrong))).reason == "INVALID_FIELDS"
    (config,) = await reviews.leaves("config.changed")
    assert (config.object_type, config.object_version, config.staff_id) == ("review_rules", 1, "S0225")
    listed = await reviews.ask("GetRules", pb.GetRulesRequest())
    assert [one.version for one in listed.versions] == [1, 0]

    for month, version in ((last_month, 0), (this_month, 1)):
        when = dt.datetime.combine(month, dt.time(10), domain.JST)
        await reviews.log(*[leaf(when, document_id=f"D-{n}") for n in range(3)])
        review = await reviews.open(month.strftime("%Y-%m"))
        whole = await reviews.ask("GetReview", pb.GetReviewRequest(review_id=review.review_id))
        assert whole.rules.version == version
        bulk = await findings(reviews, review_id=review.review_id, rule="bulk_viewing")
        assert len(bulk) == version


async def test_the_past_month_is_opened_by_itself_once(reviews: Reviews):
    """By whichever replica looks first, six hours after the month is over; an empty month is not opened."""
    await a_month(reviews)
    early = dt.datetime(2026, 11, 1, 5, 59, tzinfo=domain.JST)
    due = dt.datetime(2026, 11, 1, 6, 0, tzinfo=domain.JST)
    assert await commands.open_due(reviews.pool, reviews.keys, early) is None
    opened = await asyncio.gather(*(commands.open_due(reviews.pool, reviews.keys, due) for _ in range(4)))
    assert sum(one is not None for one in opened) == 1
    assert await commands.open_due(reviews.pool, reviews.keys, due) is None
    assert await commands.open_due(reviews.pool, reviews.keys, due.replace(year=2027, month=6)) is None
    (started,) = await reviews.leaves("review.opened")
    assert started.staff_id == "service:audit"
    assert started.detail["month"] == MONTH
    assert len(started.detail) >= 4


async def test_a_note_without_its_leaf_shows_as_a_gap(reviews: Reviews, superuser: psycopg.AsyncConnection):
    """A leaf that an administrator removed is a missing version of the review."""
    await a_month(reviews)
    review = await reviews.open(MONTH)
    await reviews.ask("TreatFinding", treat(review, 1, 1, comment="一"))
    await reviews.ask("TreatFinding", treat(review, 1, 2, comment="二"))
    await superuser.execute("DELETE FROM entries WHERE object_id = %s AND object_version = 2", (review.review_id,))
    async with db.connection(reviews.pool) as conn:
        assert await source_store.missing_versions(conn, "review", review.review_id, 10) == [2]


async def test_entries_are_shown_in_the_order_they_were_found(reviews: Reviews):
    await a_month(reviews)
    async with db.connection(reviews.pool) as conn:
        rows = await store.leaves_at(conn, [Place(2026, 3), Place(2026, 0)])
    assert [index for _, index, _ in rows] == [3, 0]
