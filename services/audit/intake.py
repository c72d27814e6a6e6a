"""From what arrives to what is kept: events and access records as leaves. Copies identifiers, never a payload."""

from __future__ import annotations

import datetime as dt

from google.protobuf.timestamp_pb2 import Timestamp

from chassis import recorder, telemetry
from kanketsu.event.v1 import envelope_pb2
from services.audit.entry import EntryError, Leaf

OUTCOMES = {
    envelope_pb2.OUTCOME_GRANTED: "granted",
    envelope_pb2.OUTCOME_DENIED: "denied",
    envelope_pb2.OUTCOME_FAILED: "failed",
}


def leaves_of_batch(batch: envelope_pb2.AccessRecordBatch) -> list[Leaf]:
    """The batch's records in their order. EntryError if one cannot be a leaf."""
    return [_leaf_of_record(batch, record) for record in batch.records]


def leaves_of_parcel(data: bytes) -> list[Leaf]:
    """The leaves of a message of access records. DecodeError, EntryError."""
    parcel = envelope_pb2.AccessRecordParcel.FromString(data)
    return [leaf for batch in parcel.batches for leaf in leaves_of_batch(batch)]


def _leaf_of_record(batch: envelope_pb2.AccessRecordBatch, record: envelope_pb2.AccessRecord) -> Leaf:
    outcome = OUTCOMES.get(record.outcome)
    if outcome is None:
        raise EntryError(f"outcome: {record.outcome}")
    if record.seq < 1:
        raise EntryError(f"seq: {record.seq}")
    actor, detail = record.actor, dict(record.detail)
    # An empty one stays where it is: from the leaf the record must be made again (`record_of`).
    purpose = detail.pop("purpose") if detail.get("purpose") else ""
    return Leaf(
        event_id=record.event_id,
        time=_time(record.occurred_at),
        action=record.action,
        service=batch.service,
        instance=batch.instance,
        epoch=batch.epoch,
        seq=record.seq,
        staff_id=actor.staff_id,
        post_id=actor.post_id,
        unit_id=actor.unit_id,
        terminal=actor.terminal,
        session_id=actor.session_id,
        object_type=record.object_type,
        object_id=record.object_id,
        version_digest=record.version_digest,
        purpose=purpose,
        outcome=outcome,
        reason=record.reason,
        query_digest=record.query_digest,
        result_count=record.result_count,
        result_digest=record.result_digest,
        trace_id=record.trace_id,
        detail=detail,
    )


OUTCOME_OF = {name: number for number, name in OUTCOMES.items()}


def record_of(leaf: Leaf) -> envelope_pb2.AccessRecord:
    """The record that an access record's leaf was made from, as the source wrote it: its bytes lead to the source's chain
    value."""
    return envelope_pb2.AccessRecord(
        seq=leaf.seq,
        event_id=leaf.event_id,
        occurred_at=recorder.timestamp(leaf.time),
        actor=actor_of(leaf),
        action=leaf.action,
        object_type=leaf.object_type,
        object_id=leaf.object_id,
        version_digest=leaf.version_digest,
        outcome=OUTCOME_OF[leaf.outcome],
        reason=leaf.reason,
        query_digest=leaf.query_digest,
        result_count=leaf.result_count,
        result_digest=leaf.result_digest,
        trace_id=leaf.trace_id,
        detail={**leaf.detail, **({"purpose": leaf.purpose} if leaf.purpose else {})},
    )


def actor_of(leaf: Leaf) -> envelope_pb2.Actor:
    """Who, as the source wrote it."""
    return envelope_pb2.Actor(
        staff_id=leaf.staff_id,
        post_id=leaf.post_id,
        unit_id=leaf.unit_id,
        terminal=leaf.terminal,
        session_id=leaf.session_id,
    )


def leaf_of_event(envelope: envelope_pb2.Envelope) -> Leaf:
    """The event's leaf. EntryError if it cannot be one."""
    return Leaf(
        event_id=envelope.event_id,
        time=_time(envelope.occurred_at),
        action=envelope.action,
        service=envelope.producer,
        staff_id=envelope.actor.staff_id,
        post_id=envelope.actor.post_id,
        unit_id=envelope.actor.unit_id,
        terminal=envelope.actor.terminal,
        session_id=envelope.actor.session_id,
        object_type=envelope.aggregate,
        object_id=envelope.aggregate_id,
        object_version=envelope.aggregate_version,
        version_digest=envelope.version_digest,
        purpose=envelope.detail.get("purpose", ""),
        trace_id=telemetry.trace_id_of(envelope.trace_parent),
        detail={key: value for key, value in envelope.detail.items() if key != "purpose"},
    )


def chain_after(batch: envelope_pb2.AccessRecordBatch, chain: str) -> str:
    """The chain value after the batch's records, given the one before."""
    for record in batch.records:
        chain = recorder.chain_after(chain, record)
    return chain


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _time(stamp: Timestamp) -> dt.datetime:
    """To the microsecond. `ToDatetime` would say the same at five times the cost."""
    if not stamp.seconds:
        raise EntryError("time: missing")
    if not 0 <= stamp.nanos < 1_000_000_000:
        raise EntryError(f"time: {stamp.nanos} ns")
    try:
        return _EPOCH + dt.timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
    except OverflowError as error:
        raise EntryError(f"time: {stamp.seconds} s") from error
