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
    return Leaf(
        event_id=record.event_id,
        time=_time(record.occurred_at),
        action=record.action,
        service=batch.service,
        instance=batch.instance,
        epoch=batch.epoch,
        seq=record.seq,
        staff_id=record.actor.staff_id,
        post_id=record.actor.post_id,
        unit_id=record.actor.unit_id,
        terminal=record.actor.terminal,
        session_id=record.actor.session_id,
        object_type=record.object_type,
        object_id=record.object_id,
        version_digest=record.version_digest,
        purpose=record.detail.get("purpose", ""),
        outcome=outcome,
        reason=record.reason,
        query_digest=record.query_digest,
        result_count=record.result_count,
        result_digest=record.result_digest,
        trace_id=record.trace_id,
        detail={key: value for key, value in record.detail.items() if key != "purpose"},
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


def _time(stamp: Timestamp) -> dt.datetime:
    if not stamp.seconds:
        raise EntryError("time: missing")
    return stamp.ToDatetime(tzinfo=dt.UTC)
