"""Proposed routes, and why the decider is who it is."""

from __future__ import annotations

from pydantic import Field

from services.gateway.api.shapes import Shape


class PlannedStep(Shape):
    kind: str
    post_id: str
    group: int
    mandatory: bool
    staff_id: str | None
    staff_name: str | None
    post_title: str
    unit_name: str
    absent: bool
    basis: str
    need: int = Field(description="How many of the group's steps that share it have to act; 0: this one (AP-08).")


class ExplanationChange(Shape):
    cause: str = Field(description="amount_above, amount_below, exception, no_exception or no_wish")
    amount: int | None
    decision_class: str | None
    rule_id: str | None
    text: str


class Explanation(Shape):
    """Why the decider is who it is (AP-02, AP-03, AP-05); sentences in Japanese."""

    rule_id: str
    basis: str
    amount_min: int | None
    amount_max: int | None
    rule_unit_id: str | None
    beaten_rule_ids: list[str]
    rule_class: str
    wished_class: str
    decision_class: str
    body: str
    decider_post_id: str | None
    decider_post: str | None
    rule_decider_post: str | None = Field(
        description="Who decides by the rules alone; another decides after a 上位者裁定."
    )
    exception: str | None
    exception_reason: str | None
    changes: list[ExplanationChange]
    reasons: list[str]


class RoutePlan(Shape):
    route_plan_id: str
    steps: list[PlannedStep]
    decision_class: str
    rule_id: str
    basis: str
    explanation: Explanation
    version: int = Field(description="Version of the document the plan was made for.")
