"""What the RPCs about routes answer: planned steps, and why the decider is who it is."""

from __future__ import annotations

from collections.abc import Mapping

from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals.organisation.domain import Seat, Unit, post_label
from services.approvals.routes import why
from services.approvals.routes.domain import Plan, PlannedStep, StepKind
from services.approvals.routes.why import Explanation

STEP_KINDS = {
    StepKind.APPROVE: pb.STEP_KIND_APPROVE,
    StepKind.DECIDE: pb.STEP_KIND_DECIDE,
    StepKind.CONCUR: pb.STEP_KIND_CONCUR,
    StepKind.REVIEW: pb.STEP_KIND_REVIEW,
    StepKind.INFORM: pb.STEP_KIND_INFORM,
    StepKind.PROVISIONAL: pb.STEP_KIND_PROVISIONAL,
}
KIND_OF = {number: kind for kind, number in STEP_KINDS.items()}


def planned_route(
    plan: Plan, seats: Mapping[str, Seat], found: Explanation, units: Mapping[str, Unit]
) -> pb.PlanRouteResponse:
    """The answer of PlanRoute."""
    return pb.PlanRouteResponse(
        route_plan_id=plan.route_plan_id,
        steps=[planned_step(step, seats[step.post_id]) for step in plan.route.steps],
        decision_class=plan.route.decision_class,
        rule_id=plan.route.rule_id,
        basis=plan.route.basis,
        explanation=explanation(found, units),
    )


def explanation(found: Explanation, units: Mapping[str, Unit]) -> pb.Explanation:
    """Why this decider, in facts and in sentences."""
    rule, decider, ruling = found.rule, found.decider, found.ruling
    planned = post_label(decider.unit_name, decider.title) if decider else ""
    return pb.Explanation(
        rule_id=rule.rule_id,
        basis=rule.basis,
        amount_min=rule.amount_min,
        amount_max=rule.amount_max,
        rule_unit_id=rule.unit_id,
        beaten_rule_ids=[one.rule_id for one in found.beaten],
        rule_class=rule.decision_class,
        wished_class=found.wished_class,
        decision_class=found.decision_class,
        body=rule.body,
        decider_post_id=ruling.post_id if ruling else decider.post_id if decider else "",
        decider_post=ruling.post if ruling else planned,
        rule_decider_post=planned,
        exception=found.facts.exception or "",
        exception_reason=found.facts.exception_reason,
        changes=[
            pb.ExplanationChange(
                cause=one.cause,
                amount=one.amount,
                decision_class=one.decision_class,
                rule_id=one.rule.rule_id if one.rule else "",
                text=text,
            )
            for one, text in zip(found.changes, why.changes(found), strict=True)
        ],
        reasons=why.reasons(found, units),
    )


def planned_step(step: PlannedStep, seat: Seat) -> pb.PlannedStep:
    """A seat of a route with who holds it today."""
    holder = seat.holder
    return pb.PlannedStep(
        kind=STEP_KINDS[step.kind],
        post_id=step.post_id,
        group=step.group,
        mandatory=step.mandatory,
        staff_id=holder.staff_id if holder else "",
        staff_name=holder.name if holder else "",
        post_title=seat.shown_title,
        unit_name=seat.unit_name,
        absent=seat.absent,
        basis=step.basis,
        need=step.need,
    )
