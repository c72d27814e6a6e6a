"""The check of a 専決規程 finds exactly what a drafter would meet (AP-01, AP-02): against brute force, and by example."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import DomainError
from services.approvals.changes.domain import UnitRow
from services.approvals.organisation.domain import DECISION_CLASSES, AppointmentKind, Holder, Seat
from services.approvals.routes.domain import Facts, Rule, choose_rule
from services.approvals.rules.checks import BLOCKING, Organisation, Problem, check

# Bounds of generated rules are at most 6, so these are all amounts that could differ, and none at all.
AMOUNTS = (*range(9), None)


def unit(unit_id, parent, name="", body="mayor"):
    return UnitRow(unit_id, parent, body, name or unit_id, "", "箕", 0)


def seat(post_id, unit_id, rank, title="", held=True):
    holders = (Holder("S1", "髙橋 一郎", AppointmentKind.MAIN),) if held else ()
    return Seat(post_id, title or rank, rank, unit_id, unit_id, (), holders)


def rule(rule_id, decision_class="head", low=None, high=None, unit_id="", matter="契約締結", **more):
    made = Rule(rule_id, "mayor", unit_id, matter, low, high, decision_class, (), "", (), "箕面市事務決裁規程")
    return dataclasses.replace(made, **more)


def facts(unit_id, amount, matter="契約締結"):
    return Facts("d", unit_id, "S9", "", matter, amount, "", exceptional=False)


UNITS = ("U-市", "U-部", "U-室1", "U-室2")
PARENTS = {"U-市": "", "U-部": "U-市", "U-室1": "U-部", "U-室2": "U-部"}


@st.composite
def organisations(draw):
    """A city, a department, two rooms; any post may be missing or vacant."""
    seats = []
    for unit_id in UNITS:
        for rank in draw(st.sets(st.sampled_from(("member", "chief", *DECISION_CLASSES)))):
            seats.append(seat(f"P-{unit_id}-{rank}", unit_id, rank, held=draw(st.integers(0, 4)) > 0))
    units = tuple(unit(unit_id, PARENTS[unit_id]) for unit_id in UNITS)
    return Organisation(units, tuple(sorted(seats, key=lambda one: one.post_id)))


@st.composite
def any_rules(draw):
    """Rules of one matter, right or wrong."""
    bound = st.none() | st.integers(0, 6)
    drawn = draw(
        st.lists(st.tuples(bound, bound, st.sampled_from(("", *UNITS)), st.sampled_from(DECISION_CLASSES)), max_size=5)
    )
    return [
        rule(f"R-{number}", decision_class, low, high, unit_id)
        for number, (low, high, unit_id, decision_class) in enumerate(drawn)
        if low is None or high is None or low <= high
    ]


def drafting(organisation):
    """Units in which somebody up to the 室長 can draft."""
    ranks = ("member", "chief", "deputy_head", "head")
    there = {one.unit_id for one in organisation.seats if one.rank in ranks}
    return [one for one in organisation.units if one.unit_id in there]


def met(rules, organisation, plan):
    """By brute force: what each unit meets, {problem: units}, and the rules that somebody is decided by."""
    found = {problem: set() for problem in Problem}
    used = set()
    for room in drafting(organisation) if rules else []:
        line = organisation.line(room.unit_id)
        outcomes = {}
        for amount in AMOUNTS:
            try:
                outcomes[amount] = choose_rule(rules, line, facts(room.unit_id, amount))
            except DomainError as error:
                outcomes[amount] = [one for one in error.metadata["rules"].split(",") if one]
        if not any(outcomes.values()) and not any(one.unit_id in ("", *line.units) for one in rules):
            # Whoever drafts there has NO_RULE, whatever the amount.
            if not plan or ("", "契約締結") in plan or (room.unit_id, "契約締結") in plan:
                found[Problem.NO_RULE].add(room.unit_id)
            continue
        for amount, chosen in outcomes.items():
            if chosen == []:
                # That every rule asks for an amount is no gap.
                if amount is not None:
                    found[Problem.GAP].add(room.unit_id)
                continue
            if isinstance(chosen, list):
                used |= set(chosen)
                found[Problem.OVERLAP].add(room.unit_id)
                continue
            used.add(chosen.rule_id)
            decider = line.seat(chosen.decision_class)
            if decider is None:
                found[Problem.NO_DECIDER].add(room.unit_id)
            elif not decider.holders:
                found[Problem.VACANT].add(room.unit_id)
    return found, used


@given(
    any_rules(),
    organisations(),
    st.sets(st.tuples(st.sampled_from(("", *UNITS)), st.sampled_from(("契約締結", "広聴")))),
)
def test_it_finds_what_a_drafter_would_meet_and_nothing_else(rules, organisation, plan):
    """AP-01, AP-02: the same units, the same problems, the same idle rules as trying every amount."""
    findings = [one for one in check(rules, organisation, plan) if one.matter == "契約締結"]
    expected, used = met(rules, organisation, plan)
    for problem in (Problem.GAP, Problem.NO_RULE, Problem.OVERLAP, Problem.NO_DECIDER, Problem.VACANT):
        units = {unit_id for one in findings if one.problem is problem for unit_id in one.unit_ids}
        assert units == expected[problem], problem
    idle = {one.rule_ids[0] for one in findings if one.problem is Problem.UNREACHABLE}
    assert idle == {one.rule_id for one in rules} - used


@st.composite
def sound_rules(draw):
    """A matter cut into bands without a hole, for the body and perhaps again for one room."""
    rules = []
    for unit_id in ("", draw(st.sampled_from(("U-部", "U-室1")))):
        cuts = sorted(draw(st.sets(st.integers(1, 10**12), max_size=4)))
        for number, (low, high) in enumerate(zip([0, *cuts], [*(cut - 1 for cut in cuts), None], strict=True)):
            decision_class = draw(st.sampled_from(DECISION_CLASSES))
            rules.append(rule(f"R-{unit_id}-{number}", decision_class, low, high, unit_id))
    return rules


@given(sound_rules(), st.integers(0, 10**13), st.sampled_from(UNITS))
def test_without_findings_every_amount_in_every_unit_has_one_rule_and_a_decider(rules, amount, unit_id):
    """AP-01, AP-02."""
    seats = [seat(f"P-{one}-{rank}", one, rank) for one in UNITS for rank in ("member", *DECISION_CLASSES)]
    organisation = Organisation(tuple(unit(one, PARENTS[one]) for one in UNITS), tuple(seats))
    assert check(rules, organisation) == []
    line = organisation.line(unit_id)
    chosen = choose_rule(rules, line, facts(unit_id, amount))
    assert chosen.fits(amount)
    assert line.seat(chosen.decision_class).holders


# --- in words -----------------------------------------------------------------------------------

CITY = Organisation(
    (
        unit("U-000", "", "箕面市"),
        unit("U-040", "U-000", "市民部"),
        unit("U-040-03", "U-040", "環境政策室"),
        unit("U-080", "", "教育委員会", body="education"),
    ),
    (
        seat("P-市長", "U-000", "body_head", "市長"),
        seat("P-部長", "U-040", "director", "部長", held=False),
        seat("P-室長", "U-040-03", "head", "室長"),
        seat("P-係員", "U-040-03", "member", "係員"),
    ),
)


@pytest.mark.parametrize(
    ("rules", "problem", "words"),
    [
        (
            [rule("R-1", "head", 0, 500_000), rule("R-2", "body_head", 1_000_000, None)],
            Problem.GAP,
            "「契約締結」（500,001円以上999,999円以下）に当てはまる定めがありません。起案：環境政策室",
        ),
        (
            [rule("R-1", "head", 0, 500_000), rule("R-2", "body_head", 500_000, None)],
            Problem.OVERLAP,
            "「契約締結」（500,000円以上500,000円以下）に、R-1とR-2が等しく当てはまります。起案：環境政策室",
        ),
        (
            [rule("R-1", "vice_mayor")],
            Problem.NO_DECIDER,
            "R-1「契約締結」（副市長決裁）：上に副市長の職がありません。起案：環境政策室",
        ),
        (
            [rule("R-1", "director")],
            Problem.VACANT,
            "R-1「契約締結」（部長決裁）：決裁する「U-040部長」が空席です。起案：環境政策室",
        ),
        (
            [rule("R-1"), rule("R-2", unit_id="U-777")],
            Problem.UNKNOWN_UNIT,
            "R-2「契約締結」：所属U-777は、この日に存在しません。",
        ),
        (
            [rule("R-1"), rule("R-2", unit_id="U-080")],
            Problem.UNKNOWN_UNIT,
            "R-2「契約締結」：所属「教育委員会」は、別の執行機関の所属です。",
        ),
        (
            [rule("R-1", concurrence_posts=("P-財政",), concurrence_after="head")],
            Problem.UNKNOWN_POST,
            "R-1「契約締結」：合議先の職P-財政は、この日に存在しません。",
        ),
        (
            [rule("R-1", review_posts=("P-部長",))],
            Problem.VACANT,
            "R-1「契約締結」：審査の「U-040部長」が空席です。",
        ),
        (
            [rule("R-1"), rule("R-2", unit_id="U-040-03"), rule("R-3", "body_head", unit_id="U-000")],
            Problem.UNREACHABLE,
            "R-1「契約締結」：どの所属のどの金額でも選ばれません。",
        ),
    ],
)
def test_each_finding_says_what_is_wrong(rules, problem, words):
    found = [finding for finding in check(rules, CITY) if finding.problem is problem]
    assert words in [finding.text for finding in found]
    assert all(finding.blocking is (problem in BLOCKING) for finding in found)


def test_a_matter_of_the_file_plan_without_a_rule_is_named_once_with_its_units():
    """AP-02: what the clerk would meet as NO_RULE; it may be meant so, and forbids nothing."""
    two = Organisation(
        (*CITY.units, unit("U-040-04", "U-040", "環境整備室")),
        (*CITY.seats, seat("P-整備室長", "U-040-04", "head", "室長")),
    )
    plan = {("", "契約締結"), ("", "広聴"), ("U-040-04", "占用許可"), ("U-040-09", "統計")}
    found = check([rule("R-1"), rule("R-2", matter="占用許可", unit_id="U-040-03")], two, plan)
    assert [(one.problem, one.text, one.unit_ids, one.blocking) for one in found] == [
        (
            Problem.NO_RULE,
            "「占用許可」（市長）の定めがない所属があります。起案：環境整備室",
            ("U-040-04",),
            False,
        ),
        (
            Problem.NO_RULE,
            "「広聴」（市長）の定めがない所属があります。起案：環境政策室、環境整備室",
            ("U-040-03", "U-040-04"),
            False,
        ),
    ]
    unplanned = check([rule("R-1"), rule("R-2", matter="占用許可", unit_id="U-040-03")], two)
    assert [(one.matter, one.unit_ids) for one in unplanned] == [("占用許可", ("U-040-04",))]


def test_blocking_findings_come_first_and_a_sound_table_has_none():
    rules = [rule("R-1", "director", matter="通知"), rule("R-2", "vice_mayor", matter="報告")]
    assert [finding.problem for finding in check(rules, CITY)] == [Problem.NO_DECIDER, Problem.VACANT]
    assert check([rule("R-1", "head", 0, 10), rule("R-2", "body_head", 11, None)], CITY) == []
