"""What others hear of a case: each event carries the whole case, so their order does not matter.

All events of one act show the case as it is after the act; only `case_version` differs. Of a comment the digest travels
(architecture I5), and once the case has ended the text as well, sealed for its document: its approval sheet says it, or its
manifest does (ADR-0020).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import Message

from chassis import clock, sealing, telemetry
from chassis.recorder import timestamp
from kanketsu.approvals.v1 import events_pb2
from kanketsu.event.v1 import envelope_pb2
from services.approvals.cases.domain import (
    Action,
    Case,
    CaseState,
    Decision,
    Event,
    EventKind,
    Hall,
    Signature,
    Step,
    WalkAround,
    leases,
)
from services.approvals.routes.domain import StepKind

PRODUCER = "approvals"
# Of opinions in one event, as the broker takes messages of 1 MiB; some forty of the longest.
MOST_BYTES = 512 * 1024
AWAITS = ("audit", "documents")

# Name in the log of each event.
_ACTIONS = {
    EventKind.OPENED: "case.opened",
    EventKind.ACTIVATED: "step.activated",
    EventKind.CLOSED_STEP: "step.closed",
    EventKind.HELD: "step.held",
    EventKind.DECIDED: "case.decided",
    EventKind.REGISTERED: "case.decision_registered",
    EventKind.CLOSED: "case.closed",
    EventKind.POST_VIEWED: "step.post_viewed",
    EventKind.MOVED: "step.moved",
}


@dataclass(frozen=True)
class Cause:
    """Who caused the events and the trace they belong to."""

    actor: envelope_pb2.Actor
    trace_parent: str

    def acting_as(self, by: Signature) -> Cause:
        """The same person, acting from this post (AP-44)."""
        actor = envelope_pb2.Actor()
        actor.CopyFrom(self.actor)
        actor.post_id, actor.unit_id = by.post_id, by.unit_id
        return Cause(actor, self.trace_parent)


ITSELF = envelope_pb2.Actor(staff_id="service:approvals")
"""Of what the service does by itself."""


def cause_of(actor: envelope_pb2.Actor) -> Cause:
    """The given actor in the current trace."""
    return Cause(actor, telemetry.current_trace_parent())


def envelopes(case: Case, events: Sequence[Event], cause: Cause, hall: Hall) -> list[envelope_pb2.Envelope]:
    """One envelope per event, numbered so that the last has the case's version."""
    first = case.version - len(events) + 1
    made: list[envelope_pb2.Envelope] = []
    now = timestamp(clock.now())
    for version, event in enumerate(events, start=first):
        message = _message(event, snapshot(case, version, hall))
        detail = {"document_id": case.document_id, "state": case.state}
        if event.step_id:
            detail |= {"step_id": event.step_id, "post_id": case.step(event.step_id).post_id}
        if event.detail:
            detail["act"] = event.detail
        if any(one.bulk and one.step_id == event.step_id for one in case.decisions[-1:]):
            detail["bulk"] = "true"
        if event.kind is EventKind.REGISTERED and (walk := _walk_around(case)) is not None:
            detail |= {"decided_by": walk.decider.staff_id, "decided_at": walk.decided_at.isoformat()}
            detail["evidence_sha256"] = walk.evidence_sha256
        made.append(
            envelope_pb2.Envelope(
                event_id=clock.new_id(),
                type=message.DESCRIPTOR.full_name,
                action=_ACTIONS[event.kind],
                producer=PRODUCER,
                aggregate="case",
                aggregate_id=case.case_id,
                aggregate_version=version,
                occurred_at=now,
                actor=cause.actor,
                trace_parent=cause.trace_parent,
                version_digest=case.version_digest,
                detail=detail,
                payload=message.SerializeToString(),
            )
        )
    return made


def snapshot(case: Case, version: int, hall: Hall) -> events_pb2.CaseSnapshot:
    """The whole case as others need it, with its 決裁欄 once it is decided."""
    made = events_pb2.CaseSnapshot(
        case_id=case.case_id,
        document_id=case.document_id,
        case_version=version,
        state=case.state,
        version_digest=case.version_digest,
        decisions=[_record(decision) for decision in case.decisions],
        decided_by=case.decided_by,
        reason=case.reason,
    )
    if case.decided_at is not None:
        made.decided_at.CopyFrom(timestamp(case.decided_at))
    shown = {step.step_id for step in case.steps if step.kind is StepKind.INFORM}
    for lease in leases(case):
        entry = made.leases.add(
            step_id=lease.step_id, principal=lease.principal, acted=lease.acted, circulation=lease.step_id in shown
        )
        # The field is called "from", which is a keyword of Python.
        getattr(entry, "from").CopyFrom(timestamp(lease.since))
    if case.state is CaseState.DECIDED:
        made.seats.extend(seats(case, hall))
    if case.state is not CaseState.CIRCULATING:
        made.sealed_opinions = _opinions(case)
    return made


def _opinions(case: Case) -> bytes:
    """What people wrote, for the document alone. What goes beyond MOST_BYTES stays here, and the sheet says where."""
    texts, size = {}, 0
    for decision in case.decisions:
        size += len(decision.comment.encode())
        if decision.comment and size <= MOST_BYTES:
            texts[decision.decision_id] = decision.comment
    if not texts or not case.opinions_key:
        return b""
    opinions = events_pb2.Opinions(texts=texts).SerializeToString()
    return sealing.seal(opinions, case.opinions_key, case.case_id.encode())


def seats(case: Case, hall: Hall) -> list[events_pb2.Seat]:
    """The 判窓 of a decided case, the drafter first (AP-04, AP-16, UI-03)."""
    drafter = events_pb2.Seat(
        kind="draft",
        state="submitted",
        post_title=hall.drafter.post_title,
        unit_name=hall.drafter.unit_name,
        staff_name=hall.drafter.staff_name,
        acted_at=timestamp(case.opened_at),
    )
    return [drafter, *(_seat(case, step, hall) for step in case.steps if step.kind is not StepKind.INFORM)]


def _seat(case: Case, step: Step, hall: Hall) -> events_pb2.Seat:
    made = events_pb2.Seat(kind=step.kind, state=step.state, post_title=step.post_id, post_view=step.post_view)
    if step.holder is not None:
        made.post_title, made.unit_name = step.holder.post_title, step.holder.unit_name
        made.staff_name = step.holder.staff_name
    elif (post := hall.seats.get(step.post_id)) is not None:
        made.post_title, made.unit_name = post.shown_title, post.unit_name
        made.staff_name = post.holder.name if post.holder else ""
    if step.acted_at is not None:
        made.acted_at.CopyFrom(timestamp(step.acted_at))
    if step.acted_for is not None:
        made.acted_for_name, made.acted_for_post_title = step.acted_for.staff_name, step.acted_for.post_title
    if step.kind is StepKind.DECIDE and (registered := case.registration) is not None:
        made.registered_by_name = registered.by.staff_name
        made.registered_at.CopyFrom(timestamp(registered.acted_at))
        own = step.acted_for is not None and step.acted_for.post_id == step.post_id
        made.registered_as = "decided" if own else "substituted"
    for decision in case.decisions:
        if decision.decision_id == step.added_by:
            made.added_by_name, made.added_by_post_title = decision.by.staff_name, decision.by.post_title
        if (decision.step_id, decision.round) == (step.step_id, step.round) and decision.bulk:
            made.bulk = True
        if decision.step_id == step.step_id and decision.action is Action.POST_VIEW:
            made.post_viewed_at.CopyFrom(timestamp(decision.acted_at))
        if decision.step_id == step.step_id and decision.action is Action.DECIDE_CONDITIONALLY:
            made.state = "decided_conditionally"
    return made


def _walk_around(case: Case) -> WalkAround | None:
    return case.registration.walk_around if case.registration is not None else None


def _record(decision: Decision) -> events_pb2.DecisionRecord:
    by = decision.by
    comment = decision.comment
    walk = decision.walk_around
    return events_pb2.DecisionRecord(
        decision_id=decision.decision_id,
        step_id=decision.step_id,
        action=decision.action,
        staff_id=by.staff_id,
        post_id=by.post_id,
        unit_id=by.unit_id,
        acted_at=timestamp(decision.acted_at),
        version_digest=decision.version_digest,
        access_record=decision.access_record,
        comment_digest=hashlib.sha256(comment.encode()).hexdigest() if comment else "",
        staff_name=by.staff_name,
        post_title=by.post_title,
        unit_name=by.unit_name,
        appointment=by.appointment,
        acknowledged=decision.acknowledged,
        carried_from=decision.carried_from,
        bulk=decision.bulk,
        walk_around=events_pb2.WalkAroundRecord(
            staff_id=walk.decider.staff_id,
            staff_name=walk.decider.staff_name,
            post_id=walk.decider.post_id,
            post_title=walk.decider.post_title,
            unit_id=walk.decider.unit_id,
            unit_name=walk.decider.unit_name,
            decided_at=timestamp(walk.decided_at),
            evidence_sha256=walk.evidence_sha256,
        )
        if walk is not None
        else None,
    )


def _message(event: Event, shown: events_pb2.CaseSnapshot) -> Message:
    match event.kind:
        case EventKind.OPENED:
            return events_pb2.CaseOpened(snapshot=shown)
        case EventKind.ACTIVATED:
            return events_pb2.StepActivated(snapshot=shown, step_id=event.step_id)
        case EventKind.CLOSED_STEP:
            return events_pb2.StepClosed(snapshot=shown, step_id=event.step_id)
        case EventKind.HELD:
            return events_pb2.StepHeld(snapshot=shown, step_id=event.step_id)
        case EventKind.DECIDED | EventKind.REGISTERED:
            return events_pb2.CaseDecided(snapshot=shown)
        case EventKind.CLOSED:
            return events_pb2.CaseClosed(snapshot=shown)
        case EventKind.POST_VIEWED:
            return events_pb2.PostViewed(snapshot=shown, step_id=event.step_id)
        case EventKind.MOVED:
            return events_pb2.StepMoved(snapshot=shown, step_id=event.step_id)
