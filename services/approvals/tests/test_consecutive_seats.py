"""One 承認 for seats in a row of the same person (AP-43 ⚙): 人権文化部長, who is also 文化国際室長 by 事務取扱."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest

from chassis import clock
from chassis.settings import load
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals.cases import consecutive
from services.approvals.cases.domain import (
    Action,
    Case,
    CaseState,
    CityRules,
    Decision,
    Hall,
    Signature,
    Step,
    StepState,
)
from services.approvals.organisation.domain import AppointmentKind, Holder, Seat
from services.approvals.routes.domain import StepKind
from services.approvals.settings import Settings
from services.approvals.tests.conftest import refused, snapshot_of, states

CITY_RULES = CityRules(consecutive_seats=True, bulk=frozenset({"director"}))
CHIEF, HEAD, DIRECTOR = "P-030-02-03", "P-030-02-01", "P-030-00-01"
FINANCE = "P-020-04-01"


async def before_the_head(city):
    """(case, 部長 who is 室長 too) of 文化国際室, 部長決裁, after its 担当主査."""
    case_id = await city.circulating("S0057", unit_id="U-030-02", decision_class="director")
    chief, director = await city.holder(CHIEF), await city.holder(DIRECTOR)
    await chief.act(await chief.see(case_id), "approve")
    return await director.see(case_id), director


def seat_of(case, post_id):
    return next(step for step in case.steps if step.post_id == post_id)


def told(case):
    """The seats after the 室長's that the reader is told of, by post."""
    posts = {step.step_id: step.post_id for step in case.steps}
    return [posts[step_id] for step_id in seat_of(case, HEAD).consecutive_step_ids]


async def test_one_act_closes_both_and_records_both_posts(city):
    """AP-43, I4: each seat with its own decision and post, of one version and one reading; the 鑑 shows both."""
    case, director = await before_the_head(city)
    assert told(case) == [DIRECTOR]
    also = seat_of(case, HEAD).consecutive_step_ids
    case = await director.act(case, "approve", "適当と認める。", step=seat_of(case, HEAD), also_step_ids=also)
    assert (case.state, states(case)[:3]) == ("decided", ["approved", "approved", "decided"])
    below, own = case.decisions[1:]
    assert [(d.action, d.post_id, d.staff_id) for d in (below, own)] == [
        ("approve", HEAD, director.staff_id),
        ("decide", DIRECTOR, director.staff_id),
    ]
    assert (below.access_record, below.version_digest, below.acted_at) == (
        own.access_record,
        own.version_digest,
        own.acted_at,
    )
    assert below.access_record.startswith("documents.1/")
    assert (below.comment, own.comment) == ("適当と認める。", ""), "what is said once is on record once"
    kinds = await city.rows("SELECT post_id, appointment FROM decisions WHERE case_id = %s", case.case_id)
    assert {(HEAD, "acting"), (DIRECTOR, "main")} < set(kinds), "AP-40: 兼務の別"
    events = [one for one in await city.envelopes(case.case_id) if one.actor.staff_id == director.staff_id]
    assert [(one.action, one.actor.post_id) for one in events] == [
        ("step.closed", HEAD),
        ("step.activated", HEAD),
        ("step.closed", DIRECTOR),
        ("case.decided", DIRECTOR),
    ]
    sheet = snapshot_of(events[-1]).seats
    assert [(seat.post_title, seat.staff_name) for seat in sheet[2:4]] == [
        ("文化国際室長事務取扱人権文化部長", "桒野 節子"),
        ("部長", "桒野 節子"),
    ]
    assert sheet[2].acted_at == sheet[3].acted_at


async def test_who_wishes_closes_one_seat_alone(city):
    """AP-43: the other waits for an act of its own; 引戻し gives back one at a time."""
    case, director = await before_the_head(city)
    case = await director.act(case, "approve", step=seat_of(case, HEAD))
    assert (case.state, states(case)[:3]) == ("circulating", ["approved", "approved", "active"])
    case = await director.act(case, "decide", step=seat_of(case, DIRECTOR))
    assert case.state == "decided"


async def test_nobody_waits_for_the_second_seat_and_nobody_is_told(city):
    """AP-43: the inbox and the notices are as if the seats had been one."""
    case, director = await before_the_head(city)
    also = seat_of(case, HEAD).consecutive_step_ids
    await director.act(case, "approve", step=seat_of(case, HEAD), also_step_ids=also)
    assert case.case_id not in [item.case_id for item in (await director.inbox(limit=200)).items]
    notices = await director.call("ListNotices", limit=200)
    assert [one.read for one in notices.notices if one.case_id == case.case_id] == [True]


async def test_another_act_another_seat_and_a_bulk_act_close_nothing_more(city):
    """AP-43, AP-52: NOT_CONSECUTIVE, and nothing has happened."""
    case, director = await before_the_head(city)
    head, own = seat_of(case, HEAD), seat_of(case, DIRECTOR).step_id
    for action, also, in_bulk in (
        ("hold", [own], False),
        ("send_back", [own], False),
        ("approve", [head.step_id], False),
        ("approve", [own, own], False),
        ("approve", [clock.new_id()], False),
        ("approve", [own], True),
    ):
        error = await refused(director.act(case, action, "理由", step=head, also_step_ids=also, bulk=in_bulk))
        assert (error.kind.value, error.reason) == ("FAILED_PRECONDITION", "NOT_CONSECUTIVE")
    assert (await director.see(case.case_id)).version == case.version


async def test_a_seat_that_has_become_anothers_is_not_closed(city, owner):
    """AP-40, AP-43: who holds it on the day counts, not who did when the page was drawn."""
    case, director = await before_the_head(city)
    also = seat_of(case, HEAD).consecutive_step_ids
    ends = "UPDATE appointments SET valid_to = %s WHERE staff_id = %s AND post_id = %s"
    await owner.execute(ends, (clock.today(), director.staff_id, DIRECTOR))
    error = await refused(director.act(case, "approve", step=seat_of(case, HEAD), also_step_ids=also))
    await owner.execute(ends, ("infinity", director.staff_id, DIRECTOR))
    assert error.reason == "NOT_CONSECUTIVE"


async def test_a_seat_of_somebody_else_between_is_not_passed(city):
    """AP-43: the 合議 that was added stands between them, and the 室長's act ends before it."""
    case, director = await before_the_head(city)
    case = await director.act(case, "approve", step=seat_of(case, HEAD))
    added = {"post_id": FINANCE, "kind": pb.STEP_KIND_CONCUR}
    case = await director.on_case("AddSeat", case, "残額の確認", **added)
    case = await director.on_case("RecallCase", await director.see(case.case_id))
    assert told(await director.see(case.case_id)) == []


async def test_only_the_holder_is_told_of_it(city):
    """AP-43: nobody else is offered it, the drafter neither."""
    case, _ = await before_the_head(city)
    drafter = await city.person("S0057")
    assert told(await drafter.see(case.case_id)) == []


# --- how far it reaches -------------------------------------------------------------------------

WHO = "S0052"


def case_of(*kinds, **fields):
    """A case whose first seat waits; each seat stands in a group of its own."""
    seats = [
        Step(f"step-{n}", StepKind(kind), StepState.WAITING if n else StepState.ACTIVE, n + 1, f"P-{n}", False, "")
        for n, kind in enumerate(kinds)
    ]
    about = ("S0057", "P-起案", "U", "head", "箕市第1号", False, False, "plan", "rule", "規程", clock.now())
    return replace(Case("case", "document", CaseState.CIRCULATING, "digest", *about, tuple(seats)), **fields)


def hall_of(case, absent=()):
    one = [Holder(WHO, "桒野 節子", AppointmentKind.ACTING, absent=step.post_id in absent) for step in case.steps]
    return Hall(
        {
            step.post_id: Seat(step.post_id, "室長", "head", "U", "文化国際室", (), (holder,))
            for step, holder in zip(case.steps, one, strict=True)
        }
    )


def reach(case, absent=(), rules=CITY_RULES):
    return [seat.post_id for seat in consecutive.seats_after(case, case.steps[0], hall_of(case, absent), rules)]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("approve", "approve", "decide"), ["P-1", "P-2"]),
        (("approve", "review", "approve", "decide"), []),
        (("approve", "approve", "review", "decide"), ["P-1"]),
        (("approve", "concur", "decide"), []),
        (("approve", "provisional", "decide"), []),
        (("concur", "approve", "decide"), []),
        (("review", "approve", "decide"), []),
        (("provisional", "decide"), []),
    ],
)
def test_it_reaches_along_the_own_line_alone(kinds, expected):
    """AP-43, AP-45: 審査, 合議 and 仮決裁 are asked something else, whoever holds them."""
    assert reach(case_of(*kinds)) == expected
    assert reach(case_of(*kinds), rules=CityRules()) == [], "off unless the city wants it"


def test_it_stops_before_a_group_and_before_who_is_passed_over():
    """AP-08, AP-11, AP-43."""
    case = case_of("approve", "approve", "approve", "decide")
    pair = replace(case, steps=(*case.steps[:2], replace(case.steps[2], group=2), *case.steps[3:]))
    assert reach(pair) == []
    assert reach(case, absent={"P-2"}) == ["P-1"]
    assert reach(case, absent={"P-3"}) == ["P-1", "P-2", "P-3"], "a decider is never passed over"


def test_it_stops_before_a_seat_that_has_acted_and_before_an_opinion_to_be_weighed():
    """AP-30, AP-43: a 承認 carried over from the version before. AP-20: a 不同意 needs a decision that names it."""
    case = case_of("approve", "approve", "decide")
    carried = replace(case, steps=(case.steps[0], replace(case.steps[1], state=StepState.APPROVED), case.steps[2]))
    assert reach(carried) == []
    case = case_of("concur", "approve", "decide")
    against = replace(case.steps[0], state=StepState.DISSENTED)
    by = Signature("S0016", "佐藤 健", FINANCE, "室長", "U-020-04", "財政経営室", AppointmentKind.MAIN)
    opinion = Decision("opinion", "step-0", Action.DISSENT, 1, by, "残額がない。", clock.now(), "digest", "record")
    own = replace(case.steps[1], state=StepState.ACTIVE)
    case = replace(case, steps=(against, own, case.steps[2]))
    assert consecutive.seats_after(case, own, hall_of(case), CITY_RULES) == (case.steps[2],)
    disputed = replace(case, decisions=(opinion,))
    assert consecutive.seats_after(disputed, own, hall_of(case), CITY_RULES) == ()


def test_it_is_off_unless_the_city_wants_it():
    """AP-43 ⚙."""
    needed = {field.name for field in dataclasses.fields(Settings) if field.default is dataclasses.MISSING}
    given = {f"KANKETSU_{name.upper()}": "箕面" for name in needed}
    assert not load(Settings, given).city_rules.consecutive_seats
    assert load(Settings, given | {"KANKETSU_CONSECUTIVE_SEATS": "true"}).city_rules.consecutive_seats
