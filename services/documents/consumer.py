"""Events of approvals: one of a case carries the whole case, and the newest snapshot counts; the directory's tell of units."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from chassis import clock, db, outbox
from chassis.broker import Broker
from chassis.events import Consumer, Delivery
from kanketsu.approvals.v1 import events_pb2
from kanketsu.event.v1 import envelope_pb2
from services.documents import commands, events
from services.documents.cases import opinions
from services.documents.cases.domain import CaseSnapshot, Lease, Seat
from services.documents.commands import Service
from services.documents.owners import commands as owners
from services.documents.owners.domain import CLASS, FOLDER, Share, UnitChange

CONSUMER = "documents"
# Every event of a case, also those that change no view: approvals awaits our receipt for all of them.
CASES = "kanketsu.approvals.case.>"
DIRECTORY = "kanketsu.approvals.directory.DirectoryChanged"
DIRECTORY_CHANGED = ".DirectoryChanged"


def consumer(broker: Broker, service: Service) -> Consumer:
    """The one consumer of this service."""

    async def handle(deliveries: Sequence[Delivery]) -> None:
        told = [envelope_pb2.Envelope.FromString(delivery.data) for delivery in deliveries]
        for envelope in told:
            if envelope.type.endswith(DIRECTORY_CHANGED):
                await follow_directory(service, envelope)
        await apply(service, [envelope for envelope in told if not envelope.type.endswith(DIRECTORY_CHANGED)])

    return Consumer(
        broker,
        stream="EVENTS",
        durable="documents",
        subjects=[CASES, DIRECTORY],
        handle=handle,
        receipt_as=CONSUMER,
    )


async def apply(service: Service, told: Sequence[envelope_pb2.Envelope]) -> None:
    """Events of cases, each once, in one transaction. Crash before the commit: all come again.

    The events of one act show the same case, so the last of them is enough.
    """
    announced, decided = False, False
    async with db.transaction(service.pool) as conn:
        fresh = await outbox.fresh(conn, CONSUMER, [envelope.event_id for envelope in told])
        for envelope in _last_of_each_act(envelope for envelope in told if envelope.event_id in fresh):
            message = getattr(events_pb2, envelope.type.rsplit(".", 1)[1]).FromString(envelope.payload)
            told_of = message.snapshot
            case = await opinions.opened(conn, service.keys, snapshot(told_of), told_of.sealed_opinions)
            announced |= await commands.follow_case(conn, case, events.Cause(envelope.actor, clock.now()))
            decided |= case.state == "decided"
    if announced:
        service.relay.wake()
    if decided:
        service.locker.wake()
        service.drawer.wake()


def _last_of_each_act(told: Iterable[envelope_pb2.Envelope]) -> list[envelope_pb2.Envelope]:
    """By document, so that two replicas lock documents in the same order; acts on a case in theirs."""
    ordered = sorted(told, key=lambda one: (one.detail.get("document_id", ""), one.aggregate_id, one.aggregate_version))
    return list({(one.aggregate_id, one.occurred_at.ToNanoseconds()): one for one in ordered}.values())


async def follow_directory(service: Service, envelope: envelope_pb2.Envelope) -> None:
    """A change set was applied: units with their symbols, and what took over from those that ended (RT-10)."""
    message = events_pb2.DirectoryChanged.FromString(envelope.payload)
    async with outbox.once(service.pool, CONSUMER, envelope.event_id) as conn:
        if conn is not None and message.units:
            day = dt.date.fromisoformat(message.effective_on)
            changes = [
                UnitChange(
                    one.unit_id,
                    one.parent_id,
                    one.symbol,
                    day if one.ended else None,
                    one.successor,
                    tuple(map(_share, one.shares)),
                )
                for one in message.units
            ]
            await owners.follow_units(conn, changes, envelope.aggregate_version)
    service.mover.wake()


def _share(message: events_pb2.UnitShare) -> Share:
    kind = FOLDER if message.folder_id else CLASS
    return Share(kind, message.folder_id or message.class_code, message.successor)


def snapshot(message: events_pb2.CaseSnapshot) -> CaseSnapshot:
    """The case as the domain understands it."""
    return CaseSnapshot(
        case_id=message.case_id,
        document_id=message.document_id,
        case_version=message.case_version,
        state=message.state,
        version_digest=message.version_digest,
        leases=tuple(
            Lease(
                step_id=lease.step_id,
                principal=lease.principal,
                acted=lease.acted,
                circulation=lease.circulation,
                since=getattr(lease, "from").ToDatetime(tzinfo=clock.JST),
            )
            for lease in message.leases
        ),
        decisions=tuple(_decision(record) for record in message.decisions),
        decided_at=message.decided_at.ToDatetime(tzinfo=clock.JST) if message.HasField("decided_at") else None,
        decided_by=message.decided_by,
        reason=message.reason,
        seats=tuple(_seat(seat) for seat in message.seats),
    )


def _seat(seat: events_pb2.Seat) -> Seat:
    return Seat(
        kind=seat.kind,
        state=seat.state,
        post_title=seat.post_title,
        unit_name=seat.unit_name,
        staff_name=seat.staff_name,
        acted_at=seat.acted_at.ToDatetime(tzinfo=clock.JST).isoformat() if seat.HasField("acted_at") else "",
        acted_for_name=seat.acted_for_name,
        acted_for_post_title=seat.acted_for_post_title,
        post_view=seat.post_view,
        post_viewed_at=(
            seat.post_viewed_at.ToDatetime(tzinfo=clock.JST).isoformat() if seat.HasField("post_viewed_at") else ""
        ),
        added_by_name=seat.added_by_name,
        added_by_post_title=seat.added_by_post_title,
        bulk=seat.bulk,
        registered_by_name=seat.registered_by_name,
        registered_at=(
            seat.registered_at.ToDatetime(tzinfo=clock.JST).isoformat() if seat.HasField("registered_at") else ""
        ),
        registered_as=seat.registered_as,
    )


def _decision(record: events_pb2.DecisionRecord) -> dict[str, str]:
    """As it stands in the manifest: every field of the record, times in RFC 3339; the last ones only where there is one."""
    walk, decided_at = record.walk_around, record.walk_around.decided_at
    further = {
        "appointment": record.appointment,
        "acknowledged": ",".join(record.acknowledged),
        "carried_from": record.carried_from,
        "bulk": "true" if record.bulk else "",
        "decided_by": walk.staff_id,
        "decided_by_name": walk.staff_name,
        "decided_by_post": walk.post_id,
        "decided_by_post_title": walk.post_title,
        "decided_by_unit": walk.unit_id,
        "decided_by_unit_name": walk.unit_name,
        "decided_at": decided_at.ToDatetime(tzinfo=clock.JST).isoformat() if walk.HasField("decided_at") else "",
        "evidence_sha256": walk.evidence_sha256,
    }
    return {
        "decision_id": record.decision_id,
        "step_id": record.step_id,
        "action": record.action,
        "staff_id": record.staff_id,
        "post_id": record.post_id,
        "unit_id": record.unit_id,
        "acted_at": record.acted_at.ToDatetime(tzinfo=clock.JST).isoformat(),
        "version_digest": record.version_digest,
        "access_record": record.access_record,
        "comment_digest": record.comment_digest,
        "staff_name": record.staff_name,
        "post_title": record.post_title,
        "unit_name": record.unit_name,
    } | {name: value for name, value in further.items() if value}
