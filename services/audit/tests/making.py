"""Leaves, access records and events as the services would make them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import psycopg

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


# Entry number n of many: the columns and, in canonical form, the leaf. One every three seconds, 2,000 people of 72 units,
# 50,000 documents; of 400 one is a print, of 250 one is refused, each drawn on its own. Seven epochs of 2^21 records.
_MANY = """
    WITH drawn AS (
        SELECT
            n,
            %(since)s::timestamptz + n * interval '3 seconds' AS at,
            abs(hashint8extended(n, 1) %% 2000) AS person,
            'D-' || abs(hashint8extended(n, 2) %% 50000) AS document_id,
            CASE WHEN hashint8extended(n, 3) %% 400 = 0 THEN 'document.printed' ELSE 'document.viewed' END AS action,
            CASE WHEN hashint8extended(n, 4) %% 250 = 0 THEN 'denied' ELSE 'granted' END AS outcome,
            (lpad(to_hex(1790000000000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid AS event_id,
            ('01a0c0de-0000-7000-8000-' || lpad(to_hex(n >> 21), 12, '0'))::uuid AS epoch,
            (n & 2097151) + 1 AS seq
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
    ),

    named AS (
        SELECT n, at, document_id, action, outcome, event_id, epoch, seq,
            'S' || lpad(person::text, 4, '0') AS staff_id, 'U-' || person %% 72 AS unit_id
        FROM drawn
    ),

    spelled AS (
        SELECT n, at, document_id, action, outcome, event_id, epoch, seq, staff_id, unit_id,
            convert_to(
                '{"action":"' || action || '","actor":{"staff":"' || staff_id || '","terminal":"10.40.3.17","unit":"'
                || unit_id || '"},"event_id":"' || event_id || '","object":{"id":"' || document_id
                || '","type":"document"},"outcome":"' || outcome || '","source":{"epoch":"' || epoch
                || '","instance":"documents-0","seq":' || seq || ',"service":"documents"},"time":"'
                || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '","v":1}',
                'UTF8'
            ) AS leaf
        FROM named
    )

    INSERT INTO {table} (log_year, leaf_index, event_id, leaf, leaf_hash, occurred_at, epoch, seq, staff_id, unit_id,
        action, outcome, object_type, object_id, document_id)
    SELECT %(year)s, n, event_id, leaf, sha256('\\x00'::bytea || leaf), at, epoch, seq, staff_id, unit_id, action, outcome,
        'document', document_id, document_id
    FROM spelled
"""


async def insert_many(
    conn: psycopg.AsyncConnection, table: str, log_year: int, first: int, count: int, since: dt.datetime = NOW
) -> None:
    """`count` entries with the indexes from `first` on, made in the database: far faster than they could arrive."""
    values = {"year": log_year, "first": first, "last": first + count - 1, "since": since}
    await conn.execute(_MANY.replace("{table}", table).encode(), values)
