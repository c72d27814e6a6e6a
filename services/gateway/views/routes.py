"""Proposed routes, and why the decider is who it is."""

from __future__ import annotations

from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.gateway.views import STEP_KINDS, View


def planned_step(message: pb.PlannedStep) -> View:
    """A step of a proposed route."""
    return {
        "kind": STEP_KINDS[message.kind],
        "post_id": message.post_id,
        "group": message.group,
        "mandatory": message.mandatory,
        "staff_id": message.staff_id or None,
        "staff_name": message.staff_name or None,
        "post_title": message.post_title,
        "unit_name": message.unit_name,
        "absent": message.absent,
        "basis": message.basis,
        "need": message.need,
    }


def route_plan(message: pb.PlanRouteResponse) -> View:
    """A stored proposal."""
    return {
        "route_plan_id": message.route_plan_id,
        "steps": [planned_step(one) for one in message.steps],
        "decision_class": message.decision_class,
        "rule_id": message.rule_id,
        "basis": message.basis,
        "explanation": explanation(message.explanation),
    }


def explanation(message: pb.Explanation) -> View:
    """Why the decider is who it is, and what would change it; the sentences are Japanese."""
    return {
        "rule_id": message.rule_id,
        "basis": message.basis,
        "amount_min": message.amount_min if message.HasField("amount_min") else None,
        "amount_max": message.amount_max if message.HasField("amount_max") else None,
        "rule_unit_id": message.rule_unit_id or None,
        "beaten_rule_ids": list(message.beaten_rule_ids),
        "rule_class": message.rule_class,
        "wished_class": message.wished_class,
        "decision_class": message.decision_class,
        "body": message.body,
        "decider_post_id": message.decider_post_id or None,
        "decider_post": message.decider_post or None,
        "rule_decider_post": message.rule_decider_post or None,
        "exception": message.exception or None,
        "exception_reason": message.exception_reason or None,
        "changes": [
            {
                "cause": one.cause,
                "amount": one.amount if one.HasField("amount") else None,
                "decision_class": one.decision_class or None,
                "rule_id": one.rule_id or None,
                "text": one.text,
            }
            for one in message.changes
        ],
        "reasons": list(message.reasons),
    }
