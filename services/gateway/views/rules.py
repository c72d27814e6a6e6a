"""Versions of the 専決規程, their lines, and what is wrong with them."""

from __future__ import annotations

from kanketsu.approvals.v1 import decision_rules_service_pb2 as pb
from services.gateway.views import View, moment


def rule_version(message: pb.RuleVersion) -> View:
    """A version of the 専決規程 of a body; `valid_to` null while nothing follows it."""
    return {
        "id": message.rule_version_id,
        "rule_version_id": message.rule_version_id,
        "body": message.body,
        "title": message.title,
        "valid_from": message.valid_from,
        "valid_to": message.valid_to or None,
        "state": message.state,
        "imported_by": message.imported_by,
        "imported_at": moment(message, "imported_at"),
        "settled_by": message.settled_by or None,
        "settled_at": moment(message, "settled_at"),
        "version": message.version,
    }


def decision_rule(message: pb.DecisionRule) -> View:
    """One line of a 専決規程; `unit_id` null for the whole body."""
    return {
        "rule_id": message.rule_id,
        "unit_id": message.unit_id or None,
        "matter": message.matter,
        "amount_min": message.amount_min if message.HasField("amount_min") else None,
        "amount_max": message.amount_max if message.HasField("amount_max") else None,
        "decision_class": message.decision_class,
        "concurrence_posts": list(message.concurrence_posts),
        "concurrence_after": message.concurrence_after or None,
        "review_posts": list(message.review_posts),
        "basis": message.basis,
        "concurrence_need": message.concurrence_need,
        "concurrence_order": message.concurrence_order or None,
        "provisional": message.provisional,
    }


def rule_difference(message: pb.RuleDifference) -> View:
    """What a version changes."""
    return {
        "added": [decision_rule(one) for one in message.added],
        "removed": [decision_rule(one) for one in message.removed],
        "changed": [
            {"before": decision_rule(one.before), "after": decision_rule(one.after)} for one in message.changed
        ],
    }


def rule_finding(message: pb.RuleFinding) -> View:
    """Something wrong with the rules, in words."""
    return {
        "problem": message.problem,
        "blocking": message.blocking,
        "matter": message.matter,
        "rule_ids": list(message.rule_ids),
        "unit_ids": list(message.unit_ids),
        "text": message.text,
    }


def rule_flaw(message: pb.RuleFlaw) -> View:
    """A cell of an import that cannot be read; `column` null for the whole line."""
    return {"line": message.line, "column": message.column or None, "problem": message.problem}
