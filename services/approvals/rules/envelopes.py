"""What others hear of the decision rules: that a version was imported, activated or discarded, never its text."""

from __future__ import annotations

from chassis import clock
from chassis.recorder import timestamp
from kanketsu.approvals.v1 import events_pb2
from kanketsu.event.v1 import envelope_pb2
from services.approvals.cases.envelopes import PRODUCER, Cause
from services.approvals.rules.domain import Version, VersionState

AWAITS = ("audit",)
# Name in the log of what became of a version.
_ACTIONS = {
    VersionState.DRAFT: "rules.imported",
    VersionState.ACTIVATED: "rules.activated",
    VersionState.DISCARDED: "rules.discarded",
}


def rules_changed(version: Version, cause: Cause) -> envelope_pb2.Envelope:
    """DecisionRulesChanged for the state the version has now."""
    message = events_pb2.DecisionRulesChanged(
        rule_version_id=version.rule_version_id,
        body=version.body,
        valid_from=version.valid_from.isoformat(),
        state=version.state,
    )
    return envelope_pb2.Envelope(
        event_id=clock.new_id(),
        type=message.DESCRIPTOR.full_name,
        action=_ACTIONS[version.state],
        producer=PRODUCER,
        aggregate="rule_version",
        aggregate_id=version.rule_version_id,
        aggregate_version=version.version,
        occurred_at=timestamp(clock.now()),
        actor=cause.actor,
        trace_parent=cause.trace_parent,
        detail={"body": version.body, "valid_from": version.valid_from.isoformat(), "state": version.state},
        payload=message.SerializeToString(),
    )
