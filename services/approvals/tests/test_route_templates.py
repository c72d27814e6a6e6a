"""Templates of routes: personal, of a unit, of the city; versioned; they only add below the decider (AP-54)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import clock
from chassis.errors import DomainError
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from kanketsu.approvals.v1 import route_templates_service_pb2 as templates_pb
from services.approvals.routes.domain import BEFORE_LINE, StepKind, adjust
from services.approvals.templates.domain import KINDS, PLACES, Extra, Scope, Template, applied
from services.approvals.tests.test_route_forms import ASKED, FACTS, FORMS, OWN, route, seat, shape

OTHERS = tuple(seat(f"P-他{number}", "head", f"U-他{number}") for number in range(5))
KNOWN = {one.post_id: one for one in (*OWN, *ASKED.values(), *OTHERS)}


def template(*extras):
    made = tuple(Extra(StepKind(kind), post, after) for kind, post, after in extras)
    return Template("t", 1, Scope.PERSONAL, "S-起案", "いつもの回議", made, "S-起案", clock.now())


def with_template(proposal, used):
    return adjust(proposal, applied(proposal, used, KNOWN, FACTS.drafter_post), KNOWN, FACTS)


# --- where its seats come -----------------------------------------------------------------------


def test_seats_come_where_the_template_says():
    """AP-54: before the line, after a rank or the next lower one there is, neighbours in parallel, never after 決裁."""
    used = template(
        ("concur", "P-他0", BEFORE_LINE),
        ("review", "P-他1", "deputy_head"),
        ("concur", "P-他2", "head"),
        ("concur", "P-他3", "head"),
        ("approve", "P-他4", "body_head"),
    )
    assert shape(with_template(route(concurrence_posts=("P-財政",)), used).steps) == [
        "1 concur P-他0",
        "2 approve P-主査",
        "3 review P-他1",
        "4 approve P-室長",
        "5 concur P-他2",
        "5 concur P-他3",
        "6 approve P-他4",
        "7 concur P-財政",
        "8 decide P-部長",
    ]


def test_who_is_asked_anyway_is_not_asked_twice():
    used = template(("concur", "P-財政", "head"), ("concur", "P-係員", "head"), ("concur", "P-他0", "head"))
    steps = with_template(route(), used).steps
    assert [step.post_id for step in steps].count("P-財政") == 1
    assert "P-係員" not in [step.post_id for step in steps], "the drafter's own post"
    assert next(step for step in steps if step.post_id == "P-他0").basis == "ひな形「いつもの回議」"


EXTRAS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from([one.post_id for one in (*OTHERS, *ASKED.values(), *OWN)]),
        st.sampled_from(PLACES),
    ),
    max_size=6,
    unique_by=lambda extra: extra[1],
)


@given(FORMS, EXTRAS)
def test_a_template_only_adds(forms, extras):
    """AP-01, AP-54: everything of the proposal stays in its order and its groups, the decider alone at the end."""
    proposal = route(**forms)
    found = with_template(proposal, template(*extras)).steps
    mine = [(step.kind, step.post_id) for step in proposal.steps]
    assert [key for key in ((step.kind, step.post_id) for step in found) if key in mine] == mine
    place = {(step.kind, step.post_id): step.group for step in found}
    for one in proposal.steps:
        for other in proposal.steps:
            together = one.group == other.group
            assert (place[one.kind, one.post_id] == place[other.kind, other.post_id]) is together
    assert {post for _, post, _ in extras} <= {step.post_id for step in found}
    last = max(step.group for step in found)
    assert [step.kind for step in found if step.group == last] == [StepKind.DECIDE]
    added = [step for step in found if (step.kind, step.post_id) not in mine]
    assert not [step for step in added if step.mandatory or step.need]
    assert [step.need for step in found if step not in added] == [step.need for step in proposal.steps]


# --- kept and used ------------------------------------------------------------------------------

# 環境政策室: its clerk and its head, who is its records manager; and a records officer of the city.
CLERK, HEAD, OFFICER = "S0072", "P-040-03-01", "S0018"
SEATS = [templates_pb.TemplateStep(kind="concur", post_id="P-020-01-01", after="head")]


async def save(person, **fields):
    wish = {"request_id": clock.new_id(), "name": "総務課へ合議", "steps": SEATS} | fields
    return (await person.call("SaveRouteTemplate", **wish)).template


async def plan(city, person, template_id, **fields):
    return await person.call(
        "PlanRoute",
        request_id=clock.new_id(),
        facts=pb.RouteFacts(document_id=clock.new_id(), unit_id="U-040-03", matter="照会回答"),
        route_template_id=template_id,
        **fields,
    )


async def offered(person):
    return {one.route_template_id for one in (await person.call("ListRouteTemplates")).templates}


async def refused(awaitable):
    with pytest.raises(DomainError) as caught:
        await awaitable
    return caught.value


async def test_a_personal_template_is_used_by_its_owner_alone(city):
    """AP-54; AC-03: another's is as if it were not."""
    clerk, stranger = await city.person(CLERK), await city.holder("P-120-02-05")
    made = await save(clerk, scope="personal")
    answer = await plan(city, clerk, made.route_template_id)
    added = next(step for step in answer.steps if step.post_id == "P-020-01-01")
    assert (added.kind, added.mandatory, added.basis) == (pb.STEP_KIND_CONCUR, False, "ひな形「総務課へ合議」")
    assert answer.steps[-1].kind == pb.STEP_KIND_DECIDE
    rows = await city.rows(
        "SELECT route_template_id::text, route_template_version FROM route_plans WHERE route_plan_id = %s",
        answer.route_plan_id,
    )
    assert rows == [(made.route_template_id, 1)]
    assert made.route_template_id in await offered(clerk)
    assert made.route_template_id not in await offered(stranger)
    hidden = await refused(save(stranger, route_template_id=made.route_template_id, expected_version=1))
    absent = await refused(save(stranger, route_template_id=clock.new_id(), expected_version=1))
    assert (hidden.kind, hidden.reason, hidden.message) == (absent.kind, absent.reason, absent.message)
    assert (await refused(plan(city, clerk, clock.new_id()))).reason == "NOT_FOUND"


async def test_a_units_template_is_its_records_managers_and_the_citys_the_records_offices(city):
    clerk, head, officer = await city.person(CLERK), await city.holder(HEAD), await city.person(OFFICER)
    for scope in ("unit", "city"):
        error = await refused(save(clerk, scope=scope, unit_id="U-040-03"))
        assert error.reason == "NOT_PERMITTED", scope
    ours = await save(head, scope="unit", unit_id="U-040-03")
    assert (await refused(save(head, scope="unit", unit_id="U-120-02"))).reason == "NOT_PERMITTED"
    everybodys = await save(officer, scope="city", name="全庁")
    assert {ours.route_template_id, everybodys.route_template_id} <= await offered(clerk)
    assert ours.route_template_id not in await offered(officer)
    assert (await refused(save(clerk, route_template_id=ours.route_template_id, expected_version=1))).reason == (
        "NOT_PERMITTED"
    )


async def test_versions_follow_each_other_and_a_retired_one_is_offered_no_more(city):
    """AP-54: versioned; all of it in the log."""
    clerk = await city.person(CLERK)
    made = await save(clerk, scope="personal")
    more = [*SEATS, templates_pb.TemplateStep(kind="review", post_id="P-020-02-01", after="drafter")]
    second = await save(clerk, route_template_id=made.route_template_id, expected_version=1, steps=more)
    assert (second.version, len(second.steps)) == (2, 2)
    stale = await refused(save(clerk, route_template_id=made.route_template_id, expected_version=1))
    assert (stale.reason, stale.metadata["version"]) == ("STALE_VERSION", "2")
    assert (await plan(city, clerk, made.route_template_id)).steps[0].post_id == "P-020-02-01"
    retired = await clerk.call(
        "RetireRouteTemplate",
        request_id=clock.new_id(),
        route_template_id=made.route_template_id,
        expected_version=2,
    )
    assert retired.template.version == 3
    assert made.route_template_id not in await offered(clerk)
    assert (await refused(plan(city, clerk, made.route_template_id))).reason == "NOT_FOUND"
    events = await city.envelopes(made.route_template_id)
    assert [(one.action, one.aggregate_version) for one in events] == [
        ("template.saved", 1),
        ("template.saved", 2),
        ("template.retired", 3),
    ]
    versions = await city.rows(
        "SELECT version, jsonb_array_length(steps) FROM route_templates WHERE route_template_id = %s ORDER BY 1",
        made.route_template_id,
    )
    assert versions == [(1, 1), (2, 2), (3, 2)]


async def test_being_named_in_a_template_shows_nothing(city):
    """AC-11: the seat is in the template, not in a case."""
    clerk, named = await city.person(CLERK), await city.holder("P-020-01-01")
    await save(clerk, scope="personal")
    case_id = await city.circulating()
    assert (await refused(named.see(case_id))).reason == "NOT_FOUND"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"scope": "world"}, ("scope", "UNKNOWN")),
        ({"name": " "}, ("name", "REQUIRED")),
        ({"name": "長" * 61}, ("name", "TOO_LONG")),
        ({"steps": []}, ("steps", "REQUIRED")),
        ({"steps": SEATS * 2}, ("steps", "POST_TWICE")),
        (
            {"steps": [templates_pb.TemplateStep(kind="decide", post_id="P-1", after="head")]},
            ("steps", "KIND_NOT_ALLOWED"),
        ),
        (
            {"steps": [templates_pb.TemplateStep(kind="steal", post_id="P-1", after="head")]},
            ("steps", "KIND_NOT_ALLOWED"),
        ),
        ({"steps": [templates_pb.TemplateStep(kind="concur", post_id="P-1", after="end")]}, ("steps", "UNKNOWN")),
    ],
)
async def test_what_a_template_may_not_say(city, fields, problem):
    error = await refused(save(await city.person(CLERK), **({"scope": "personal"} | fields)))
    assert [(field.field, field.problem) for field in error.fields] == [problem]


async def test_a_seat_that_is_gone_is_said_and_never_left_out(city):
    """AP-54: a template never silently shrinks."""
    clerk = await city.person(CLERK)
    gone = [templates_pb.TemplateStep(kind="concur", post_id="P-999-00-01", after="head")]
    made = await save(clerk, scope="personal", steps=gone)
    error = await refused(plan(city, clerk, made.route_template_id))
    assert (error.reason, error.metadata["post_id"]) == ("POST_VACANT", "P-999-00-01")
    both = await refused(
        plan(
            city,
            clerk,
            made.route_template_id,
            adjusted=[pb.PlannedStep(kind=pb.STEP_KIND_CONCUR, post_id="P-020-01-01", group=1)],
        )
    )
    assert [(field.field, field.problem) for field in both.fields] == [("route_template_id", "NOT_ALLOWED")]
