"""Personnel entries of today and of earlier days (遡及, AC-06): applied by their review, and only the future changes."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from chassis import clock, db
from chassis.requests import Call
from kanketsu.approvals.v1 import reorganisation_service_pb2 as pb
from services.approvals.cases.envelopes import ITSELF, cause_of
from services.approvals.changes import commands, planned
from services.approvals.changes.domain import Change, ChangeKind
from services.approvals.changes.planned import ChangeSet, SetState
from services.approvals.organisation import store as organisation_store
from services.approvals.tests.conftest import refused

TODAY = clock.today()
LATE = TODAY - dt.timedelta(days=40)
LATER = TODAY - dt.timedelta(days=20)
REASON = "発令の通知が遅れたため"
MAYOR, ACTING_MAYOR = "P-000-00-01", "S0002"


def at(day, **later):
    return dt.datetime.combine(day, dt.time(), tzinfo=clock.JST) + dt.timedelta(**later)


async def drafted(city, day, *changes, reason=REASON):
    author = await city.person("S0018")
    answer = await author.call(
        "DraftChangeSet",
        request_id=clock.new_id(),
        title="人事発令",
        effective_on=day.isoformat(),
        changes=[pb.Change(**change) for change in changes],
        late_reason=reason if day < TODAY else "",
    )
    return answer.change_set


async def review(city, change_set):
    reviewer = await city.person("S0019")
    answer = await reviewer.call(
        "ReviewChangeSet",
        request_id=clock.new_id(),
        change_set_id=change_set.change_set_id,
        expected_version=change_set.version,
    )
    return answer.change_set


async def entered(city, day, *changes):
    """Drafted by one, reviewed by another: and it holds."""
    made = await review(city, await drafted(city, day, *changes))
    assert made.state == "applied"
    return made


async def review_at(city, change_set, now):
    """The review of a draft at another moment, in the command itself."""
    reviewer = await city.person("S0019")
    return await commands.review(
        city.pool,
        Call("S0019", clock.new_id(), "ReviewChangeSet", b""),
        change_set.change_set_id,
        change_set.version,
        "S0019",
        reviewer.identity.roles,
        cause_of(ITSELF),
        lambda made: made.state.encode(),
        now,
    )


async def undo_at(city, change_set, now):
    reviewer = await city.person("S0019")
    return await commands.undo(
        city.pool,
        Call("S0019", clock.new_id(), "UndoChangeSet", b""),
        change_set.change_set_id,
        change_set.version,
        "内示の前に見直すため",
        "S0019",
        reviewer.identity.roles,
        cause_of(ITSELF),
        lambda made: made.state.encode(),
        now,
    )


async def holders(city, post_id, day):
    async with db.connection(city.pool) as conn:
        seats = await organisation_store.find_seats(conn, [post_id], day, clock.now())
    return [holder.staff_id for holder in seats[post_id].holders]


async def spans(city, staff_id, post_id):
    return await city.rows(
        "SELECT valid_from, nullif(valid_to, 'infinity') FROM appointments"
        " WHERE staff_id = %s AND post_id = %s AND valid_from < valid_to ORDER BY 1",
        staff_id,
        post_id,
    )


def begins(staff_id, post_id, appointment="main"):
    return {"kind": "appointment_begins", "staff_id": staff_id, "post_id": post_id, "appointment": appointment}


def ends(staff_id, post_id):
    return {"kind": "appointment_ends", "staff_id": staff_id, "post_id": post_id}


def moves(staff_id, left, taken):
    return [ends(staff_id, left), begins(staff_id, taken)]


# --- which day a plan may be for -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "kind", "reason", "fits"),
    [
        (dt.date(2026, 11, 29), ChangeKind.UNIT_ENDS, "", True),
        (dt.date(2026, 11, 28), ChangeKind.UNIT_ENDS, "", False),
        (dt.date(2026, 11, 28), ChangeKind.APPOINTMENT_ENDS, "", True),
        (dt.date(2026, 11, 27), ChangeKind.APPOINTMENT_ENDS, "", False),
        (dt.date(2026, 11, 27), ChangeKind.APPOINTMENT_ENDS, REASON, True),
        (dt.date(2026, 11, 27), ChangeKind.UNIT_CHANGES, REASON, False),
        (dt.date(2025, 4, 1), ChangeKind.STAFF_ENDS, REASON, True),
        (dt.date(2025, 3, 31), ChangeKind.STAFF_ENDS, REASON, False),
    ],
)
def test_people_today_and_late_with_a_reason_units_only_ahead(day, kind, reason, fits):
    """AC-06: back to the first of April of the last fiscal year, on 28 November 2026."""
    today = dt.date(2026, 11, 28)
    made = ChangeSet("c", "発令", day, SetState.DRAFT, (Change(kind),), "S1", at(today), late_reason=reason)
    assert planned.in_time(made, today) is fits


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"effective_on": LATE.isoformat(), "late_reason": " "}, [("late_reason", "REQUIRED")]),
        ({"late_reason": "遅" * 201}, [("late_reason", "TOO_LONG")]),
        (
            {"effective_on": f"{TODAY.year - 3}-04-01", "late_reason": REASON},
            [("effective_on", "TOO_LONG_AGO")],
        ),
        ({"changes": [pb.Change(kind="unit_ends", unit_id="U-050-02")]}, [("effective_on", "UNITS_AHEAD")]),
    ],
)
async def test_a_plan_that_comes_too_late_says_why(city, fields, wrong):
    request = {
        "request_id": clock.new_id(),
        "title": "人事発令",
        "effective_on": TODAY.isoformat(),
        "changes": [pb.Change(kind="staff_ends", staff_id="S0072")],
    }
    error = await refused((await city.person("S0018")).call("DraftChangeSet", **(request | fields)))
    assert [(one.field, one.problem) for one in error.fields] == wrong


# --- today ---------------------------------------------------------------------------------------


async def test_a_leaver_is_nobody_from_the_moment_of_the_review(city):
    """AC-16, without a directory: two persons, no midnight; and midnight finds nothing to do."""
    draft = await drafted(city, TODAY, {"kind": "staff_ends", "staff_id": "S0086"})
    assert "S0086" in await holders(city, "P-050-02-05", TODAY), "a draft changes nothing"
    made = await review(city, draft)
    assert (made.state, made.reviewed_by, list(made.allowed_actions)) == ("applied", "S0019", [])
    assert "S0086" not in await holders(city, "P-050-02-05", TODAY)
    assert await city.rows("SELECT valid_to FROM staff WHERE staff_id = 'S0086'") == [(TODAY,)]
    assert await spans(city, "S0086", "P-050-02-05") == [(dt.date(2023, 4, 1), TODAY)]
    told = [one for one in await city.envelopes("directory") if one.detail.get("about") == made.change_set_id]
    assert [(one.action, one.actor.staff_id) for one in told] == [
        ("change_set.drafted", "S0018"),
        ("change_set.reviewed", "S0019"),
        ("change_set.applied", "S0019"),
    ]
    assert await commands.apply_due(city.pool, at(TODAY, days=1)) == []
    assert (await refused(undo_at(city, made, clock.now()))).reason == "CHANGE_SET_STATE"


async def test_a_deputy_for_the_mayor_from_today(city):
    """AP-19: 職務代理 on the day that the mayor falls ill; ended the same day it is as if it had not begun."""
    await entered(city, TODAY, begins(ACTING_MAYOR, MAYOR, "acting"))
    assert await holders(city, MAYOR, TODAY) == ["S0001", ACTING_MAYOR]
    assert await holders(city, MAYOR, TODAY - dt.timedelta(days=1)) == ["S0001"]
    await entered(city, TODAY, ends(ACTING_MAYOR, MAYOR))
    assert await holders(city, MAYOR, TODAY) == ["S0001"]


async def test_reviewed_twice_at_once_it_is_applied_once(city):
    draft = await drafted(city, TODAY, begins("S0077", "P-040-04-03", "acting"))
    results = await asyncio.gather(*(review(city, draft) for _ in range(4)), return_exceptions=True)
    assert sorted(getattr(one, "state", getattr(one, "reason", "")) for one in results) == [
        "STALE_VERSION", "STALE_VERSION", "STALE_VERSION", "applied"
    ]  # fmt: skip
    assert await spans(city, "S0077", "P-040-04-03") == [(TODAY, None)]


async def test_what_is_planned_ahead_wins_but_never_over_a_leaver(city):
    """Who enters for today hears that a reviewed plan would not fit any more; AC-16: leaving is not refused."""
    ahead = await review(city, await drafted(city, TODAY + dt.timedelta(days=90), ends("S0064", "P-040-01-05")))
    error = await refused(review(city, await drafted(city, TODAY, ends("S0064", "P-040-01-05"))))
    assert (error.reason, error.metadata["change_set_id"]) == ("PLANNED_OTHERWISE", ahead.change_set_id)
    assert await spans(city, "S0064", "P-040-01-05") == [(dt.date(2026, 4, 1), None)], "nothing of it is written"
    await entered(city, TODAY, {"kind": "staff_ends", "staff_id": "S0064"})
    await undo_at(city, ahead, clock.now())


async def test_while_a_set_of_today_waits_nothing_is_entered(city, owner):
    """Between midnight and the moment it is applied: first that one, then this."""
    waits = await review(city, await drafted(city, TODAY + dt.timedelta(days=1), ends("S0063", "P-040-01-04")))
    await owner.execute(
        "UPDATE change_sets SET effective_on = %s WHERE change_set_id = %s", (TODAY, waits.change_set_id)
    )
    draft = await drafted(city, TODAY, begins("S0062", "P-040-01-04", "acting"))
    error = await refused(review(city, draft))
    assert (error.kind.value, error.reason) == ("UNAVAILABLE", "REORGANISING")
    await commands.apply_due(city.pool, clock.now())
    assert (await review(city, draft)).state == "applied"


# --- DAY_BEGUN -----------------------------------------------------------------------------------


async def test_after_midnight_a_reviewed_set_is_not_undone(city):
    """Reviewed, its day has begun and it is not applied yet: it will be."""
    day = TODAY + dt.timedelta(days=60)
    made = await review(city, await drafted(city, day, begins("S0076", "P-040-04-02", "acting")))
    assert (await refused(undo_at(city, made, at(day)))).reason == "DAY_BEGUN"
    assert [one.state for one in await commands.apply_due(city.pool, at(day))] == ["applied"]


async def test_after_midnight_a_draft_with_units_is_not_reviewed_but_undone(city):
    """What a unit owns does not go elsewhere in the middle of a day (RT-10)."""
    day = TODAY + dt.timedelta(days=61)
    unit = {
        "unit_id": "U-050-02",
        "parent_id": "U-050",
        "body": "mayor",
        "name": "商工課",
        "kana": "シ",
        "symbol": "箕",
    }
    draft = await drafted(city, day, {"kind": "unit_changes", **unit})
    assert (await refused(review_at(city, draft, at(day)))).reason == "DAY_BEGUN"
    assert await undo_at(city, draft, at(day)) == b"undone"


async def test_a_draft_of_people_is_reviewed_on_its_day_and_not_after(city):
    """The next day it would be a late entry, and has no reason."""
    day = TODAY + dt.timedelta(days=62)
    draft = await drafted(city, day, begins("S0076", "P-040-04-05", "concurrent"))
    assert (await refused(review_at(city, draft, at(day, days=1)))).reason == "DAY_BEGUN"
    assert await review_at(city, draft, at(day, hours=8)) == b"applied"
    assert await spans(city, "S0076", "P-040-04-05") == [(day, None)]


# --- late ----------------------------------------------------------------------------------------


async def test_what_is_entered_late_changes_no_act_and_no_event(city):
    """AC-06: the chief had left the post when approving, as is known now; the act stays theirs, the next is another's."""
    case_id = await city.circulating()
    chief, successor = await city.person("S0070"), "S0084"
    await chief.act(await chief.see(case_id), "approve")
    queries = (
        "SELECT to_jsonb(d) FROM decisions AS d ORDER BY d::text",
        "SELECT to_jsonb(s) FROM steps AS s ORDER BY s.step_id",
        "SELECT to_jsonb(c) FROM cases AS c ORDER BY c.case_id",
    )
    before = [await city.rows(query) for query in queries]
    events = await city.envelopes(case_id)
    made = await entered(
        city, LATE, *moves("S0070", "P-040-03-03", "P-050-02-03"), *moves(successor, "P-050-02-03", "P-040-03-03")
    )
    assert made.late_reason == REASON
    assert [await city.rows(query) for query in queries] == before
    assert await city.envelopes(case_id) == events
    # Who held it says from the day that was entered on.
    for day, held in ((LATE - dt.timedelta(days=1), "S0070"), (LATE, successor), (TODAY, successor)):
        assert await holders(city, "P-040-03-03", day) == [held]
    await entered(
        city, TODAY, *moves("S0070", "P-050-02-03", "P-040-03-03"), *moves(successor, "P-040-03-03", "P-050-02-03")
    )


async def test_what_is_known_of_later_days_stays(city, owner):
    """A person ends when it was said they would, whatever is entered of an earlier day; a move ends at the next one."""
    for table in ("staff", "appointments"):
        await owner.execute(f"UPDATE {table} SET valid_to = %s WHERE staff_id = 'S0081' AND valid_to > now()", (LATER,))
    name = ("北川 寿美子", "キタガワ スミコ", "kitagawa.toshimi", "k@city.minoh.example")
    changed = dict(zip(("name", "kana", "login", "email"), name, strict=True))
    await entered(
        city,
        LATE,
        {"kind": "staff_changes", "staff_id": "S0081", **changed},
        begins("S0081", "P-050-02-05", "concurrent"),
        {"kind": "role_begins", "staff_id": "S0081", "role": "records_officer"},
    )
    assert await city.rows("SELECT valid_to FROM staff WHERE staff_id = 'S0081' AND valid_from = %s", LATE) == [
        (LATER,)
    ]
    assert await city.rows("SELECT valid_from, valid_to FROM roles WHERE staff_id = 'S0081'") == [(LATE, LATER)]
    assert await spans(city, "S0081", "P-050-02-05") == [(LATE, LATER)]

    await entered(city, LATER, *moves("S0083", "P-050-02-02", "P-050-01-05"))
    await entered(city, LATE, *moves("S0083", "P-050-02-02", "P-040-01-05"))
    assert await spans(city, "S0083", "P-040-01-05") == [(LATE, LATER)]
    assert await spans(city, "S0083", "P-050-01-05") == [(LATER, None)]
    # It began earlier than was known: one tenure, in two lines.
    await entered(city, LATE, ends("S0083", "P-040-01-05"), begins("S0083", "P-050-01-05"))
    assert await spans(city, "S0083", "P-050-01-05") == [(LATE, LATER), (LATER, None)]


async def test_what_contradicts_a_later_day_is_refused(city):
    """Two heads from the later day on: the page says so before the review, and nothing is written."""
    await entered(city, LATER, ends("S0079", "P-050-01-01"), begins("S0080", "P-050-01-01", "concurrent"))
    draft = await drafted(city, LATE, ends("S0079", "P-050-01-01"), begins("S0082", "P-050-01-01", "concurrent"))
    error = await refused(review(city, draft))
    assert (error.reason, [(one.field, one.problem) for one in error.fields]) == (
        "CHANGES_REFUSED",
        [("changes.0", "CONTRADICTS")],
    )
    shown = (await (await city.person("S0018")).call("GetChangeSet", change_set_id=draft.change_set_id)).change_set
    assert {one.about for one in shown.findings} == {f"{LATER.isoformat()} P-050-01-01"}
    assert await spans(city, "S0082", "P-050-01-01") == []
    # The later day first.
    await entered(city, LATER, ends("S0080", "P-050-01-01"))
    assert (await review(city, draft)).state == "applied"


async def test_the_heir_of_a_post_is_looked_at_by_the_review(city):
    """AP-41: a post that ends, begins anew and follows itself. It was found at midnight only."""
    post = {"post_id": "P-040-04-05", "unit_id": "U-040-04", "title": "係員", "rank": "member"}
    draft = await drafted(
        city,
        TODAY + dt.timedelta(days=63),
        {"kind": "post_ends", "post_id": post["post_id"], "successor": post["post_id"]},
        {"kind": "post_begins", **post},
    )
    error = await refused(review(city, draft))
    assert [(one.field, one.problem) for one in error.fields] == [("changes.0", "CONTRADICTS")]
