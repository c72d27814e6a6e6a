"""Forms of a route: 合議 together, any, n, by units, before or after the own line; 仮決裁 (AP-06, AP-07, AP-08)."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import clock
from chassis.errors import DomainError
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals.cases import groups
from services.approvals.organisation import tables
from services.approvals.organisation.domain import AppointmentKind, Holder, Seat
from services.approvals.routes.domain import (
    AS_LISTED,
    BEFORE_LINE,
    IN_UNIT_ORDER,
    Facts,
    Line,
    Rule,
    StepKind,
    adjust,
    build,
)
from services.approvals.routes.why import explain, reasons
from services.approvals.rules import table
from services.approvals.tests.conftest import SAMPLES, refused
from services.approvals.tests.test_rule_versions import OFFICER, in_force, settle

FACTS = Facts("d", "U-室", "S-起案", "P-係員", "計画策定", None, "", exceptional=False)


def seat(post_id, rank, unit_id, order=0):
    holder = Holder(f"S-{post_id}", "髙橋 一郎", AppointmentKind.MAIN)
    return Seat(post_id, rank, rank, unit_id, unit_id, (), (holder,), order)


OWN = (seat("P-主査", "chief", "U-室"), seat("P-室長", "head", "U-室"), seat("P-部長", "director", "U-部"))
ASKED = {
    post: seat(post, "head", f"U-{post}", order)
    for post, order in (("P-財政", 30), ("P-契約", 20), ("P-法制", 10), ("P-審査", 40))
}
LINE = Line(("U-室", "U-部", "U-市"), "mayor", OWN)
RULE = Rule("R-1", "mayor", "", "計画策定", None, None, "director", ("P-財政", "P-契約", "P-法制"), "head", (), "規程")


def route(**changes):
    return build([dataclasses.replace(RULE, **changes)], LINE, "member", FACTS, ASKED)


def shape(steps):
    """「1 approve P-主査」 …"""
    return [f"{step.group} {step.kind} {step.post_id}" for step in steps]


# --- generation ---------------------------------------------------------------------------------


def test_together_after_the_seat_that_the_rule_names():
    """AP-07, AP-08: as before."""
    assert shape(route().steps) == [
        "1 approve P-主査",
        "2 approve P-室長",
        "3 concur P-財政",
        "3 concur P-契約",
        "3 concur P-法制",
        "4 decide P-部長",
    ]
    assert {step.need for step in route().steps} == {0}


def test_an_optional_seat_that_nobody_holds_is_left_out_and_said():
    """AP-06, AP-54: so a unit without a 担当主査 drafts; a seat that has to be asked is still missed."""
    seats = {one.rank: dataclasses.replace(one, holders=()) for one in OWN}
    without = Line(LINE.units, LINE.body, (seats["chief"], *OWN[1:]))
    assert shape(build([RULE], without, "member", FACTS, ASKED).steps)[0] == "1 approve P-室長"
    assert reasons(explain([RULE], without, FACTS), {})[-1] == "「U-室chief」は空席のため、回議しません。"
    assert not explain([RULE], LINE, FACTS).missing
    named = dataclasses.replace(RULE, concurrence_posts=("P-主査",))
    for rule, line in (
        (named, without),
        (RULE, Line(LINE.units, LINE.body, (OWN[0], seats["head"], OWN[2]))),
    ):
        with pytest.raises(DomainError) as caught:
            build([rule], line, "member", FACTS, ASKED)
        assert caught.value.reason == "POST_VACANT"


def test_before_the_own_line():
    """AP-07 ⚙."""
    assert shape(route(concurrence_after=BEFORE_LINE).steps)[:4] == [
        "1 concur P-財政",
        "1 concur P-契約",
        "1 concur P-法制",
        "2 approve P-主査",
    ]


def test_one_after_the_other_in_the_order_of_the_units():
    """AP-07 ⚙: 事務分掌規則, not the order in which the rule names them."""
    assert shape(route(concurrence_order=IN_UNIT_ORDER).steps)[2:] == [
        "3 concur P-法制",
        "4 concur P-契約",
        "5 concur P-財政",
        "6 decide P-部長",
    ]


def test_one_after_the_other_as_the_rule_lists_them():
    """AP-07 ⚙: by relevance, whatever place a unit has in 事務分掌規則."""
    assert shape(route(concurrence_order=AS_LISTED).steps)[2:] == [
        "3 concur P-財政",
        "4 concur P-契約",
        "5 concur P-法制",
        "6 decide P-部長",
    ]


@pytest.mark.parametrize(("need", "planned"), [(1, 1), (2, 2), (3, 0), (9, 0)])
def test_any_or_n_of_the_group(need, planned):
    """AP-08 ⚙: as many as there are, or more, are all."""
    steps = route(concurrence_need=need).steps
    assert {step.need for step in steps if step.kind is StepKind.CONCUR} == {planned}
    assert {step.need for step in steps if step.kind is not StepKind.CONCUR} == {0}


def test_a_provisional_decision_before_and_the_decision_after():
    """仮決裁→合議→本決裁, whatever place the rule names for the 合議; without 合議 there is nothing provisional."""
    assert shape(route(provisional=True).steps) == [
        "1 approve P-主査",
        "2 approve P-室長",
        "3 provisional P-部長",
        "4 concur P-財政",
        "4 concur P-契約",
        "4 concur P-法制",
        "5 decide P-部長",
    ]
    assert shape(route(provisional=True, concurrence_posts=()).steps)[-1] == "3 decide P-部長"


def test_the_drafter_keeps_the_provisional_decision_and_adds_to_a_group_without_its_count():
    """AP-54: what is mandatory stays; somebody added is asked themselves."""
    proposal = route(provisional=True, concurrence_need=1)
    extra = dataclasses.replace(proposal.steps[3], post_id="P-総務", need=1)
    known = {one.post_id: one for one in (*OWN, *ASKED.values(), seat("P-総務", "head", "U-総務"))}
    adjusted = adjust(proposal, [*proposal.steps, extra], known, FACTS)
    added = next(step for step in adjusted.steps if step.post_id == "P-総務")
    assert (added.group, added.need, added.mandatory) == (4, 0, False)
    without = [step for step in proposal.steps if step.kind is not StepKind.PROVISIONAL]
    with pytest.raises(DomainError) as caught:
        adjust(proposal, without, known, FACTS)
    assert caught.value.fields[0].problem == "MANDATORY_STEP_MISSING"


FORMS = st.fixed_dictionaries(
    {
        "concurrence_need": st.integers(0, 3),
        "concurrence_order": st.sampled_from(("", IN_UNIT_ORDER, AS_LISTED)),
        "concurrence_after": st.sampled_from((BEFORE_LINE, "chief", "head", "director")),
        "provisional": st.booleans(),
        "review_posts": st.sampled_from(((), ("P-審査",))),
    }
)


@given(FORMS, st.lists(st.integers(-2, 2), min_size=8, max_size=8), st.booleans())
def test_what_stays_keeps_its_order(forms, shifts, leaves_out):
    """AP-06, AP-07, AP-54: moved at will, a route is taken exactly if every pair of its seats stands as proposed."""
    proposal = route(**forms)
    kept = [one for one in proposal.steps if one.mandatory or not leaves_out]
    wished = [dataclasses.replace(one, group=one.group * 2 + by) for one, by in zip(kept, shifts, strict=False)]
    in_order = all(
        mine.group < other.group or (mine.group == other.group and was.group == before.group)
        for (was, mine), (before, other) in itertools.combinations(zip(kept, wished, strict=True), 2)
    )
    alone_at_the_end = all(one.group < wished[-1].group for one in wished[:-1])
    known = {one.post_id: one for one in (*OWN, *ASKED.values())}
    if in_order and alone_at_the_end:
        adjusted = adjust(proposal, wished, known, FACTS)
        assert [one.post_id for one in adjusted.steps] == [one.post_id for one in kept]
        return
    with pytest.raises(DomainError) as caught:
        adjust(proposal, wished, known, FACTS)
    assert caught.value.fields[0].problem == ("DECIDER_NOT_LAST" if in_order else "ORDER_CHANGED")


# --- completion ---------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Box:
    state: str
    need: int


STATES = ("waiting", "active", "held", "approved", "concurred", "dissented", "pulled_up", "postview_due", "cancelled")
BOXES = st.lists(st.builds(Box, st.sampled_from(STATES), st.sampled_from((0, 0, 2))), min_size=1, max_size=6)


@given(BOXES)
def test_a_group_is_complete_when_all_or_enough_have_acted(group):
    """AP-08: against the sentence, word by word."""
    acted = [box.state in ("approved", "concurred", "dissented", "pulled_up") for box in group]
    over = [done or box.state == "postview_due" for done, box in zip(acted, group, strict=True)]
    alone = all(done for done, box in zip(over, group, strict=True) if not box.need)
    enough = sum(done for done, box in zip(acted, group, strict=True) if box.need) >= 2
    # Who was let go is not waited for again.
    nobody_left = all(done or box.state == "cancelled" for done, box in zip(over, group, strict=True) if box.need)
    assert groups.complete(group) == (alone and (enough or nobody_left))
    let_go = groups.let_go(group)
    assert all(box.state in ("waiting", "active", "held") and box.need for box in let_go)
    assert not let_go or groups.complete(group)
    if groups.complete(group):
        assert all(box in let_go for box in group if box.state in ("waiting", "active", "held"))


# --- a case -------------------------------------------------------------------------------------


async def with_rule(city, **form):
    """A 契約締結 of 教育委員会 in circulation, under a version of today whose rule has this form."""
    rules, _ = table.parse(await in_force(city, "education"), "education")
    form = {"concurrence_posts": ("P-020-04-01", "P-020-05-01"), "concurrence_after": "head"} | form
    text = table.written([dataclasses.replace(one, **form) if one.rule_id == "R-KY-009" else one for one in rules])
    officer = await city.person(OFFICER)
    wish = {"body": "education", "title": "合議", "valid_from": clock.today().isoformat(), "rules_csv": text}
    made = await officer.call("ImportRuleVersion", request_id=clock.new_id(), **wish)
    await settle(city, "ActivateRuleVersion", made.version)
    try:
        drafter, document_id = await city.holder("P-080-02-05"), clock.new_id()
        facts = {"unit_id": "U-080-02", "matter": "契約締結", "amount": 3_000_000}
        plan = await city.plan(drafter, document_id, **facts)
        return await city.submit(drafter, plan, document_id, **facts)
    finally:
        await city.rows("UPDATE rule_versions SET state = 'discarded' WHERE title = '合議' RETURNING 1")


async def act(city, case_id, post_id, action="approve"):
    """What the holder of a post does."""
    person = await city.holder(post_id)
    return await person.act(await person.see(case_id), action)


async def reach(city, case_id, kind):
    """Seats of the own line approve, whoever of them is there, until it is the turn of a step of this kind."""
    for _ in range(9):
        case = await (await city.holder("P-080-02-05")).see(case_id)
        waiting = [step for step in case.steps if step.state == pb.STEP_STATE_ACTIVE]
        if any(step.kind == kind for step in waiting):
            return case
        await act(city, case_id, waiting[0].post_id)
    raise AssertionError("it never is")


def states(case):
    return {step.post_id: pb.StepState.Name(step.state).removeprefix("STEP_STATE_").lower() for step in case.steps}


async def test_one_answer_lets_the_others_go_and_can_be_recalled(city):
    """AP-08: any: the other's view and inbox end with it; after a 引戻し it is the same one who answers."""
    case_id = await with_rule(city, concurrence_need=1)
    case = await reach(city, case_id, pb.STEP_KIND_CONCUR)
    assert [step.need for step in case.steps if step.group == 4] == [1, 1]
    assert states(case)["P-020-05-01"] == "active"
    contracts = await city.holder("P-020-05-01")
    assert case_id in {item.case_id for item in (await contracts.inbox()).items}
    case = await act(city, case_id, "P-020-04-01", "concur")
    assert (states(case)["P-020-05-01"], states(case)["P-080-00-03"]) == ("cancelled", "active")
    assert case_id not in {item.case_id for item in (await contracts.inbox()).items}
    with pytest.raises(DomainError) as caught:
        await contracts.see(case_id)
    assert caught.value.reason == "NOT_FOUND"
    closed = [e.detail["act"] for e in await city.envelopes(case_id) if e.action == "step.closed"]
    assert closed[-2:] == ["concur", "enough"]

    finance = await city.holder("P-020-04-01")
    back = await finance.call(
        "RecallCase",
        request_id=clock.new_id(),
        case_id=case_id,
        expected_version=case.version,
        comment="金額を確かめる",
    )
    assert states(back.case)["P-080-00-03"] == "waiting"
    case = await finance.act(back.case, "dissent", "予算の裏付けが要る")
    assert states(case)["P-080-00-03"] == "active"


async def test_one_person_does_not_answer_for_two_posts_of_a_group(city, owner):
    """AP-45, AP-08: by 兼務 nobody makes up alone the number that has to answer; after a 引戻し either post may."""
    finance = await city.holder("P-020-04-01")
    case_id = await with_rule(city, concurrence_posts=("P-020-04-01", "P-020-05-01", "P-020-02-01"), concurrence_need=2)
    held = (finance.staff_id, "P-020-05-01", clock.today())
    await owner.execute(
        "INSERT INTO appointments (staff_id, post_id, kind, valid_from) VALUES (%s, %s, 'acting', %s)", held
    )
    try:
        finance = await city.person(finance.staff_id)
        await reach(city, case_id, pb.STEP_KIND_CONCUR)
        first, second = (step for step in (await finance.see(case_id)).steps if step.post_id in finance.identity.posts)
        case = await finance.act(await finance.see(case_id), "concur", step=first)
        second = next(step for step in case.steps if step.step_id == second.step_id)
        assert not {"concur", "dissent"} & set(second.allowed_actions)
        for action in ("concur", "dissent"):
            error = await refused(finance.act(case, action, "異議なし", step=second))
            assert (error.reason, error.metadata["post"]) == ("ACTED_IN_GROUP", "室長")
        case = await finance.on_case("RecallCase", case)
        case = await finance.act(case, "concur", step=second)
        first = next(step for step in case.steps if step.step_id == first.step_id)
        assert (await refused(finance.act(case, "concur", step=first))).reason == "ACTED_IN_GROUP"
    finally:
        await owner.execute(
            "DELETE FROM appointments WHERE staff_id = %s AND post_id = %s AND valid_from = %s AND kind = 'acting'",
            held,
        )
    await act(city, case_id, "P-020-02-01", "concur")
    assert states(await (await city.holder("P-080-02-05")).see(case_id))["P-080-00-03"] == "active"


async def test_the_decider_gives_a_provisional_decision_first(city):
    """仮決裁→合議→本決裁: the same post twice, decided once (AP-01)."""
    case_id = await with_rule(city, provisional=True)
    case = await reach(city, case_id, pb.STEP_KIND_PROVISIONAL)
    director = await city.holder("P-080-00-02")
    step = next(step for step in case.steps if step.kind == pb.STEP_KIND_PROVISIONAL)
    seen = await director.see(case_id)
    with pytest.raises(DomainError) as caught:
        await director.act(seen, "decide", step=step)
    assert caught.value.reason == "ACTION_NOT_ALLOWED"
    case = await director.act(seen, "approve", step=step)
    assert case.state == "circulating"
    await act(city, case_id, "P-020-04-01", "concur")
    await act(city, case_id, "P-020-05-01", "concur")
    seen = await director.see(case_id)
    decide = next(step for step in seen.steps if step.kind == pb.STEP_KIND_DECIDE)
    assert (await director.act(seen, "decide", step=decide)).state == "decided"


# --- files --------------------------------------------------------------------------------------


def test_a_file_says_the_form_of_a_route():
    """AP-07, AP-08."""
    rule = dataclasses.replace(
        RULE, concurrence_need=1, concurrence_order=IN_UNIT_ORDER, concurrence_after=BEFORE_LINE, provisional=True
    )
    for form in (rule, dataclasses.replace(rule, concurrence_need=2), RULE):
        text = table.written([form])
        assert table.parse(text, "mayor") == ([form], [])
    older = "\n".join(line.rsplit(",", 3)[0] for line in table.written([RULE]).splitlines())
    assert table.parse(older, "mayor") == ([RULE], [])
    line = table.written([rule]).replace(",any,units,yes", ",some,alphabet,no")
    assert [flaw.column for flaw in table.parse(line, "mayor")[1]] == [
        "concurrence_order",
        "provisional",
        "concurrence_need",
    ]


def test_a_citys_file_may_say_it_and_may_be_of_before(tmp_path):
    for name in tables.COLUMNS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((SAMPLES / name).read_bytes())
    path = tmp_path / "decision_rules.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    forms = [line + (",any,units,yes" if line.startswith("R-SH-007") else ",,,") for line in lines]
    forms[0] = lines[0] + ",concurrence_need,concurrence_order,provisional"
    path.write_text("\n".join(forms) + "\n", encoding="utf-8")
    city = tables.read(tmp_path, dt.date(2026, 11, 27))
    assert city.problems == []
    made = {rule.rule_id: rule for rule in tables.versions(city)["mayor", dt.date(2026, 4, 1)]}
    chosen = made["R-SH-007"]
    assert (chosen.concurrence_need, chosen.concurrence_order, chosen.provisional) == (1, IN_UNIT_ORDER, True)
    path.write_text("\n".join(forms).replace(",any,units,yes", ",many,units,yes"), encoding="utf-8")
    assert (
        "concurrence_need: many is neither any nor a number" in tables.read(tmp_path, dt.date(2026, 11, 27)).problems[0]
    )
