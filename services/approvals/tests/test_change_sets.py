"""Planned changes of the organisation: rules as pure functions, then their life over gRPC and at midnight."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis import clock, db
from chassis.errors import DomainError
from kanketsu.approvals.v1 import reorganisation_service_pb2 as pb
from services.approvals.changes import commands, domain, midnight, preview, store
from services.approvals.changes.domain import (
    AppointmentRow,
    Change,
    ChangeKind,
    Finding,
    Organisation,
    PostRow,
    StaffRow,
    UnitRow,
)
from services.approvals.organisation import store as organisation_store


async def refused(awaitable):
    with pytest.raises(DomainError) as caught:
        await awaitable
    return caught.value


# --- what a change means -------------------------------------------------------------------------


def unit(unit_id, name, parent_id="U-市"):
    return UnitRow(unit_id, parent_id, "mayor", name, "カナ", "箕", 1)


def person(staff_id, name="髙橋 一郎"):
    return StaffRow(staff_id, name, "タカハシ イチロウ", f"login.{staff_id}", f"{staff_id}@example.jp")


TOWN = Organisation(
    units={"U-市": unit("U-市", "箕面市", ""), "U-観": unit("U-観", "観光室"), "U-商": unit("U-商", "商工室")},
    posts={
        "P-観": PostRow("P-観", "U-観", "室長", "head"),
        "P-商": PostRow("P-商", "U-商", "室長", "head"),
        "P-員": PostRow("P-員", "U-商", "係員", "member"),
    },
    staff={"S1": person("S1"), "S2": person("S2", "岩﨑 千尋"), "S3": person("S3", "𠮷田 葵")},
    appointments={
        ("S1", "P-観"): AppointmentRow("S1", "P-観", "main"),
        ("S2", "P-商"): AppointmentRow("S2", "P-商", "main"),
        ("S3", "P-員"): AppointmentRow("S3", "P-員", "main"),
    },
)


def begins(staff_id, post_id, appointment="main"):
    return Change(ChangeKind.APPOINTMENT_BEGINS, staff_id=staff_id, post_id=post_id, appointment=appointment)


def ends(staff_id, post_id):
    return Change(ChangeKind.APPOINTMENT_ENDS, staff_id=staff_id, post_id=post_id)


MERGE = (
    Change(ChangeKind.UNIT_ENDS, unit_id="U-観", successor="U-商"),
    Change(
        ChangeKind.UNIT_CHANGES,
        unit_id="U-商",
        parent_id="U-市",
        body="mayor",
        name="商工観光室",
        kana="シ",
        symbol="箕",
    ),
    Change(ChangeKind.POST_ENDS, post_id="P-観", successor="P-商"),
    Change(ChangeKind.STAFF_ENDS, staff_id="S2"),
    begins("S1", "P-商"),
)


def test_two_units_merge_and_everybody_has_a_place():
    """AP-41: the abolished post has an heir; the leaver's post goes to the other head (AC-16)."""
    made, findings = domain.after(TOWN, MERGE)
    assert findings == []
    assert (set(made.units), made.units["U-商"].name) == ({"U-市", "U-商"}, "商工観光室")
    assert set(made.appointments) == {("S1", "P-商"), ("S3", "P-員")}
    assert domain.successors(MERGE) == [("unit", "U-観", "U-商"), ("post", "P-観", "P-商")]
    assert domain.successors(MERGE, "U-総") == domain.successors(MERGE)
    gone = [domain.Change(domain.ChangeKind.UNIT_ENDS, unit_id="U-観")]
    assert (domain.successors(gone), domain.successors(gone, "U-総")) == ([], [("unit", "U-観", "U-総")])
    assert [(move.staff_id, move.kind) for move in preview.moves(TOWN, made)] == [("S1", "moves"), ("S2", "leaves")]
    assert preview.vacated(TOWN, made) == []
    assert [(one.post_id, one.outcome, one.acts) for one in preview.prospects(TOWN, made, MERGE)] == [
        ("P-商", "new_holder", "P-商"),
        ("P-観", "successor", "P-商"),
    ]


def test_the_order_of_the_lines_does_not_matter():
    """A post is left and taken in one set."""
    swap = [begins("S1", "P-商"), begins("S2", "P-観"), ends("S1", "P-観"), ends("S2", "P-商")]
    for changes in (swap, swap[::-1]):
        made, findings = domain.after(TOWN, changes)
        assert findings == []
        assert [row.staff_id for row in made.holders_of("P-商")] == ["S1"]


def test_what_stays_vacant_and_what_stays_without_an_heir_is_named():
    made, findings = domain.after(
        TOWN,
        [
            ends("S2", "P-商"),
            Change(ChangeKind.POST_ENDS, post_id="P-観"),
            Change(ChangeKind.UNIT_ENDS, unit_id="U-観"),
        ],
    )
    assert findings == []
    assert preview.vacated(TOWN, made) == ["P-商"]
    outcomes = {one.post_id: one.outcome for one in preview.prospects(TOWN, made, [])}
    assert outcomes == {"P-商": "vacant", "P-観": "unresolved"}


@pytest.mark.parametrize("kind", ["acting", "deputizing"])
def test_who_stands_in_does_so_beside_the_regular_holder(kind):
    """AP-19: 事務取扱 and 職務代理 are appointments like others and no second head."""
    made, findings = domain.after(TOWN, [begins("S1", "P-商", kind)])
    assert findings == []
    assert [(row.staff_id, row.kind) for row in made.holders_of("P-商")] == [("S2", "main"), ("S1", kind)]


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ([Change(ChangeKind.UNIT_ENDS, unit_id="U-無")], Finding(1, "DOES_NOT_EXIST", "U-無")),
        ([Change(ChangeKind.POST_BEGINS, post_id="P-観", unit_id="U-観", title="室長", rank="head")], Finding(1, "EXISTS_ALREADY", "P-観")),
        ([Change(ChangeKind.POST_BEGINS, post_id="P-新", unit_id="U-観", title="室長", rank="王")], Finding(1, "UNKNOWN_VALUE", "rank")),
        ([Change(ChangeKind.POST_BEGINS, post_id="P-新", unit_id="U-観", rank="head")], Finding(1, "REQUIRED", "title")),
        ([Change(ChangeKind.POST_BEGINS, post_id="P-新", unit_id="U-無", title="室長", rank="head")], Finding(1, "UNKNOWN_UNIT", "P-新")),
        ([Change(ChangeKind.UNIT_ENDS, unit_id="U-観")], Finding(0, "UNKNOWN_UNIT", "P-観")),
        ([begins("S9", "P-員")], Finding(1, "UNKNOWN_STAFF", "S9/P-員")),
        ([begins("S1", "P-無", "concurrent")], Finding(1, "UNKNOWN_POST", "S1/P-無")),
        ([begins("S1", "P-員")], Finding(1, "MAIN_TWICE", "S1")),
        ([begins("S1", "P-商", "concurrent")], Finding(1, "HELD_TWICE", "P-商")),
        ([begins("S1", "P-商", "joint")], Finding(1, "HELD_TWICE", "P-商")),
        ([Change(ChangeKind.STAFF_BEGINS, staff_id="S9", name="林 翔", kana="ハヤシ", login="login.S1", email="x@y")], Finding(1, "LOGIN_TWICE", "S9")),
        ([Change(ChangeKind.POST_ENDS, post_id="P-員", successor="P-無")], Finding(1, "UNKNOWN_SUCCESSOR", "P-無")),
        ([Change(ChangeKind.UNIT_CHANGES, unit_id="U-観", parent_id="U-観", body="mayor", name="観光室", kana="カ", symbol="箕")], Finding(1, "LOOP", "U-観")),
        ([Change(ChangeKind.ROLE_BEGINS, staff_id="S1", role="king")], Finding(1, "UNKNOWN_VALUE", "role")),
        ([Change(ChangeKind.STAFF_ENDS, staff_id="S1\0")], Finding(1, "MALFORMED", "")),
    ],
)  # fmt: skip
def test_a_set_that_does_not_fit_says_where(changes, finding):
    _, findings = domain.after(TOWN, changes)
    assert finding in findings


PEOPLE = [f"S{number}" for number in range(1, 7)]
POSTS = [f"P{number}" for number in range(1, 6)]


@st.composite
def organisations(draw):
    """One unit with posts of members, people in any of them."""
    staff = draw(st.sets(st.sampled_from(PEOPLE), min_size=1))
    held = draw(
        st.dictionaries(st.tuples(st.sampled_from(sorted(staff)), st.sampled_from(POSTS)), st.just("concurrent"))
    )
    names = draw(st.fixed_dictionaries({one: st.sampled_from(["旧姓", "新姓"]) for one in sorted(staff)}))
    return Organisation(
        units={"U": unit("U", "室", "")},
        posts={one: PostRow(one, "U", "係員", "member") for one in POSTS},
        staff={one: person(one, names[one]) for one in staff},
        appointments={key: AppointmentRow(*key, kind) for key, kind in held.items()},
    )


@given(organisations(), organisations())
@settings(max_examples=200)
def test_differences_lead_exactly_from_one_organisation_to_the_other(before, wished):
    """Whatever the personnel file says, the changes made of it say the same, and nothing more."""
    made, findings = domain.after(before, domain.differences(before, wished))
    assert findings == []
    assert (dict(made.staff), dict(made.appointments)) == (dict(wished.staff), dict(wished.appointments))
    assert domain.differences(before, before) == []
    turnovers = domain.turnovers(before, made)
    assert {row.staff_id for row in turnovers["staff"].ended} >= before.staff.keys() - wished.staff.keys()


# --- the life of a set ---------------------------------------------------------------------------

_days = (dt.date(clock.today().year + year, 4, 1) for year in range(1, 100))


def at(day, hour=0, minute=0, second=0.0):
    midnight_of = dt.datetime.combine(day, dt.time(), tzinfo=clock.JST)
    return midnight_of + dt.timedelta(hours=hour, minutes=minute, seconds=second)


async def drafted(city, day, *changes, by="S0018"):
    planner = await city.person(by)
    answer = await planner.call(
        "DraftChangeSet",
        request_id=clock.new_id(),
        title=f"{day.year}年4月1日付け人事異動",
        effective_on=day.isoformat(),
        changes=[pb.Change(**change) for change in changes],
    )
    return answer.change_set


async def review(city, change_set, by="S0019", **fields):
    planner = await city.person(by)
    request = {
        "request_id": clock.new_id(),
        "change_set_id": change_set.change_set_id,
        "expected_version": change_set.version,
    }
    return (await planner.call("ReviewChangeSet", **(request | fields))).change_set


async def undo(city, change_set, by="S0019", reason="内示の前に見直すため"):
    planner = await city.person(by)
    answer = await planner.call(
        "UndoChangeSet",
        request_id=clock.new_id(),
        change_set_id=change_set.change_set_id,
        expected_version=change_set.version,
        reason=reason,
    )
    return answer.change_set


async def view(city, change_set, by="S0018"):
    return await (await city.person(by)).call("GetChangeSet", change_set_id=change_set.change_set_id)


async def holders(city, post_id, day):
    async with db.connection(city.pool) as conn:
        seats = await organisation_store.find_seats(conn, [post_id], day, clock.now())
    return [holder.staff_id for holder in seats[post_id].holders] if post_id in seats else None


def swap(one, its_post, other, other_post):
    """Two people change places."""
    return [
        {"kind": "appointment_ends", "staff_id": one, "post_id": its_post},
        {"kind": "appointment_ends", "staff_id": other, "post_id": other_post},
        {"kind": "appointment_begins", "staff_id": one, "post_id": other_post, "appointment": "main"},
        {"kind": "appointment_begins", "staff_id": other, "post_id": its_post, "appointment": "main"},
    ]


HEADS = ("S0068", "P-040-03-01", "S0082", "P-050-02-01")
DEPUTIES = ("S0069", "P-040-03-02", "S0083", "P-050-02-02")


async def test_a_reshuffle_takes_effect_at_midnight_and_not_a_second_earlier(city):
    """AC-05, AP-40: 3/31 23:59 is yesterday's holder, 4/1 00:00 the new one; and who reads the day before sees that day."""
    day = next(_days)
    planned = await review(city, await drafted(city, day, *swap(*HEADS)))
    assert (planned.state, planned.reviewed_by, planned.change_count) == ("reviewed", "S0019", 4)
    assert await commands.apply_due(city.pool, at(day, second=-1)) == []
    assert await holders(city, "P-040-03-01", day) == ["S0068"], "nothing is written before the day"
    closed = await commands.apply_due(city.pool, at(day))
    assert [(one.change_set_id, one.state) for one in closed] == [(planned.change_set_id, "applied")]
    assert await holders(city, "P-040-03-01", day - dt.timedelta(days=1)) == ["S0068"]
    assert await holders(city, "P-040-03-01", day) == ["S0082"]
    assert await holders(city, "P-050-02-01", day) == ["S0068"]
    assert await commands.apply_due(city.pool, at(day, second=1)) == [], "once"
    envelopes = [e for e in await city.envelopes("directory") if e.detail.get("about") == planned.change_set_id]
    assert [e.action for e in envelopes] == ["change_set.drafted", "change_set.reviewed", "change_set.applied"]
    assert [e.actor.staff_id for e in envelopes] == ["S0018", "S0019", "service:approvals"]
    assert envelopes[-1].detail == {"about": planned.change_set_id, "effective_on": day.isoformat()}


async def test_two_services_apply_at_once_and_it_happens_once(city):
    day = next(_days)
    planned = await review(city, await drafted(city, day, *swap(*DEPUTIES)))
    results = await asyncio.gather(*(commands.apply_due(city.pool, at(day)) for _ in range(5)))
    assert [one.change_set_id for closed in results for one in closed] == [planned.change_set_id]
    rows = await city.rows("SELECT staff_id FROM appointments WHERE post_id = 'P-040-03-02' AND valid_from = %s", day)
    assert rows == [("S0083",)]


async def test_after_downtime_it_catches_up_and_still_begins_on_its_day(city):
    first, second = next(_days), next(_days)
    leaver = {"kind": "staff_ends", "staff_id": "S0086"}
    for day, changes in ((second, swap("S0082", "P-040-03-01", "S0068", "P-050-02-01")), (first, [leaver])):
        await review(city, await drafted(city, day, *changes))
    # Down over both days; up again on the second at eight.
    closed = await commands.apply_due(city.pool, at(second, hour=8))
    assert [(one.effective_on, one.state) for one in closed] == [(first, "applied"), (second, "applied")]
    rows = await city.rows("SELECT valid_to FROM staff WHERE staff_id = 'S0086'")
    assert rows == [(first,)]
    rows = await city.rows("SELECT valid_to FROM appointments WHERE staff_id = 'S0086'")
    assert rows == [(first,)], "AC-16: a leaver's posts end the same day"
    assert await holders(city, "P-040-03-01", second) == ["S0068"]


async def test_a_set_is_undone_until_midnight_and_leaves_no_trace_in_the_organisation(city):
    day = next(_days)
    planned = await review(city, await drafted(city, day, *swap(*HEADS)))
    before = await city.rows("SELECT count(*), max(valid_from) FROM appointments")
    assert (await refused(undo(city, planned, reason=" "))).reason == "COMMENT_REQUIRED"
    over = await undo(city, planned)
    assert (over.state, over.closed_by, list(over.allowed_actions)) == ("undone", "S0019", [])
    assert await commands.apply_due(city.pool, at(day)) == []
    assert await city.rows("SELECT count(*), max(valid_from) FROM appointments") == before
    assert (await refused(undo(city, over))).reason == "CHANGE_SET_STATE"
    assert (await refused(review(city, over))).reason == "CHANGE_SET_STATE"


async def test_undoing_and_applying_at_once_one_wins(city):
    day = next(_days)
    planned = await review(
        city, await drafted(city, day, {"kind": "role_begins", "staff_id": "S0069", "role": "records_officer"})
    )
    undone, closed = await asyncio.gather(
        undo(city, planned), commands.apply_due(city.pool, at(day)), return_exceptions=True
    )
    rows = await city.rows("SELECT state FROM change_sets WHERE change_set_id = %s", planned.change_set_id)
    roles = await city.rows("SELECT count(*) FROM roles WHERE staff_id = 'S0069' AND valid_from = %s", day)
    if isinstance(undone, DomainError):
        assert (undone.reason in ("STALE_VERSION", "CHANGE_SET_STATE"), rows, roles) == (True, [("applied",)], [(1,)])
    else:
        assert (closed, rows, roles) == ([], [("undone",)], [(0,)])


async def test_a_set_whose_organisation_has_moved_meanwhile_is_refused_whole(city, owner):
    """Nothing half-done: the findings are kept, and the organisation stays as it is."""
    day = next(_days)
    planned = await review(
        city,
        await drafted(
            city,
            day,
            {"kind": "role_begins", "staff_id": "S0070", "role": "records_officer"},
            {"kind": "appointment_ends", "staff_id": "S0070", "post_id": "P-040-03-03"},
        ),
    )
    await owner.execute("UPDATE appointments SET valid_to = %s WHERE staff_id = 'S0070'", (day - dt.timedelta(days=9),))
    closed = await commands.apply_due(city.pool, at(day))
    assert [(one.state, one.findings) for one in closed] == [
        ("refused", (Finding(2, "DOES_NOT_EXIST", "S0070/P-040-03-03"),))
    ]
    assert await city.rows("SELECT count(*) FROM roles WHERE staff_id = 'S0070' AND valid_from = %s", day) == [(0,)]
    assert (await city.envelopes("directory"))[-1].action == "change_set.refused"
    shown = (await view(city, planned)).change_set
    assert [(one.place, one.problem) for one in shown.findings] == [(2, "DOES_NOT_EXIST")]
    await owner.execute("UPDATE appointments SET valid_to = 'infinity' WHERE staff_id = 'S0070'")


async def test_who_planned_a_refused_set_and_the_records_office_hear_of_it(city, owner):
    """Two hundred people would stay where they were: who wrote it, who reviewed it, who can plan anew; by id (AC-14)."""
    day = next(_days)
    planned = await review(
        city,
        await drafted(city, day, {"kind": "role_begins", "staff_id": "S0070", "role": "audit_officer"}),
        by="S0051",
    )
    await owner.execute("INSERT INTO roles (staff_id, role, valid_from) VALUES ('S0070', 'audit_officer', %s)", (day,))
    (closed,) = await commands.apply_due(city.pool, at(day))
    assert closed.state == "refused"
    rows = await city.rows(
        "SELECT staff_id, change_set_id::text, mail_at IS NOT NULL FROM notices WHERE kind = 'change_set_refused'"
        " AND created_at = %s ORDER BY staff_id",
        at(day),
    )
    officers = [one for (one,) in await city.rows("SELECT staff_id FROM roles WHERE role = 'records_officer'")]
    concerned = sorted({planned.author, planned.reviewed_by, *officers})
    assert rows == [(one, planned.change_set_id, True) for one in concerned]
    told = (await (await city.person(planned.author)).call("ListNotices")).notices[0]
    assert (told.kind, told.change_set_id, told.case_id, told.document_id, told.draft_number) == (
        "change_set_refused",
        planned.change_set_id,
        "",
        "",
        "",
    )
    await owner.execute("DELETE FROM notices WHERE kind = 'change_set_refused'")
    await owner.execute("DELETE FROM roles WHERE staff_id = 'S0070' AND valid_from = %s", (day,))


async def test_what_only_the_database_sees_is_a_finding_as_well(city, owner):
    """A row of a later day contradicts: found by the rehearsal at the review, and again at midnight."""
    day = next(_days)
    namesake = "INSERT INTO staff VALUES ('S9002', '林 翔', 'ハヤシ ショウ', 'hayashi.sho', 'h@example.jp', %s)"
    await owner.execute(namesake, (day + dt.timedelta(days=1),))
    joins = {"name": "林 翔子", "kana": "ハヤシ ショウコ", "login": "hayashi.sho", "email": "s@example.jp"}
    planned = await drafted(city, day, {"kind": "staff_begins", "staff_id": "S9001", **joins})
    error = await refused(review(city, planned))
    assert (error.reason, [(f.field, f.problem) for f in error.fields]) == (
        "CHANGES_REFUSED",
        [("changes.0", "CONTRADICTS")],
    )
    assert await city.rows("SELECT 1 FROM staff WHERE staff_id = 'S9001'") == [], "the rehearsal wrote nothing"
    await owner.execute("DELETE FROM staff WHERE staff_id = 'S9002'")
    await review(city, planned)
    await owner.execute(namesake, (day + dt.timedelta(days=1),))
    closed = await commands.apply_due(city.pool, at(day))
    assert [(one.state, one.findings) for one in closed] == [("refused", (Finding(0, "CONTRADICTS", "staff"),))]
    await owner.execute("DELETE FROM staff WHERE staff_id = 'S9002'")


async def test_a_second_set_is_planned_on_top_of_the_first(city):
    """The same day: a new unit in one set, its people in the next."""
    day = next(_days)
    unit_set = await drafted(
        city,
        day,
        {"kind": "unit_begins", "unit_id": "U-050-09", "parent_id": "U-050", "body": "mayor", "name": "万博推進室",
         "kana": "バンパクスイシンシツ", "symbol": "箕地", "sort_order": 299},
        {"kind": "post_begins", "post_id": "P-050-09-01", "unit_id": "U-050-09", "title": "室長", "rank": "head"},
    )  # fmt: skip
    people = await drafted(
        city,
        day,
        {"kind": "appointment_begins", "staff_id": "S0083", "post_id": "P-050-09-01", "appointment": "concurrent"},
    )
    assert (await refused(review(city, people))).reason == "CHANGES_REFUSED", "the unit is not planned yet"
    await review(city, unit_set)
    await review(city, people)
    closed = await commands.apply_due(city.pool, at(day))
    assert [one.state for one in closed] == ["applied", "applied"]
    assert await holders(city, "P-050-09-01", day) == ["S0083"]


async def test_only_another_planner_reviews_and_nobody_else_looks(city):
    """Two persons; and a reshuffle is nobody's business before its day."""
    day = next(_days)
    planned = await drafted(city, day, *swap(*HEADS))
    assert "review" not in planned.allowed_actions
    assert (await refused(review(city, planned, by="S0018"))).reason == "OWN_CHANGES"
    for method, fields in (
        ("ListChangeSets", {}),
        ("GetChangeSet", {"change_set_id": planned.change_set_id}),
        ("ReviewChangeSet", {"request_id": "x", "change_set_id": planned.change_set_id, "expected_version": 1}),
        ("UndoChangeSet", {"request_id": "x", "change_set_id": planned.change_set_id, "expected_version": 1}),
        ("DraftChangeSet", {"request_id": "x", "title": "異動", "effective_on": day.isoformat(), "changes": [pb.Change(kind="unit_ends")]}),
        ("ReadChanges", {"effective_on": day.isoformat(), "changes": [pb.Change(kind="unit_ends")]}),
        ("GetPersonnelFile", {"effective_on": day.isoformat()}),
        ("ReadPersonnelFile", {"effective_on": day.isoformat()}),
        ("ImportPersonnelFile", {"request_id": "x", "effective_on": day.isoformat()}),
    ):  # fmt: skip
        for staff_id in ("S0072", "S0068"):
            error = await refused((await city.person(staff_id)).call(method, **fields))
            assert (method, error.reason) == (method, "NOT_PERMITTED")
    error = await refused(review(city, planned, expected_version=7))
    assert (error.kind.value, error.reason) == ("ABORTED", "STALE_VERSION")
    for missing in ({"change_set_id": clock.new_id()}, {"change_set_id": "昨日の"}):
        assert (await refused(review(city, planned, **missing))).reason == "NOT_FOUND"
    listed = await (await city.person("S0051")).call("ListChangeSets")
    assert planned.change_set_id in {one.change_set_id for one in listed.change_sets}
    assert all(not one.changes for one in listed.change_sets)
    await undo(city, planned)


@pytest.mark.parametrize(
    ("fields", "field", "problem"),
    [
        ({"title": " "}, "title", "REQUIRED"),
        ({"title": "異" * 201}, "title", "TOO_LONG"),
        ({"changes": []}, "changes", "REQUIRED"),
        ({"effective_on": ""}, "effective_on", "REQUIRED"),
        ({"effective_on": "令和9年4月1日"}, "effective_on", "NOT_A_DATE"),
        ({"changes": [pb.Change(kind="unit_explodes")]}, "changes.1.kind", "UNKNOWN"),
        ({"changes": [pb.Change(kind="unit_ends", unit_id="U\0")]}, "changes.1", "MALFORMED"),
        ({"title": "異動\0"}, "title", "MALFORMED"),
    ],
)
async def test_a_wrong_plan_says_what_is_wrong(city, fields, field, problem):
    request = {
        "request_id": clock.new_id(),
        "title": "人事異動",
        "effective_on": "2099-04-01",
        "changes": [pb.Change(kind="unit_ends", unit_id="U-050-02")],
    }
    error = await refused((await city.person("S0018")).call("DraftChangeSet", **(request | fields)))
    assert [(one.field, one.problem) for one in error.fields] == [(field, problem)]


async def test_the_preview_shows_people_posts_and_open_steps(city):
    """Who moves from where to where, what stays vacant, and what becomes of each open step (AP-40, AP-41)."""
    case_id = await city.circulating()
    day = next(_days)
    planned = await drafted(
        city,
        day,
        {"kind": "post_ends", "post_id": "P-040-03-02"},
        {"kind": "post_ends", "post_id": "P-040-03-03", "successor": "P-040-03-01"},
        {"kind": "appointment_ends", "staff_id": "S0068", "post_id": (await now_held(city, "S0068", day))[0]},
    )
    answer = await view(city, planned)
    assert answer.change_set.findings == []
    moves = {move.staff_id: move for move in answer.preview.moves}
    assert moves["S0068"].kind == "moves"
    assert [one.title for one in moves["S0070"].before] == ["担当主査"]
    assert list(moves["S0070"].after) == []
    prospects = {one.post.post_id: one for one in answer.preview.prospects}
    # The route of 環境政策室: 担当主査 → 室長補佐 → 室長.
    assert (prospects["P-040-03-02"].outcome, prospects["P-040-03-02"].open_steps) == ("unresolved", 1)
    assert prospects["P-040-03-03"].acts.post_id == "P-040-03-01"
    assert "P-040-03-01" in {one.post_id for one in answer.preview.vacant}
    assert (await city.records("change_set.viewed"))[-1].object_id == planned.change_set_id
    assert case_id
    await undo(city, planned)
    assert not (await view(city, planned)).HasField("preview")


async def now_held(city, staff_id, day):
    async with db.connection(city.pool) as conn:
        organisation = await store.organisation_on(conn, day)
    return [row.post_id for row in organisation.held_by(staff_id)]


async def test_a_plan_and_what_it_did_cannot_be_rewritten(city):
    """Rules in the database too (ADR-0016)."""
    for statement in (
        "UPDATE change_sets SET changes = '[]'",
        "UPDATE change_sets SET effective_on = '2026-01-01'",
        "DELETE FROM change_sets",
        "UPDATE successors SET new_id = 'P'",
        "DELETE FROM step_moves",
    ):
        assert (await refused(city.rows(statement))).reason == "DATABASE_UNAVAILABLE", statement
    with pytest.raises(Exception, match="cannot change"):
        await city.rows("UPDATE change_sets SET version = version + 1 WHERE state = 'applied'")


def test_the_service_looks_every_minute_and_at_every_midnight():
    late = dt.datetime(2027, 3, 31, 23, 59, 58, tzinfo=clock.JST)
    assert midnight.seconds_to_sleep(late) == 2.0
    assert midnight.seconds_to_sleep(late - dt.timedelta(hours=1)) == midnight.LOOK_SECONDS


def test_nobody_is_named_like_a_service():
    """Who had such an id would pass for a service, whom no review of the log looks at."""
    spy = Change(ChangeKind.STAFF_BEGINS, staff_id="service:gateway", name="影", kana="カゲ", login="k", email="k@x.jp")
    made, findings = domain.after(TOWN, [spy])
    assert (made, findings) == (TOWN, [Finding(1, "MALFORMED", "staff_id")])


# --- a unit is split (RT-10) ---------------------------------------------------------------------

SPLIT = (
    Change(ChangeKind.UNIT_ENDS, unit_id="U-観", successor="U-商"),
    Change(ChangeKind.POST_ENDS, post_id="P-観", successor="P-商"),
    Change(ChangeKind.UNIT_SHARES, unit_id="U-観", class_code="0502-01-01", successor="U-市"),
)


def shares(class_code="", folder_id="", unit_id="U-観", successor="U-市"):
    return Change(
        ChangeKind.UNIT_SHARES, unit_id=unit_id, class_code=class_code, folder_id=folder_id, successor=successor
    )


def test_a_split_unit_has_one_successor_for_all_the_rest():
    """RT-10: what documents is told: the shares of the unit, and who takes what no share names."""
    made, findings = domain.after(TOWN, SPLIT)
    assert findings == []
    told = {one.unit_id: one for one in domain.unit_changes(TOWN, made, SPLIT, domain.successors(SPLIT))}
    assert (told["U-観"].successor, told["U-観"].shares) == ("U-商", (domain.Share("0502-01-01", "", "U-市"),))


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ([shares("0502-01-01", unit_id="U-商")], Finding(4, "UNIT_STAYS", "U-商")),
        ([shares("0502-01-02", successor="U-無")], Finding(4, "UNKNOWN_SUCCESSOR", "U-無")),
        ([shares("0502-01-01", successor="U-商")], Finding(4, "SHARED_TWICE", "0502-01-01")),
        ([shares()], Finding(4, "REQUIRED", "class_code")),
        ([shares("0502-01-02", "F-1")], Finding(4, "REQUIRED", "class_code")),
    ],
)
def test_a_share_that_does_not_fit_says_where(changes, finding):
    """RT-10."""
    assert finding in domain.after(TOWN, [*SPLIT, *changes])[1]


def test_nothing_of_a_split_unit_is_left_without_an_owner():
    """RT-10: without a successor for the rest the set is refused."""
    _, findings = domain.after(TOWN, [Change(ChangeKind.UNIT_ENDS, unit_id="U-観"), *SPLIT[1:]])
    assert Finding(3, "REST_UNOWNED", "U-観") in findings
