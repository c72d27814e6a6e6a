"""Why a case has its decider, and what would change it (AP-02, AP-03, AP-05): in examples, and true of every change."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import clock
from chassis.errors import DomainError
from services.approvals.organisation.domain import DECISION_CLASSES
from services.approvals.routes.domain import ExceptionKind, choose_rule, decision_class_of
from services.approvals.routes.why import Cause, changes, explain
from services.approvals.tests.test_rule_checks import any_rules, facts, organisations

SUBSIDY = {"unit_id": "U-040-03", "matter": "補助金交付"}


async def explained(city, drafter_id="S0072", **given_facts):
    return (await city.plan(await city.person(drafter_id), clock.new_id(), **given_facts)).explanation


# --- in words -----------------------------------------------------------------------------------


async def test_a_rule_its_band_and_what_would_change_it(city):
    """AP-02, AP-05."""
    found = await explained(city, **SUBSIDY, amount=332_000)
    assert list(found.reasons) == [
        "所属「環境政策室」の事項「補助金交付」、金額332,000円には、R-SH-003（箕面市事務決裁規程第7条第1項第3号）が当てはまります。",
        "この定めは、1,000,000円以下を室長決裁としています。",
        "執行機関は市長、その長の職は「箕面市長」です。",
        "よって、「環境政策室長」が決裁します。",
    ]
    assert [change.text for change in found.changes] == [
        "金額が1,000,000円を超えると、部長決裁（R-SH-004）、合議・審査の相手も変わります。",
        "金額が10,000,000円を超えると、執行機関の長の決裁（R-SH-005）、合議・審査の相手も変わります。",
        "議会関係・重要・異例・先例・紛議に当たるときは、次長決裁。",
    ]
    assert (found.rule_id, found.amount_max, found.decider_post_id) == ("R-SH-003", 1_000_000, "P-040-03-01")


async def test_less_money_leads_down_again(city):
    found = await explained(city, **SUBSIDY, amount=5_000_000)
    assert "金額が1,000,000円以下なら、室長決裁（R-SH-003）、合議・審査の相手も変わります。" in [
        change.text for change in found.changes
    ]


async def test_the_rule_of_a_unit_beats_the_one_of_the_body(city):
    """AP-02: the nearest unit's."""
    drafter = (await city.holder("P-020-01-05")).staff_id
    found = await explained(city, drafter, unit_id="U-020-01", matter="開示決定")
    assert list(found.beaten_rule_ids) == ["R-SH-010"]
    assert (
        "「総務課」の定めが、執行機関全体のR-SH-010（箕面市事務決裁規程第6条第1項第12号、第11条（合議））に優先します。"
        in found.reasons
    )


async def test_an_exception_says_its_kind_and_its_reason(city):
    """AP-03: 先例, with the drafter's reason; without it the decision falls back."""
    found = await explained(
        city, **SUBSIDY, amount=332_000, exception="precedent", exception_reason="今後の交付の先例になるため"
    )
    assert (
        "「先例」に当たる案件として専決の例外により上位の決裁を求めているので、室長決裁が次長決裁になります"
        "（理由：今後の交付の先例になるため）。" in found.reasons
    )
    assert [change.text for change in found.changes][-1] == "専決の例外に当たらなければ、室長決裁。"


async def test_a_matter_of_the_council_is_an_exception(city):
    """AP-03: 議会関係."""
    found = await explained(
        city, **SUBSIDY, amount=332_000, exception="council", exception_reason="議会の議決を経た補助金のため"
    )
    assert (found.exception, found.decision_class) == ("council", "deputy_director")
    assert any("「議会関係」に当たる案件として" in sentence for sentence in found.reasons)


async def test_an_exception_of_the_highest_decider_stays_there(city):
    """AP-03: there is nobody higher."""
    found = await explained(
        city, unit_id="U-040-03", matter="協定締結", exception="dispute", exception_reason="係争中のため"
    )
    assert any("これより上位の職はありません" in sentence for sentence in found.reasons)
    assert found.decision_class == "body_head"


async def test_a_wish_for_a_higher_class_is_said(city):
    """AP-02: free choice upwards."""
    found = await explained(city, **SUBSIDY, amount=332_000, decision_class="director")
    assert "起案者が、上位の部長決裁を選んでいます。" in found.reasons
    assert "上位の決裁を選ばなければ、室長決裁。" in [change.text for change in found.changes]
    assert "金額が1,000,000円を超えると" not in " ".join(
        change.text for change in found.changes if change.decision_class == "head"
    )


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"exception": "precedent"}, [("facts.exception_reason", "EXCEPTION_WITHOUT_REASON")]),
        (
            {"exceptional": True},
            [("facts.exception", "EXCEPTION_WITHOUT_KIND"), ("facts.exception_reason", "EXCEPTION_WITHOUT_REASON")],
        ),
        (
            {"exceptional": True, "exception_reason": "議会に報告するため"},
            [("facts.exception", "EXCEPTION_WITHOUT_KIND")],
        ),
        ({"exception": "whim", "exception_reason": "気分"}, [("facts.exception", "UNKNOWN")]),
        ({"exception": "dispute", "exception_reason": "長" * 501}, [("facts.exception_reason", "TOO_LONG")]),
    ],
)
async def test_an_exception_needs_a_kind_and_a_reason(city, fields, problems):
    """AP-03."""
    with pytest.raises(DomainError) as caught:
        await explained(city, **SUBSIDY, amount=1, **fields)
    assert [(field.field, field.problem) for field in caught.value.fields] == problems


# --- of a case ----------------------------------------------------------------------------------


async def test_a_case_explains_itself_to_who_sees_it(city, owner):
    """AP-02: by the rules of its day, whatever came after; hidden and absent are the same (AC-03)."""
    case_id = await city.circulating(exception="important", exception_reason="議会が注目しているため")
    drafter, stranger = await city.person("S0072"), await city.holder("P-120-02-05")
    before = await drafter.call("DescribeDecider", case_id=case_id)
    assert before.explanation.exception_reason == "議会が注目しているため"
    await owner.execute(
        "UPDATE rule_versions SET state = 'discarded' WHERE body = 'mayor' AND valid_from > '2023-04-01'"
    )
    try:
        assert (await drafter.call("DescribeDecider", case_id=case_id)).explanation == before.explanation
        now = await explained(city, **SUBSIDY, amount=332_000)
        assert now.rule_id == "R-SH-001", "today's drafts are decided by another version"
    finally:
        await owner.execute("UPDATE rule_versions SET state = 'activated' WHERE body = 'mayor'")
    case = await drafter.see(case_id)
    hidden = []
    for asked in (case_id, clock.new_id()):
        with pytest.raises(DomainError) as caught:
            await stranger.call("DescribeDecider", case_id=asked)
        hidden.append((caught.value.kind, caught.value.reason, caught.value.message))
    assert hidden[0] == hidden[1]
    opened = await stranger.call(
        "DescribeDecider", document_id=case.document_id, read_receipt=city.receipt(case, stranger.staff_id)
    )
    assert opened.explanation == before.explanation
    records = [record for record in await city.records("case.explained") if record.object_id == case_id]
    assert [record.actor.staff_id for record in records if not record.reason] == ["S0072", "S0072", stranger.staff_id]


async def test_the_command_explains_a_case_and_facts(city):
    case_id = await city.circulating()
    environment = os.environ | {"KANKETSU_DATABASE_URL": city.where.app_url, "KANKETSU_TENANT": "minoh"}

    def why(*arguments):
        command = [sys.executable, "-m", "services.approvals", "why", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    done = why("--unit", "U-040-03", "--matter", "補助金交付", "--amount", "400000", "--on", "2025-06-01")
    assert (done.returncode, done.stderr) == (0, "")
    assert "R-SH-001（箕面市事務決裁規程第7条第1項第3号（令和8年4月1日改正前））が当てはまります。" in done.stdout
    assert "金額が500,000円を超えると、部長決裁（R-SH-002）" in done.stdout
    assert "よって、「環境政策室長」が決裁します。" in why("--case", case_id).stdout
    assert why("--unit", "U-040-03", "--matter", "競走開催").returncode == 1
    assert why("--case", clock.new_id()).stderr == "no such case\n"
    assert why("--unit", "U-040-03").returncode == 2


# --- true of every change -----------------------------------------------------------------------


@given(
    any_rules(),
    organisations(),
    st.integers(0, 8),
    st.sampled_from(("", *DECISION_CLASSES)),
    st.none() | st.sampled_from(ExceptionKind),
)
def test_every_change_is_true_and_none_is_missing(rules, organisation, amount, wished, exception):
    """AP-02, AP-03: what is said of another amount is what a draft with that amount gets."""
    for drafting in organisation.drafting("mayor"):
        line = organisation.line(drafting.unit_id)
        mine = dataclasses.replace(
            facts(drafting.unit_id, amount), wished_class=wished, exceptional=exception is not None, exception=exception
        )
        try:
            found = explain(rules, line, mine)
        except DomainError:
            continue
        assert len(changes(found)) == len(found.changes)
        assert found.decision_class == decision_class_of(choose_rule(rules, line, mine), line, mine)
        told = {}
        for change in found.changes:
            if change.cause is Cause.AMOUNT_ABOVE:
                told[change.amount + 1] = change.decision_class
            elif change.cause is Cause.AMOUNT_BELOW:
                told[change.amount] = change.decision_class
        # From the band of the amount outwards, what is told holds until something else is told.
        for other in range(9):
            expected = _class_of(rules, line, dataclasses.replace(mine, amount=other))
            at = [edge for edge in told if (amount < edge <= other) or (other <= edge < amount)]
            if expected != found.decision_class:
                assert at, (amount, other, expected)
            if other in told:
                assert told[other] == expected


def _class_of(rules, line, wanted):
    """The class for these facts, a wish below the rule dropped; "" where no rule holds."""
    try:
        rule = choose_rule(rules, line, wanted)
    except DomainError:
        return ""
    order = DECISION_CLASSES.index
    if wanted.wished_class and order(wanted.wished_class) < order(rule.decision_class):
        wanted = dataclasses.replace(wanted, wished_class="")
    return decision_class_of(rule, line, wanted)
