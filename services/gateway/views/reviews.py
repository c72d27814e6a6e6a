"""Reviews of the log 点検: findings, thresholds, notes."""

from __future__ import annotations

from kanketsu.audit.v1 import review_service_pb2 as pb
from services.gateway.views import View, moment


def review(message: pb.Review) -> View:
    """A review 点検 of a month."""
    return {
        "id": message.review_id,
        "review_id": message.review_id,
        "month": message.month,
        "number": message.number,
        "state": message.state,
        "opened_at": moment(message, "opened_at"),
        "opened_by": message.opened_by,
        "signed_at": moment(message, "signed_at"),
        "signed_by": message.signed_by or None,
        "findings": message.findings,
        "open_findings": message.open_findings,
        "staff_compared": message.staff_compared,
        "version": message.version,
    }


def whole_review(message: pb.GetReviewResponse) -> View:
    """A review with its counts, coverage and notes."""
    return review(message.review) | {
        "rules": rules_version(message.rules),
        "coverage": [
            {
                "log_year": one.log_year,
                "origin": one.origin,
                "size": one.size,
                "root": one.root.hex(),
                "checkpoint": one.checkpoint,
            }
            for one in message.coverage
        ],
        "actions": [{"action": one.action, "outcome": one.outcome, "count": one.count} for one in message.actions],
        "days": [
            {"day": one.day, "accesses": one.accesses, "denied": one.denied, "closed": one.closed}
            for one in message.days
        ],
        "rule_counts": [
            {
                "rule": one.rule,
                "found": one.found,
                "recorded": one.recorded,
                "open": one.open,
                "explained": one.explained,
                "incident": one.incident,
            }
            for one in message.rules_found
        ],
        "not_examined": list(message.not_examined),
        "completeness": completeness(message.completeness),
        "outside": outside_proof(message.outside),
        "notes": [review_note(one) for one in message.notes],
    }


def completeness(message: pb.Completeness) -> View:
    """Whether a month's log was complete: days of the daily comparison, and alarms from beginning to end."""
    return {
        "agreed": list(message.agreed),
        "disagreed": list(message.disagreed),
        "not_compared": list(message.not_compared),
        "alarms": [
            {
                "kind": one.kind,
                "service": one.service or None,
                "numbers": one.numbers,
                "since": moment(one, "since"),
                "until": moment(one, "until"),
            }
            for one in message.alarms
        ],
    }


def outside_proof(message: pb.OutsideProof) -> View:
    """What of a month stands outside the database: checkpoints, cosignatures, time-stamps, the last check."""
    check = message.last_check
    return {
        "checkpoints": message.checkpoints,
        "size": message.size,
        "last_at": moment(message, "last_at"),
        "witnesses": [
            {
                "name": one.name,
                "checkpoints": one.checkpoints,
                "size": one.size,
                "last_at": moment(one, "last_at"),
            }
            for one in message.witnesses
        ],
        "timestamps": message.timestamps,
        "stamped_size": message.stamped_size,
        "stamped_at": moment(message, "stamped_at"),
        "last_check": {
            "at": moment(check, "at"),
            "origin": check.origin,
            "leaves": check.leaves,
            "findings": check.findings,
        }
        if message.HasField("last_check")
        else None,
    }


def rules_version(message: pb.RulesVersion) -> View:
    """A version of the thresholds; 0 is what holds while nobody has set anything."""
    given = message.thresholds
    values = {field.name: getattr(given, field.name) for field in given.DESCRIPTOR.fields}
    lists = {name: list(values[name]) for name in ("closed_days", "staff_file_classes")}
    return {
        "rules_version": message.version,
        "effective_from": message.effective_from or None,
        "thresholds": values | lists,
        "reason": message.reason,
        "changed_by": message.changed_by or None,
        "changed_at": moment(message, "changed_at"),
    }


def finding(message: pb.Finding) -> View:
    """A finding 指摘."""
    return {
        "review_id": message.review_id,
        "number": message.number,
        "month": message.month,
        "rule": message.rule,
        "subject_id": message.subject_id or None,
        "unit_id": message.unit_id or None,
        "day": message.day or None,
        "document_id": message.document_id or None,
        "count": message.count,
        "explained_by": message.explained_by or None,
        "purposes": dict(message.purposes),
        "detail": dict(message.detail),
        "state": message.state,
        "assignee_id": message.assignee_id or None,
    }


def review_note(message: pb.Note) -> View:
    """Something done about a review or a finding."""
    return {
        "number": message.number or None,
        "action": message.action,
        "at": moment(message, "at"),
        "staff_id": message.staff_id,
        "assignee_id": message.assignee_id or None,
        "state": message.state or None,
        "text": message.text,
    }
