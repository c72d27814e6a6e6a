"""Facts of the domain as envelopes for the outbox and rows of the history."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from chassis import clock, recorder, telemetry
from kanketsu.documents.v1 import events_pb2
from kanketsu.event.v1 import envelope_pb2
from services.documents.domain import Fact

PRODUCER = "documents"
# Consumers that must confirm an event before its outbox row goes.
AUDIT = ("audit",)
AUDIT_AND_APPROVALS = ("audit", "approvals")

_HEARD = (
    *(".DocumentSubmitted", ".DocumentAssigned", ".DocumentCompleted"),
    *(".BreakGlassConsented", ".BreakGlassEnded"),
)


@dataclass(frozen=True)
class Cause:
    """Who caused events and when."""

    actor: envelope_pb2.Actor
    now: dt.datetime


def envelopes(
    facts: Sequence[Fact],
    *,
    aggregate: str,
    aggregate_id: str,
    last_version: int,
    cause: Cause,
    version_digest: str = "",
) -> list[envelope_pb2.Envelope]:
    """One envelope a fact, numbered up to `last_version`."""
    first = last_version - len(facts) + 1
    return [
        envelope_pb2.Envelope(
            event_id=clock.new_id(),
            type=f"kanketsu.documents.v1.{fact.name}",
            action=fact.action,
            producer=PRODUCER,
            aggregate=aggregate,
            aggregate_id=aggregate_id,
            aggregate_version=first + index,
            occurred_at=recorder.timestamp(cause.now),
            actor=cause.actor,
            trace_parent=telemetry.current_trace_parent(),
            version_digest=version_digest,
            detail=fact.detail,
            payload=getattr(events_pb2, fact.name)(**fact.values).SerializeToString(),
        )
        for index, fact in enumerate(facts)
    ]


def awaited_by(envelope: envelope_pb2.Envelope) -> tuple[str, ...]:
    """approvals opens cases from submissions, lets the 担当者 act on them, closes them to the route at 完結, follows 所管替え
    of documents and tells the 所属長 of 緊急閲覧; audit takes everything."""
    heard = envelope.type.endswith(_HEARD) or (
        envelope.type.endswith(".OwnerChanged") and envelope.aggregate == "document"
    )
    return AUDIT_AND_APPROVALS if heard else AUDIT


def own_actor() -> envelope_pb2.Actor:
    """For work no person asked for."""
    return envelope_pb2.Actor(staff_id=f"service:{PRODUCER}")
