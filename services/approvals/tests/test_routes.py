"""Routes of the sample city: the five of domain.md 14, all 24 sample documents against an independent builder."""

from __future__ import annotations

import psycopg
import pytest

from chassis import clock
from chassis.errors import DomainError
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from samples.minoh import city as sample_city
from samples.minoh import routes as independent
from services.approvals.tests.conftest import SAMPLES

SAMPLE = sample_city.read_city(SAMPLES)
NAMES = {
    pb.STEP_KIND_APPROVE: "approve",
    pb.STEP_KIND_DECIDE: "decide",
    pb.STEP_KIND_CONCUR: "concur",
    pb.STEP_KIND_REVIEW: "review",
}


def facts_of(document):
    matter = next(c["matter"] for c in SAMPLE.classes if c["class_code"] == document["class_code"])
    facts = {"unit_id": document["unit_id"], "matter": matter, "decision_class": document["decision_class"]}
    return facts | ({"amount": document["amount"]} if "amount" in document else {})


async def plan(city, drafter_id, **facts):
    return await city.plan(await city.person(drafter_id), clock.new_id(), **facts)


def seats(answer):
    """[(group, kind, post)] of a plan."""
    return [(step.group, NAMES[step.kind], step.post_id) for step in answer.steps]


async def refused(city, drafter_id, **facts):
    with pytest.raises(DomainError) as caught:
        await plan(city, drafter_id, **facts)
    return caught.value


@pytest.mark.parametrize("document", SAMPLE.documents, ids=lambda document: document["key"])
async def test_every_sample_document_gets_the_route_that_was_worked_out_by_hand(city, document):
    """AP-02, AP-06, AP-07, AP-08, AP-15: rule, order, parallel groups and absences agree."""
    answer = await plan(city, document["drafter"], **facts_of(document))
    rule, steps = independent.build_route(SAMPLE, document, clock.now())
    assert answer.rule_id == rule["rule_id"]
    assert answer.basis == rule["basis"]
    expected = [(step.group, step.kind, step.post_id, step.staff_id, step.absent) for step in steps]
    found = [
        (s.group, NAMES[s.kind], s.post_id, s.staff_id, s.absent and s.kind != pb.STEP_KIND_DECIDE)
        for s in answer.steps
    ]
    assert found == expected


async def test_the_head_decides_a_small_subsidy(city):
    """室長決裁: 担当主査 → 室長補佐 → 室長."""
    answer = await plan(city, "S0072", unit_id="U-040-03", matter="補助金交付", amount=332_000)
    assert seats(answer) == [
        (1, "approve", "P-040-03-03"),
        (2, "approve", "P-040-03-02"),
        (3, "decide", "P-040-03-01"),
    ]
    assert answer.decision_class == "head"
    assert [step.post_title for step in answer.steps] == ["担当主査", "室長補佐", "室長"]
    assert [step.mandatory for step in answer.steps] == [False, False, True]
    assert answer.steps[2].unit_name == "環境政策室"


async def test_the_director_decides_after_two_units_concur_together(city):
    """部長決裁+合議: … → 室長 → (財政経営室長 ∥ 契約検査室長) → 次長 → 部長 (AP-07, AP-08)."""
    answer = await plan(city, "S0072", unit_id="U-040-03", matter="契約締結", amount=3_000_000)
    assert seats(answer) == [
        (1, "approve", "P-040-03-03"),
        (2, "approve", "P-040-03-02"),
        (3, "approve", "P-040-03-01"),
        (4, "concur", "P-020-04-01"),
        (4, "concur", "P-020-05-01"),
        (5, "approve", "P-040-00-02"),
        (6, "decide", "P-040-00-01"),
    ]
    assert all(step.mandatory for step in answer.steps if step.group >= 3)


async def test_the_mayor_decides_after_the_legal_review_and_the_vice_mayor_in_charge(city):
    """市長決裁: … → 部長 → 法規審査 → 副市長 → 市長; of two 副市長 the one who covers the unit (AP-05)."""
    answer = await plan(city, "S0072", unit_id="U-040-03", matter="計画策定")
    assert [(kind, post) for _, kind, post in seats(answer)[-4:]] == [
        ("review", "P-020-02-01"),
        ("review", "P-020-00-01"),
        ("approve", "P-000-00-03"),
        ("decide", "P-000-00-01"),
    ]
    assert answer.decision_class == "body_head"


async def test_the_hospital_and_the_enterprises_have_deciders_of_their_own(city):
    """AP-05: 病院事業管理者 and 公営企業管理者, not the mayor."""
    hospital = await plan(city, "S0203", unit_id="U-130-11", matter="契約締結", amount=90_000_000)
    assert [post for _, _, post in seats(hospital)][-3:] == ["P-130-11-01", "P-130-10-01", "P-130-00-01"]
    boats = next(a["staff_id"] for a in SAMPLE.appointments if a["post_id"] == "P-120-02-05")
    race = await plan(city, boats, unit_id="U-120-02", matter="競走開催")
    assert seats(race)[-1] == (len(seats(race)), "decide", "P-120-00-01")


async def test_the_class_may_be_higher_but_never_lower_than_the_rule(city):
    """AP-02: free choice only upward."""
    facts = {"unit_id": "U-040-03", "matter": "補助金交付", "amount": 332_000}
    higher = await plan(city, "S0072", **facts, decision_class="director")
    assert seats(higher)[-1][2] == "P-040-00-01"
    error = await refused(city, "S0072", unit_id="U-040-03", matter="契約締結", amount=3_000_000, decision_class="head")
    assert error.reason == "INVALID_FIELDS"
    assert [(field.field, field.problem) for field in error.fields] == [("decision_class", "BELOW_RULE")]
    assert error.metadata["lowest"] == "director"


async def test_an_exceptional_case_goes_one_higher_to_a_post_that_exists(city):
    """AP-03: 重要・異例 → the next higher decider; 消防 has no 部長, so its 次長 is followed by the 消防長."""
    small = {"unit_id": "U-040-03", "matter": "補助金交付", "amount": 332_000}
    unusual = {"exception": "unusual", "exception_reason": "前例のない補助のため"}
    assert (await plan(city, "S0072", **small, **unusual)).decision_class == "deputy_director"
    fire = next(a["staff_id"] for a in SAMPLE.appointments if a["post_id"] == "P-090-02-05")
    answer = await plan(city, fire, unit_id="U-090-02", matter="予算要求", **unusual)
    assert answer.decision_class == "body_head"
    top = await plan(city, "S0072", unit_id="U-040-03", matter="協定締結", **unusual)
    assert top.decision_class == "body_head"


async def test_no_rule_and_no_amount_where_one_is_needed_are_said(city):
    error = await refused(city, "S0072", unit_id="U-040-03", matter="競走開催")
    assert (error.kind.value, error.reason) == ("FAILED_PRECONDITION", "NO_RULE")
    assert error.metadata["matter"] == "競走開催"
    assert (await refused(city, "S0072", unit_id="U-040-03", matter="補助金交付")).reason == "NO_RULE"


async def test_a_class_without_a_post_above_the_unit_is_vacant(city):
    fire = next(a["staff_id"] for a in SAMPLE.appointments if a["post_id"] == "P-090-02-05")
    error = await refused(city, fire, unit_id="U-090-02", matter="予算要求", decision_class="director")
    assert error.reason == "POST_VACANT"
    assert error.metadata["rank"] == "director"


async def test_a_drafter_never_gets_a_route_that_they_would_decide(city):
    """AP-43: 室長 drafting a 室長決裁; and by 兼務, whoever holds the deciding post."""
    head = next(a["staff_id"] for a in SAMPLE.appointments if a["post_id"] == "P-040-03-01")
    error = await refused(city, head, unit_id="U-040-03", matter="補助金交付", amount=332_000)
    assert error.reason == "OWN_DRAFT"
    assert error.metadata["post"] == "環境政策室長"
    answer = await plan(city, head, unit_id="U-040-03", matter="補助金交付", amount=332_000, decision_class="director")
    assert [post for _, _, post in seats(answer)] == ["P-040-00-02", "P-040-00-01"], "own rank and lower are skipped"


async def test_somebody_of_another_unit_cannot_draft_here(city):
    """AP-44: the post drafted from is one they hold."""
    error = await refused(city, "S0072", unit_id="U-120-02", matter="競走開催")
    assert (error.kind.value, error.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    error = await refused(city, "S0072", unit_id="U-040-03", drafter_post="P-040-03-01", matter="補助金交付", amount=1)
    assert error.reason == "NOT_PERMITTED"


async def test_bad_facts_are_named_field_by_field(city):
    drafter = await city.person("S0072")
    with pytest.raises(DomainError) as caught:
        await city.plan(drafter, "not-an-id", unit_id="", matter="", amount=-1, decision_class="emperor")
    assert {field.field for field in caught.value.fields} == {
        "facts.document_id",
        "facts.unit_id",
        "facts.matter",
        "facts.amount",
        "facts.decision_class",
    }
    error = await refused(city, "S0072", unit_id="U-999", matter="補助金交付", amount=1)
    assert [(field.field, field.problem) for field in error.fields] == [("facts.unit_id", "UNKNOWN")]


# --- the drafter's own steps (AP-54) ------------------------------------------------------------

CONTRACT = {"unit_id": "U-040-03", "matter": "契約締結", "amount": 3_000_000}


async def adjusted(city, change, **facts):
    """A plan whose proposal was changed by `change(steps)`."""
    drafter, document_id = await city.person("S0072"), clock.new_id()
    facts = facts or CONTRACT
    proposal = await city.plan(drafter, document_id, **facts)
    steps = [pb.PlannedStep.FromString(step.SerializeToString()) for step in proposal.steps]
    return await drafter.call(
        "PlanRoute",
        request_id=clock.new_id(),
        facts=pb.RouteFacts(document_id=document_id, **facts),
        adjusted=change(steps),
    )


async def test_optional_seats_go_and_seats_below_the_decider_come(city):
    def change(steps):
        others = [step for step in steps if step.post_id != "P-040-03-02"]
        extra = pb.PlannedStep(kind=pb.STEP_KIND_CONCUR, post_id="P-020-01-01", group=4)
        return [*others, extra]

    answer = await adjusted(city, change)
    assert seats(answer) == [
        (1, "approve", "P-040-03-03"),
        (2, "approve", "P-040-03-01"),
        (3, "concur", "P-020-04-01"),
        (3, "concur", "P-020-05-01"),
        (3, "concur", "P-020-01-01"),
        (4, "approve", "P-040-00-02"),
        (5, "decide", "P-040-00-01"),
    ]
    assert [step.mandatory for step in answer.steps] == [False, True, True, True, False, True, True]


def without(post_id):
    return lambda steps: [step for step in steps if step.post_id != post_id]


def moved(post_id, group):
    def change(steps):
        for step in steps:
            if step.post_id == post_id:
                step.group = group
        return steps

    return change


def plus(kind, post_id, group):
    return lambda steps: [*steps, pb.PlannedStep(kind=kind, post_id=post_id, group=group)]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (without("P-040-03-01"), "MANDATORY_STEP_MISSING"),
        (without("P-020-04-01"), "MANDATORY_STEP_MISSING"),
        (without("P-040-00-01"), "MANDATORY_STEP_MISSING"),
        (moved("P-040-00-01", 1), "ORDER_CHANGED"),
        (moved("P-040-00-02", 3), "ORDER_CHANGED"),
        (moved("P-040-03-03", 3), "ORDER_CHANGED"),
        (moved("P-040-03-03", 2), "ORDER_CHANGED"),
        (moved("P-040-03-02", 5), "ORDER_CHANGED"),
        (plus(pb.STEP_KIND_APPROVE, "P-020-01-01", 6), "DECIDER_NOT_LAST"),
        (plus(pb.STEP_KIND_APPROVE, "P-020-01-01", 7), "DECIDER_NOT_LAST"),
        (plus(pb.STEP_KIND_DECIDE, "P-020-01-01", 7), "KIND_NOT_ALLOWED"),
        (plus(pb.STEP_KIND_INFORM, "P-020-01-01", 1), "KIND_NOT_ALLOWED"),
        (plus(pb.STEP_KIND_REVIEW, "P-040-03-03", 1), "POST_TWICE"),
        (plus(pb.STEP_KIND_CONCUR, "P-040-03-05", 1), "OWN_POST"),
        (plus(pb.STEP_KIND_CONCUR, "P-020-01-01", 0), "GROUP_OUT_OF_RANGE"),
        # 副市長 and 市長 are struck through where the 部長 decides (AP-04).
        (plus(pb.STEP_KIND_APPROVE, "P-000-00-03", 1), "ABOVE_DECIDER"),
        (plus(pb.STEP_KIND_CONCUR, "P-000-00-01", 3), "ABOVE_DECIDER"),
        (lambda steps: steps * 8, "TOO_MANY"),
    ],
)
async def test_what_the_drafter_may_not_change(city, change, problem):
    """AP-54: mandatory seats stay; AP-06: the own line from lower to higher; AP-01: the decider alone at the end."""
    with pytest.raises(DomainError) as caught:
        await adjusted(city, change)
    assert [(field.field, field.problem) for field in caught.value.fields] == [("adjusted", problem)]


async def test_an_added_post_must_exist_and_be_held(city):
    with pytest.raises(DomainError) as caught:
        await adjusted(city, plus(pb.STEP_KIND_CONCUR, "P-999-00-01", 1))
    assert caught.value.reason == "POST_VACANT"


async def test_the_same_plan_request_gives_the_same_plan(city):
    drafter, document_id = await city.person("S0072"), clock.new_id()
    request = {
        "request_id": "plan-twice",
        "facts": pb.RouteFacts(document_id=document_id, unit_id="U-040-03", matter="照会回答"),
    }
    one = await drafter.call("PlanRoute", **request)
    assert await drafter.call("PlanRoute", **request) == one
    with pytest.raises(DomainError) as caught:
        await drafter.call("PlanRoute", request_id="plan-twice", facts=pb.RouteFacts(document_id=document_id))
    assert caught.value.reason == "INVALID_FIELDS"
    request["facts"].matter = "通知"
    with pytest.raises(DomainError) as caught:
        await drafter.call("PlanRoute", **request)
    assert caught.value.reason == "REQUEST_ID_REUSED"


async def test_a_route_takes_as_many_statements_however_long_it_is(city, monkeypatch):
    """Seats of the line are read once; those that a rule names beyond it with one statement more."""
    execute = psycopg.AsyncConnection.execute
    said = []

    async def listening(self, query, *rest, **named):
        said.append(str(query))
        return await execute(self, query, *rest, **named)

    counts, drafter = [], await city.person("S0072")
    with monkeypatch.context() as patched:
        patched.setattr(psycopg.AsyncConnection, "execute", listening)
        for matter, facts in (("照会回答", {}), ("計画策定", {}), ("契約締結", {"amount": 40_000_000})):
            said.clear()
            answer = await city.plan(drafter, clock.new_id(), unit_id="U-040-03", matter=matter, **facts)
            ours = [one for one in said if "record_epochs" not in one and "FROM outbox" not in one]
            counts.append((len(answer.steps), len(ours)))
    assert len({steps for steps, _ in counts}) > 1, counts
    assert [statements for _, statements in counts] == [7, 8, 8], counts
