"""Acts around the midnight of a reshuffle, and open steps whose post ends (AP-40, AP-41)."""

from __future__ import annotations

import asyncio
import datetime as dt
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import clock, db
from chassis.errors import DomainError
from chassis.requests import Call
from kanketsu.approvals.v1 import reorganisation_service_pb2 as pb
from kanketsu.approvals.v1.approvals_service_pb2 import STEP_STATE_ACTIVE
from services.approvals.cases import commands as case_commands
from services.approvals.cases import domain as cases
from services.approvals.cases.commands import Wish
from services.approvals.cases.domain import Action, CaseState, CityRules, StepState
from services.approvals.cases.envelopes import cause_of
from services.approvals.changes import commands, midnight
from services.approvals.organisation import store as organisation_store
from services.approvals.organisation.domain import Seat
from services.approvals.policy import Reader, Receipt
from services.approvals.succession import commands as succession
from services.approvals.succession import domain
from services.approvals.tests.conftest import TENANT, snapshot_of

YEAR = clock.today().year
_days = (dt.date(YEAR + year, 4, 1) for year in range(1, 50))


async def refused(awaitable):
    with pytest.raises(DomainError) as caught:
        await awaitable
    return caught.value


def at(day, **later):
    return dt.datetime.combine(day, dt.time(), tzinfo=clock.JST) + dt.timedelta(**later)


async def reviewed(city, day, *changes):
    """A set for the day, drafted by one planner and reviewed by another."""
    author, reviewer = await city.person("S0018"), await city.person("S0019")
    drafted = await author.call(
        "DraftChangeSet",
        request_id=clock.new_id(),
        title="人事異動・組織改編",
        effective_on=day.isoformat(),
        changes=[pb.Change(**change) for change in changes],
    )
    answer = await reviewer.call(
        "ReviewChangeSet",
        request_id=clock.new_id(),
        change_set_id=drafted.change_set.change_set_id,
        expected_version=1,
    )
    return answer.change_set


async def act(city, case, staff_id, now):
    """The holder approves the step that is open, at the given moment."""
    step = next(one for one in case.steps if one.state == STEP_STATE_ACTIVE)
    await act_on(city, case, step, staff_id, Action.APPROVE, now)


async def circulating(city):
    """担当主査 S0070 → 室長補佐 S0069 → 室長 S0068, and the case as the drafter sees it."""
    case_id = await city.circulating()
    return await (await city.person("S0072")).see(case_id)


def moves(staff_id, *posts):
    """From the first post to the second."""
    left, taken = posts
    return [
        {"kind": "appointment_ends", "staff_id": staff_id, "post_id": left},
        {"kind": "appointment_begins", "staff_id": staff_id, "post_id": taken, "appointment": "main"},
    ]


CHIEFS = [*moves("S0070", "P-040-03-03", "P-050-02-03"), *moves("S0084", "P-050-02-03", "P-040-03-03")]
CHIEFS_BACK = [*moves("S0070", "P-050-02-03", "P-040-03-03"), *moves("S0084", "P-040-03-03", "P-050-02-03")]


async def test_no_act_slips_between_midnight_and_the_moment_of_applying(city):
    """AP-40: until the set is applied nobody acts at all; afterwards the holder of the day does."""
    day, case = next(_days), await circulating(city)
    await reviewed(city, day, *CHIEFS)
    error = await refused(act(city, case, "S0070", at(day)))
    assert (error.kind.value, error.reason) == ("UNAVAILABLE", "REORGANISING")
    await commands.apply_due(city.pool, at(day))
    assert (await refused(act(city, case, "S0070", at(day, seconds=1)))).reason == "NOT_YOUR_STEP"
    await act(city, case, "S0084", at(day, seconds=1))
    rows = await city.rows("SELECT staff_id, unit_name FROM decisions WHERE case_id = %s", case.case_id)
    assert rows == [("S0084", "環境政策室")]
    back = next(_days)
    await reviewed(city, back, *CHIEFS_BACK)
    await commands.apply_due(city.pool, at(back))


async def test_an_act_before_midnight_is_by_the_holder_of_that_moment(city):
    """23:59:59 on 3/31, even when the set is applied before the act commits; the acted step never changes (AP-40)."""
    day, case = next(_days), await circulating(city)
    await reviewed(city, day, *CHIEFS)
    await act(city, case, "S0070", at(day, seconds=-1))
    await commands.apply_due(city.pool, at(day))
    rows = await city.rows(
        "SELECT holder ->> 'staff_id' FROM steps WHERE case_id = %s AND state = 'approved'", case.case_id
    )
    assert rows == [("S0070",)]
    back = next(_days)
    await reviewed(city, back, *CHIEFS_BACK)
    await commands.apply_due(city.pool, at(back))


@pytest.mark.parametrize("attempt", range(4))
async def test_acts_that_race_a_reshuffle_at_midnight(city, attempt):
    """Old and new holder act while two services apply: one act, by the holder of its moment, or none."""
    day, case = next(_days), await circulating(city)
    await reviewed(city, day, *CHIEFS)
    order = [
        act(city, case, "S0070", at(day, seconds=-0.001)),
        commands.apply_due(city.pool, at(day)),
        act(city, case, "S0084", at(day, seconds=0.001)),
        commands.apply_due(city.pool, at(day)),
        act(city, case, "S0070", at(day, seconds=0.002)),
    ]
    turned = order[attempt:] + order[:attempt]
    results = await asyncio.gather(*turned, return_exceptions=True)
    reasons = {one.reason for one in results if isinstance(one, DomainError)}
    assert reasons <= {"STALE_VERSION", "REORGANISING", "NOT_YOUR_STEP"}
    assert not [one for one in results if isinstance(one, Exception) and not isinstance(one, DomainError)]
    states = await city.rows("SELECT state FROM change_sets WHERE effective_on = %s", day)
    assert states == [("applied",)]
    rows = await city.rows("SELECT staff_id, acted_at FROM decisions WHERE case_id = %s", case.case_id)
    if not rows:
        # Everybody met the change itself; whose post it is now finds the case as it was.
        await act(city, case, "S0084", at(day, seconds=1))
        rows = await city.rows("SELECT staff_id, acted_at FROM decisions WHERE case_id = %s", case.case_id)
    [(staff_id, acted_at)] = rows
    assert staff_id == ("S0070" if acted_at < at(day) else "S0084")
    back = next(_days)
    await reviewed(city, back, *CHIEFS_BACK)
    await commands.apply_due(city.pool, at(back))


# --- succession ----------------------------------------------------------------------------------


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")))
def test_an_heir_is_alive_and_every_walk_ends(successors, living):
    """AP-41: also over several reorganisations, and in a table with a loop."""
    for post in "abcdef":
        found = domain.heir(post, successors, living)
        assert found is None or (found in living and found != post)
    assert domain.heir("a", {"a": "b", "b": "c"}, {"c"}) == "c"
    assert domain.heir("a", {"a": "b", "b": "a"}, {"c"}) is None


MERGED = (
    {"kind": "post_begins", "post_id": "P-040-03-91", "unit_id": "U-040-03", "title": "室長補佐", "rank": "deputy_head"},
    {"kind": "appointment_begins", "staff_id": "S0069", "post_id": "P-040-03-91", "appointment": "main"},
    {"kind": "post_ends", "post_id": "P-040-03-02", "successor": "P-040-03-91"},
    {"kind": "post_ends", "post_id": "P-040-03-03"},
)  # fmt: skip


async def test_open_steps_follow_the_successor_or_wait_for_the_records_office(city):
    """AP-41: moved, listed, reassigned with a reason; the route keeps its length, and acted steps their post (AP-40)."""
    day = next(_days)
    acted, open_one = await circulating(city), await circulating(city)
    await act(city, acted, "S0070", at(day, hours=-1))
    planned = await reviewed(city, day, *MERGED)
    await midnight.turn(city.pool, city.relay, at(day))
    steps = {
        case.case_id: await city.rows(
            "SELECT post_id, state FROM steps WHERE case_id = %s ORDER BY place", case.case_id
        )
        for case in (acted, open_one)
    }
    assert steps[acted.case_id][:3] == [
        ("P-040-03-03", "approved"), ("P-040-03-91", "active"), ("P-040-03-01", "waiting")
    ]  # fmt: skip
    assert steps[open_one.case_id][:3] == [
        ("P-040-03-03", "active"), ("P-040-03-91", "waiting"), ("P-040-03-01", "waiting")
    ]  # fmt: skip
    # documents hears it: the view is the new post's.
    moved = (await city.envelopes(acted.case_id))[-1]
    assert (moved.action, moved.actor.staff_id, moved.detail["act"]) == ("step.moved", "service:approvals", "succeed")
    principals = {lease.principal for lease in snapshot_of(moved).leases}
    assert principals == {"post:P-040-03-91", "staff:S0070"}
    told = await city.rows("SELECT kind FROM notices WHERE case_id = %s AND post_id = 'P-040-03-91'", acted.case_id)
    assert told == [("turn",)], "and so does who holds it"
    assert await succession.follow_successors(city.pool, at(day, minutes=1)) == 0, "once"
    assert planned.change_set_id

    listed = await stranded(city, day)
    mine = [one for one in listed if one.case_id == open_one.case_id]
    assert [(one.post_id, one.post_title, one.unit_name, one.cause, one.ended_on) for one in mine] == [
        ("P-040-03-03", "担当主査", "環境政策室", "post_ended", day)
    ]
    assert acted.case_id not in {one.case_id for one in listed}

    # Nobody can act on it, and nothing passes it by.
    later = at(day, hours=9)
    step = mine[0]
    wish = {
        "case_id": step.case_id,
        "step_id": step.step_id,
        "reason": "組織改編により",
        "expected_version": step.version,
    }
    for post_id, problem in (
        ("P-000", "UNKNOWN"),
        ("P-040-03-03", "UNKNOWN"),
        ("P-040-03-05", "NOT_ALLOWED"),
    ):
        error = await refused(reassign(city, later, post_id=post_id, **wish))
        assert [(one.field, one.problem) for one in error.fields] == [("post_id", problem)]
    assert (
        await refused(reassign(city, later, post_id="P-040-03-91", **(wish | {"reason": " "})))
    ).reason == "COMMENT_REQUIRED"
    assert (await refused(reassign(city, later, by="S0068", post_id="P-040-03-91", **wish))).reason == "NOT_PERMITTED"
    assert (
        await refused(reassign(city, later, post_id="P-040-03-91", **(wish | {"expected_version": 1})))
    ).reason == "STALE_VERSION"
    decider = (await city.rows("SELECT step_id::text FROM steps WHERE case_id = %s AND kind = 'decide'", step.case_id))[
        0
    ][0]
    error = await refused(reassign(city, later, post_id="P-040-03-91", **(wish | {"step_id": decider})))
    assert error.reason == "STEP_ADDRESSED"
    await reassign(city, later, post_id="P-040-03-91", **wish)
    assert step.case_id not in {one.case_id for one in await stranded(city, day)}
    told = (await city.envelopes(step.case_id))[-1]
    assert (told.action, told.detail["act"], told.detail["post_id"]) == ("step.moved", "reassign", "P-040-03-91")
    assert "組織改編" not in str(told), "the log holds identifiers only"
    rows = await city.rows(
        "SELECT from_post, to_post, reason, moved_by FROM step_moves WHERE step_id = %s", step.step_id
    )
    assert rows == [("P-040-03-03", "P-040-03-91", "組織改編により", "S0018")]
    # Now the route goes on: one seat after the other, by the holder of the day.
    for staff_id, action in (("S0069", "approve"), ("S0069", "approve"), ("S0068", "decide")):
        async with db.connection(city.pool) as conn:
            found = await case_commands.store.load(conn, step.case_id, day, later)
        assert found is not None
        current = next(one for one in found[0].steps if one.state is StepState.ACTIVE)
        await act_on(city, found[0], current, staff_id, Action(action), later)
    rows = await city.rows("SELECT state FROM cases WHERE case_id = %s", step.case_id)
    assert rows == [("decided",)]


async def act_on(city, case, step, staff_id, action, now):
    async with db.connection(city.pool) as conn:
        held = await organisation_store.held_posts(conn, staff_id, now.date())
    await case_commands.act_on_step(
        city.pool,
        Call(staff_id, clock.new_id(), "ActOnStep", b""),
        Wish(case.case_id, step.step_id, action, "", case.version_digest, case.version, ""),
        Reader(staff_id, {post.post_id: post.unit_id for post in held}),
        Receipt(case.document_id, case.version_digest, staff_id, TENANT, "documents.1/e/7", now),
        TENANT,
        CityRules(),
        cause_of((await city.envelopes(case.case_id))[0].actor),
        lambda made, hall: b"done",
        now,
    )


async def stranded(city, day):
    async with db.connection(city.pool) as conn:
        return await succession.store.list_stranded(conn, day, "", 200)


async def reassign(city, now, by="S0018", **wish):
    person = await city.person(by)
    return await succession.reassign(
        city.pool,
        Call(by, clock.new_id(), "ReassignStep", b""),
        succession.Reassignment(**wish),
        by,
        person.identity.roles,
        cause_of((await city.envelopes(wish["case_id"]))[0].actor),
        lambda case: b"done",
        now,
    )


async def test_a_drafter_appointed_to_the_deciding_post_does_not_strand_the_route(city):
    """AP-43: nobody decides the own draft; the records office names a higher post (AP-41), never a lower one (AP-02)."""
    day = next(_days)
    case = await circulating(city)
    await reviewed(
        city,
        day,
        {"kind": "appointment_ends", "staff_id": "S0068", "post_id": "P-040-03-01"},
        *moves("S0072", "P-040-03-05", "P-040-03-01"),
    )
    await midnight.turn(city.pool, city.relay, at(day))
    mine = [one for one in await stranded(city, day) if one.case_id == case.case_id and one.cause == "own_draft"]
    assert [(one.kind, one.post_id, one.ended_on) for one in mine] == [("decide", "P-040-03-01", None)]
    step = mine[0]
    wish = {
        "case_id": step.case_id,
        "step_id": step.step_id,
        "reason": "起案者が室長に就いたため",
        "expected_version": step.version,
    }
    error = await refused(reassign(city, at(day), post_id="P-040-03-91", **wish))
    assert [(one.field, one.problem) for one in error.fields] == [("post_id", "BELOW_RULE")]
    await reassign(city, at(day), post_id="P-040-00-01", **wish)
    assert not [one for one in await stranded(city, day) if one.step_id == step.step_id]


async def test_the_records_office_sees_the_list_and_nobody_else(city):
    """AP-41: by number and id, today."""
    answer = await (await city.person("S0018")).call("ListStrandedSteps")
    assert list(answer.steps) == [], "nothing has ended yet by today"
    assert (await city.records("case.listed"))[-1].actor.staff_id == "S0018"
    for staff_id in ("S0072", "S0068", "S0051"):
        assert (await refused((await city.person(staff_id)).call("ListStrandedSteps"))).reason == "NOT_PERMITTED"
    records = await city.person("S0018")
    assert (await refused(records.call("ListStrandedSteps", limit=201))).reason == "INVALID_FIELDS"
    assert (await refused(records.call("ListStrandedSteps", cursor="次"))).reason == "INVALID_CURSOR"
    case = await circulating(city)
    fields = {"case_id": case.case_id, "step_id": case.steps[0].step_id, "post_id": "P-040-03-02", "reason": "理由", "expected_version": case.version}  # fmt: skip
    assert (await refused(records.call("ReassignStep", request_id=clock.new_id(), **fields))).reason == "STEP_ADDRESSED"
    gone = fields | {"case_id": clock.new_id()}
    assert (await refused(records.call("ReassignStep", request_id=clock.new_id(), **gone))).reason == "NOT_FOUND"


@given(
    st.lists(st.sampled_from([s for s in StepState if s is not StepState.STRUCK]), min_size=1, max_size=6),
    st.sampled_from(CaseState),
)
def test_following_never_shrinks_a_route_and_never_touches_what_was_acted_on(states, state):
    """AP-40, AP-41."""
    steps = tuple(
        cases.Step(str(n), cases.StepKind.APPROVE, one, n, "P-旧", True, "") for n, one in enumerate(states, start=1)
    )
    case = cases.Case(
        "c",
        "d",
        state,
        "v",
        "S1",
        "P",
        "U",
        "head",
        "箕市第1号",
        False,
        False,
        "r",
        "",
        "",
        at(dt.date(2027, 4, 1)),
        steps,
        version=3,
    )
    heir = Seat("P-新", "室長", "head", "U", "環境政策室")
    made, events = domain.follow(case, {"P-旧": "P-新"}, cases.Hall({"P-新": heir}))
    assert [(s.step_id, s.state, s.group, s.mandatory) for s in made.steps] == [
        (s.step_id, s.state, s.group, s.mandatory) for s in steps
    ]
    assert all(s.post_id == "P-旧" for s in made.steps if s.state in cases.ACTED | {StepState.CANCELLED})
    changed = [s for s in made.steps if s.post_id == "P-新"]
    assert (len(changed), made.version) == (len(events), 3 + len(events))
    if state is CaseState.CIRCULATING:
        assert all(s.post_id == "P-新" for s in made.steps if s.state in domain.MOVABLE)


async def test_acts_on_other_cases_go_on_while_many_steps_move(city, owner):
    """Two services move 600 steps at once; each moves once, and no act elsewhere waits for the whole."""
    day = next(_days)
    case = await circulating(city)
    await succession.follow_successors(city.pool, at(day, days=-1))
    await owner.execute(
        "INSERT INTO cases SELECT gen_random_uuid(), gen_random_uuid(), state, version_digest, drafter, drafter_post,"
        " unit_id, decision_class, draft_number, urgent, exceptional, route_plan_id, rule_id, basis, opened_at,"
        " decided_at, decided_by, reason, version FROM cases, generate_series(1, 600) WHERE case_id = %s",
        (case.case_id,),
    )
    await owner.execute(
        "INSERT INTO steps (step_id, case_id, kind, state, step_group, place, post_id, mandatory, basis, activated_at,"
        " inbox_kind, waiting_since, priority)"
        " SELECT gen_random_uuid(), c.case_id, 'decide', 'active', 1, 0, 'P-060-01-01', true, '', now(), 'decision',"
        " now(), 1 FROM cases AS c WHERE NOT EXISTS (SELECT 1 FROM steps AS s WHERE s.case_id = c.case_id)"
    )
    await reviewed(city, day, {"kind": "post_ends", "post_id": "P-060-01-01", "successor": "P-060-02-01"})
    await commands.apply_due(city.pool, at(day))
    started = time.perf_counter()
    moving = [asyncio.create_task(succession.follow_successors(city.pool, at(day))) for _ in range(2)]
    while not all(task.done() for task in moving):
        begun = time.perf_counter()
        await city.rows("SELECT 1 FROM cases WHERE case_id = %s FOR UPDATE", case.case_id)
        assert time.perf_counter() - begun < 2.0
        await asyncio.sleep(0)
    moved = sum(await asyncio.gather(*moving))
    left = await succession.follow_successors(city.pool, at(day))
    assert moved + left == 600
    rows = await city.rows("SELECT count(*), count(DISTINCT step_id) FROM step_moves WHERE from_post = 'P-060-01-01'")
    assert rows == [(600, 600)]
    assert time.perf_counter() - started < 60
