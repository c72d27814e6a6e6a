"""Who is told of what, as a rule over a case before and after an act; escalation lists; addresses."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from chassis import clock
from chassis.errors import DomainError
from services.approvals import words
from services.approvals.cases.domain import Action, Case, CaseState, Decision, Signature, Step, StepState
from services.approvals.notices import domain
from services.approvals.notices.domain import GROUP_OF, Group, NoticeKind, Told
from services.approvals.organisation.domain import AppointmentKind
from services.approvals.routes.domain import StepKind

NOON = datetime(2026, 11, 24, 12, tzinfo=clock.JST)
CASE_ID = "0199c7a6-8f2e-7c3a-9a51-2f6d0d7b3f10"


def step(place: int, state: StepState, kind: StepKind = StepKind.APPROVE, **more: object) -> Step:
    return replace(Step(f"step-{place}", kind, state, place, f"P-{place}", True, "", activated_at=NOON), **more)


def case(*steps: Step, state: CaseState = CaseState.CIRCULATING, **more: object) -> Case:
    made = Case(
        CASE_ID, "D", state, "a" * 64, "起案者", "P-0", "U", "head", "箕市第1号", False, False, "R", "", "", NOON, steps
    )
    return replace(made, decided_at=NOON if state is CaseState.DECIDED else None, **more)


def acted(staff_id: str, action: Action) -> Decision:
    by = Signature(staff_id, "髙橋 一郎", "P-9", "室長", "U", "環境政策室", AppointmentKind.MAIN)
    return Decision("D", "step-1", action, 1, by, "", NOON, "a" * 64, "")


def told(before: Case | None, after: Case) -> list[tuple[str, str]]:
    return [(one.kind, one.post_id or one.staff_id) for one in domain.told(before, after)]


def test_only_what_waits_now_and_did_not_before_is_told() -> None:
    """未処理, once: not a step that waits on, nor one whose turn has not come (AC-11)."""
    first = case(step(1, StepState.ACTIVE), step(2, StepState.WAITING), step(3, StepState.WAITING))
    assert told(None, first) == [("turn", "P-1")]
    second = replace(first, steps=(step(1, StepState.APPROVED), step(2, StepState.ACTIVE), step(3, StepState.WAITING)))
    assert told(first, second) == [("turn", "P-2")]
    held = replace(second, steps=(step(1, StepState.APPROVED), step(2, StepState.HELD), step(3, StepState.WAITING)))
    assert told(second, held) == []
    assert told(second, second) == []


def test_an_urgent_turn_is_another_kind() -> None:
    """AP-50: 至急 is switched and sent by itself."""
    urgent = case(step(1, StepState.ACTIVE), step(2, StepState.ACTIVE, StepKind.CONCUR), urgent=True)
    assert told(None, urgent) == [("urgent_turn", "P-1"), ("urgent_turn", "P-2")]
    assert GROUP_OF[NoticeKind.URGENT_TURN] is GROUP_OF[NoticeKind.SUBSTITUTE] is Group.URGENT


def test_another_round_or_another_post_is_told_anew() -> None:
    """差戻し to an earlier seat, 引戻し; a step that follows its successor (AP-41)."""
    before = case(step(1, StepState.ACTIVE))
    assert told(before, replace(before, steps=(step(1, StepState.ACTIVE, round=2),))) == [("turn", "P-1")]
    assert told(before, replace(before, steps=(step(1, StepState.ACTIVE, post_id="P-7"),))) == [("turn", "P-7")]


def test_the_substitute_who_is_asked_is_told_and_only_then() -> None:
    """AP-17, AC-11."""
    before = case(step(1, StepState.ACTIVE, StepKind.DECIDE))
    asked = case(step(1, StepState.ACTIVE, StepKind.DECIDE, asked_post_id="P-代1"))
    assert told(before, asked) == [("substitute", "P-代1")]
    assert told(asked, asked) == []


def test_a_later_seat_that_is_asked_to_pull_up_is_told_as_of_a_turn() -> None:
    """AP-17."""
    before = case(step(1, StepState.ACTIVE), step(2, StepState.WAITING))
    asked = case(step(1, StepState.ACTIVE, asked_post_id="P-2"), step(2, StepState.WAITING))
    assert told(before, asked) == [("turn", "P-2")]


def test_after_a_decision_come_the_post_views_and_the_drafter() -> None:
    """AP-11: 後閲 is told when it is due, after the decision; 供覧 as such."""
    before = case(step(1, StepState.POSTVIEW_DUE), step(2, StepState.ACTIVE, StepKind.DECIDE))
    after = case(
        step(1, StepState.POSTVIEW_DUE),
        step(2, StepState.DECIDED, StepKind.DECIDE),
        step(3, StepState.ACTIVE, StepKind.INFORM),
        state=CaseState.DECIDED,
        decisions=(acted("室長", Action.DECIDE),),
    )
    assert told(before, after) == [("decided", "起案者"), ("post_view", "P-1"), ("circulation", "P-3")]


@pytest.mark.parametrize(
    ("state", "kind"), [(CaseState.REJECTED, "rejected"), (CaseState.WITHDRAWN, "withdrawn")], ids=["否決", "取下げ"]
)
def test_who_was_consulted_hears_that_it_came_to_nothing(state: CaseState, kind: str) -> None:
    """domain.md 4: after 否決 and 廃案 the 合議先 are told."""
    before = case(step(1, StepState.CONCURRED, StepKind.CONCUR), step(2, StepState.ACTIVE, StepKind.DECIDE))
    decisions = (acted("財政", Action.CONCUR), acted("室長", Action.REJECT))
    after = case(step(1, StepState.CONCURRED), state=state, decisions=decisions)
    assert told(before, after) == [(kind, "起案者"), (kind, "財政")]


def test_nobody_is_told_what_they_did_themselves() -> None:
    before = case(step(1, StepState.ACTIVE))
    after = case(step(1, StepState.CANCELLED), state=CaseState.SENT_BACK, decisions=(acted("起案者", Action.RECALL),))
    assert told(before, after) == []
    by_other = replace(after, decisions=(acted("主査", Action.SEND_BACK),))
    assert told(before, by_other) == [("sent_back", "起案者")]


def test_a_refused_submission_is_told_to_its_drafter() -> None:
    assert told(None, case(state=CaseState.REFUSED)) == [("sent_back", "起案者")]


def test_a_notice_has_nothing_in_it_that_could_be_a_title() -> None:
    """AC-14: a case, a kind, and to whom."""
    assert set(vars(Told(CASE_ID, NoticeKind.TURN))) == {"case_id", "kind", "post_id", "staff_id"}
    assert set(words.NOTICES) == set(NoticeKind) == set(GROUP_OF)


def test_the_nearest_list_above_holds() -> None:
    """A unit without a list of its own is escalated as the unit above it; a loop in the tree ends the search."""
    parents = {"係": "室", "室": "部", "部": "", "輪1": "輪2", "輪2": "輪1"}
    assert domain.list_of("係", parents, {"部": ["P-1"]}) == "部"
    assert domain.list_of("係", parents, {"部": ["P-1"], "室": ["P-2"], "係": []}) == "室"
    assert domain.list_of("部", parents, {"室": ["P-2"]}) == ""
    assert domain.list_of("輪1", parents, {}) != "部"


@pytest.mark.parametrize(
    ("posts", "problem"),
    [(["P-1", "P-1"], "POST_TWICE"), (["P-9"], "UNKNOWN"), ([f"P-{n}" for n in range(21)], "TOO_MANY")],
)
def test_a_list_names_posts_that_exist_once(posts: list[str], problem: str) -> None:
    with pytest.raises(DomainError) as caught:
        domain.checked_list(posts, {"P-1", "P-2"})
    assert [one.problem for one in caught.value.fields] == [problem]
    assert domain.checked_list(["P-2", "P-1"], {"P-1", "P-2"}) == ("P-2", "P-1")


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("takuya.katsuragi@city.minoh.example", True),
        ("a@localhost", True),
        ("", False),
        ("葛城@city.example", False),
        ("a@b.example, c@d.example", False),
        ("a@b.example\nBcc: c@d.example", False),
        ("<a@b.example>", False),
        ("a..b@c.example", False),
        (f"{'a' * 65}@b.example", False),
    ],
)
def test_an_address_is_one_plain_address(text: str, *, good: bool) -> None:
    """Nothing in it can become another header or another receiver."""
    assert domain.is_address(text) is good
