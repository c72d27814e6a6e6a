"""Records of the log, their proofs, and where they come from."""

from __future__ import annotations

from kanketsu.audit.v1 import audit_service_pb2 as pb
from kanketsu.event.v1 import envelope_pb2 as event
from services.gateway.views import View, moment, names_of

OUTCOMES = names_of(event.Outcome, "OUTCOME_")


def entry(message: pb.Entry) -> View:
    """A record of the log. `leaf` is the canonical JSON that was hashed, as text."""
    actor = message.actor
    return {
        "year": message.log_year,
        "index": message.index,
        "event_id": message.event_id,
        "occurred_at": moment(message, "occurred_at"),
        "source": message.source,
        "epoch": message.epoch,
        "seq": message.seq,
        "actor": {
            "staff_id": actor.staff_id,
            "post_id": actor.post_id or None,
            "unit_id": actor.unit_id or None,
            "terminal": actor.terminal or None,
            "session_id": actor.session_id or None,
        },
        "action": message.action,
        "object_type": message.object_type,
        "object_id": message.object_id or None,
        "version_digest": message.version_digest or None,
        "outcome": OUTCOMES[message.outcome],
        "reason": message.reason or None,
        "trace_id": message.trace_id or None,
        "detail": dict(message.detail),
        "leaf": message.leaf.decode("utf-8", "replace"),
    }


def proof(message: pb.InclusionProof) -> View:
    """An inclusion proof; hashes in hex, leaf's sibling first."""
    return {
        "index": message.index,
        "tree_size": message.tree_size,
        "hashes": [one.hex() for one in message.hashes],
        "checkpoint": message.checkpoint,
    }


def log(message: pb.LogSummary) -> View:
    """One fiscal year's log."""
    return {"year": message.log_year, "origin": message.origin, "size": message.size, "closed": message.closed}


def source(message: pb.Source) -> View:
    """What arrived from one process."""
    return {
        "source": message.source,
        "epoch": message.epoch,
        "last_seq": message.last_seq,
        "missing": list(message.missing),
        "opened_at": moment(message, "opened_at"),
        "last_seen_at": moment(message, "last_seen_at"),
        "state": message.state,
    }


def alarm(message: pb.Alarm) -> View:
    """Something about completeness that is or was not as it must be."""
    return {
        "kind": message.kind,
        "subject": message.subject,
        "first": message.first or None,
        "last": message.last or None,
        "since": moment(message, "since"),
        "until": moment(message, "until"),
    }


def reconciliation(message: pb.Reconciliation) -> View:
    """When the counts were last compared, and whether they agreed."""
    return {"done_at": moment(message, "done_at"), "agreed": message.agreed}


def gap(message: pb.AggregateGap) -> View:
    """Missing event numbers of one aggregate."""
    return {
        "aggregate": message.aggregate,
        "aggregate_id": message.aggregate_id,
        "missing": list(message.missing),
    }
