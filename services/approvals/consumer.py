"""Events in: a submitted document opens its case, exactly once; an assigned one has another 担当者; at 完結 the views of
those who acted end; after 所管替え it is another unit's; of 緊急閲覧 its 所属長 is told.

The inbox row, the case and its events are one transaction; a second delivery finds the row and
does nothing. A plan that does not belong to the document is not an error here: the case is
refused, and the documents service gives the document back to its drafter.
"""

from __future__ import annotations

import logging

from chassis import clock, outbox
from chassis.broker import Broker
from chassis.db import Pool
from chassis.events import Consumer, each
from chassis.outbox import Relay
from kanketsu.documents.v1 import events_pb2 as documents_pb2
from kanketsu.event.v1 import envelope_pb2
from services.approvals.cases import commands
from services.approvals.cases import store as cases
from services.approvals.cases.commands import Submission
from services.approvals.cases.envelopes import cause_of
from services.approvals.notices import commands as notices
from services.approvals.notices.domain import NoticeKind
from services.approvals.routes.domain import Facts

log = logging.getLogger(__name__)

CONSUMER = "approvals"
SUBJECTS = (
    "kanketsu.documents.document.DocumentSubmitted",
    "kanketsu.documents.document.DocumentAssigned",
    "kanketsu.documents.document.DocumentCompleted",
    "kanketsu.documents.document.OwnerChanged",
    "kanketsu.documents.break_glass.BreakGlassConsented",
    "kanketsu.documents.break_glass.BreakGlassEnded",
)


def consumer(broker: Broker, pool: Pool, relay: Relay) -> Consumer:
    """The durable consumer of what documents announces, shared by the replicas."""

    async def handle(envelope: envelope_pb2.Envelope) -> None:
        await apply(pool, relay, envelope)

    return Consumer(
        broker, stream="EVENTS", durable=CONSUMER, subjects=SUBJECTS, handle=each(handle), receipt_as=CONSUMER
    )


async def apply(pool: Pool, relay: Relay, envelope: envelope_pb2.Envelope) -> None:
    """One event, once."""
    if envelope.type.endswith(".DocumentAssigned"):
        await on_assigned(pool, envelope)
    elif envelope.type.endswith(".DocumentCompleted"):
        await on_completed(pool, envelope)
    elif envelope.type.endswith(".OwnerChanged"):
        await on_owner_changed(pool, envelope)
    elif envelope.aggregate == "break_glass":
        await on_break_glass(pool, envelope)
    else:
        await on_submitted(pool, relay, envelope)


async def on_assigned(pool: Pool, envelope: envelope_pb2.Envelope) -> None:
    """引継ぎ: who acts on the cases of the document from now on, those to come as well (AP-42)."""
    assigned = documents_pb2.DocumentAssigned.FromString(envelope.payload)
    async with outbox.once(pool, CONSUMER, envelope.event_id) as conn:
        if conn is not None:
            await cases.keep_assignee(conn, assigned.document_id, assigned.assignee, envelope.aggregate_version)


async def on_completed(pool: Pool, envelope: envelope_pb2.Envelope) -> None:
    """完結: its cases are for the owner unit, and for whose 後閲 is still open (domain.md 0.2, 0.3)."""
    completed = documents_pb2.DocumentCompleted.FromString(envelope.payload)
    async with outbox.once(pool, CONSUMER, envelope.event_id) as conn:
        if conn is not None:
            await cases.note_completed(conn, completed.document_id)


async def on_owner_changed(pool: Pool, envelope: envelope_pb2.Envelope) -> None:
    """所管替え: whose the cases of the document are; its unit may have been split (RT-10)."""
    changed = documents_pb2.OwnerChanged.FromString(envelope.payload)
    async with outbox.once(pool, CONSUMER, envelope.event_id) as conn:
        if conn is not None:
            await cases.keep_owner(conn, changed.object_id, changed.unit_id, envelope.aggregate_version)


async def on_break_glass(pool: Pool, envelope: envelope_pb2.Envelope) -> None:
    """緊急閲覧: the 所属長 of the owner unit is told that it began or ended (AC-08). Of no document there is nothing to tell."""
    ended = envelope.type.endswith(".BreakGlassEnded")
    message = documents_pb2.BreakGlassEnded if ended else documents_pb2.BreakGlassConsented
    told = message.FromString(envelope.payload)
    kind = NoticeKind.BREAK_GLASS_ENDED if ended else NoticeKind.BREAK_GLASS
    async with outbox.once(pool, CONSUMER, envelope.event_id) as conn:
        if conn is not None and told.unit_id:
            by = envelope.actor.staff_id
            await notices.tell_heads(conn, told.unit_id, kind, told.document_id, told.draft_number, by, clock.now())


async def on_submitted(pool: Pool, relay: Relay, envelope: envelope_pb2.Envelope) -> None:
    """Open the case of one DocumentSubmitted; the actor of its events is who submitted."""
    submitted = documents_pb2.DocumentSubmitted.FromString(envelope.payload)
    async with outbox.once(pool, CONSUMER, envelope.event_id) as conn:
        if conn is not None:
            if submitted.assignee:
                await cases.keep_assignee(conn, submitted.document_id, submitted.assignee, envelope.aggregate_version)
            case = await commands.open_case(conn, submission_of(submitted), cause_of(envelope.actor), clock.now())
            log.info("case", extra={"case_id": case.case_id, "state": case.state, "reason": case.reason})
    relay.wake()


def submission_of(event: documents_pb2.DocumentSubmitted) -> Submission:
    """The event as the plain values of the command."""
    return Submission(
        case_id=event.case_id,
        route_plan_id=event.route_plan_id,
        version_digest=event.version_digest,
        draft_number=event.draft_number,
        drafter=event.drafter,
        drafter_post=event.drafter_post,
        urgent=event.urgent,
        replacement=event.replacement,
        designated=event.designated,
        opinions_key=event.opinions_key,
        facts=Facts(
            document_id=event.document_id,
            unit_id=event.unit_id,
            # The 担当者 planned the route; the drafter stays who drafted it.
            drafter=event.assignee or event.drafter,
            drafter_post=event.drafter_post,
            matter=event.matter,
            amount=event.amount if event.has_amount else None,
            wished_class=event.decision_class,
            # Not a fact of the document: the plan knows it.
            exceptional=False,
        ),
    )
