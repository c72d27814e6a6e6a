"""Versions of the 専決規程, their lines, and what is wrong with them."""

from __future__ import annotations

from pydantic import Field

from services.gateway.api.shapes import Shape


class RuleVersion(Shape):
    """A version of the 専決規程 of one body."""

    id: str
    rule_version_id: str
    body: str
    title: str
    valid_from: str
    valid_to: str | None
    state: str = Field(description="draft, activated or discarded")
    imported_by: str
    imported_at: str | None
    settled_by: str | None
    settled_at: str | None
    version: int


class RuleVersionList(Shape):
    items: list[RuleVersion]
    next_cursor: str | None


class DecisionRule(Shape):
    """One line; bounds are yen, inclusive."""

    rule_id: str
    unit_id: str | None
    matter: str
    amount_min: int | None
    amount_max: int | None
    decision_class: str
    concurrence_posts: list[str]
    concurrence_after: str | None
    review_posts: list[str]
    basis: str
    concurrence_need: int = Field(description="How many of the 合議 have to answer; 0 for all (AP-08).")
    concurrence_order: str | None
    provisional: bool = Field(description="仮決裁 before the 合議")


class RuleChange(Shape):
    before: DecisionRule
    after: DecisionRule


class RuleDifference(Shape):
    added: list[DecisionRule]
    removed: list[DecisionRule]
    changed: list[RuleChange]


class RuleFinding(Shape):
    """What the check found; `blocking` forbids activation."""

    problem: str = Field(
        description="gap, no_rule, overlap, no_decider, unknown_unit, unknown_post, vacant or unreachable"
    )
    blocking: bool
    matter: str
    rule_ids: list[str]
    unit_ids: list[str]
    text: str


class RuleFindingList(Shape):
    items: list[RuleFinding]
    next_cursor: str | None


class RuleFlaw(Shape):
    """A cell of the CSV that cannot be read."""

    line: int
    column: str | None
    problem: str


class RuleDryRun(Shape):
    """What an import would be. With flaws nothing else is known."""

    flaws: list[RuleFlaw]
    compared_with: str | None
    difference: RuleDifference
    findings: list[RuleFinding]


class ImportedRules(RuleVersion):
    """The draft, compared and checked."""

    compared_with: str | None
    difference: RuleDifference
    findings: list[RuleFinding]


class WholeRuleVersion(ImportedRules):
    """With its rules, also as the CSV that gives them back."""

    rules: list[DecisionRule]
    rules_csv: str
