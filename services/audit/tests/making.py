"""Leaves, access records and events as the services would make them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from chassis import clock, recorder
from kanketsu.event.v1 import envelope_pb2
from services.audit.entry import Leaf

NOW = dt.datetime(2026, 11, 23, 15, 35, tzinfo=clock.JST)


def event_leaf(version: int = 1, object_id: str = "D-1", **more: object) -> Leaf:
    """An event about a document."""
    values = {
        "event_id": clock.new_id(),
        "time": NOW,
        "action": "document.updated",
        "service": "documents",
        "staff_id": "S0123",
        "object_type": "document",
        "object_id": object_id,
        "object_version": version,
    }
    return Leaf(**(values | more))


def view_leaf(epoch: str, seq: int, **more: object) -> Leaf:
    """An access record of a documents process."""
    values = {
        "event_id": clock.new_id(),
        "time": NOW,
        "action": "document.viewed",
        "service": "documents",
        "instance": "documents-0",
        "epoch": epoch,
        "seq": seq,
        "staff_id": "S0123",
        "unit_id": "U-040-03",
        "object_type": "document",
        "object_id": "D-1",
    }
    return Leaf(**(values | more))


def record(seq: int, action: str = "session.login", **more: object) -> envelope_pb2.AccessRecord:
    """An access record."""
    values = {
        "seq": seq,
        "event_id": clock.new_id(),
        "occurred_at": recorder.timestamp(NOW),
        "actor": envelope_pb2.Actor(staff_id="S0123", post_id="P-040-03-01", unit_id="U-040-03", terminal="10.40.3.17"),
        "action": action,
        "object_type": "session",
        "outcome": envelope_pb2.OUTCOME_GRANTED,
    }
    return envelope_pb2.AccessRecord(**(values | more))


def batch_of(
    records: Sequence[envelope_pb2.AccessRecord], epoch: str, chain: str = "", service: str = "gateway"
) -> envelope_pb2.AccessRecordBatch:
    """A batch whose chain continues `chain`."""
    for one in records:
        chain = recorder.chain_after(chain, one)
    return envelope_pb2.AccessRecordBatch(
        batch_id=clock.new_id(),
        service=service,
        instance=f"{service}-1",
        epoch=epoch,
        records=records,
        chain=chain,
    )


def envelope(version: int = 1, document_id: str = "D-1", **more: object) -> envelope_pb2.Envelope:
    """An event of documents."""
    values = {
        "event_id": clock.new_id(),
        "type": "kanketsu.documents.v1.DocumentSubmitted",
        "action": "document.submitted",
        "producer": "documents",
        "aggregate": "document",
        "aggregate_id": document_id,
        "aggregate_version": version,
        "occurred_at": recorder.timestamp(NOW),
        "actor": envelope_pb2.Actor(staff_id="S0123", unit_id="U-040-03"),
    }
    return envelope_pb2.Envelope(**(values | more))


def parcel(batch: envelope_pb2.AccessRecordBatch) -> bytes:
    """A batch as it travels."""
    return envelope_pb2.AccessRecordParcel(batches=[batch]).SerializeToString()
