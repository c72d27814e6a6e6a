"""Pieces of work to be killed in: one request each, and where its event is at any time."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import httpx2

from kanketsu.event.v1 import envelope_pb2
from tests.chaos.moments import after_its_beat, one, rows
from tests.conftest import City


@dataclass(frozen=True)
class Work:
    """A request that writes in one service, and its trace."""

    # The service that commits it, the table that shows its commit, and who takes its event.
    service: str
    table: str
    taker: str
    # Sends the request; every time the same, with the same Idempotency-Key.
    send: Callable[[], httpx2.Response]
    # How often it was tried to publish each of its outbox rows.
    waiting: Callable[[], list[int]]
    # How often the taker has applied it.
    arrived: Callable[[], int]


def submission(town: City) -> Work:
    """documents commits it, approvals opens the case."""
    document = town.draft()
    town.attach(document["id"])
    clerk = town.person("clerk")
    plan = clerk.post(f"/documents/{document['id']}/route", {})
    _, etag = clerk.document(document["id"])
    headers = {"If-Match": etag, "Idempotency-Key": str(uuid.uuid4())}
    return Work(
        service="documents",
        table="documents.documents",
        taker="approvals",
        send=lambda: clerk.http.post(
            f"/api/v1/documents/{document['id']}/submit",
            json={"route_plan_id": plan["route_plan_id"]},
            headers=headers,
        ),
        waiting=lambda: _events(town, "documents", document["id"], "DocumentSubmitted"),
        arrived=lambda: one(town, "approvals", "SELECT count(*) FROM cases WHERE document_id = %s", document["id"]),
    )


def approval(town: City) -> Work:
    """approvals commits it, documents follows the case."""
    document_id, case_id = town.circulating()
    chief = town.person("chief")
    case = chief.get(f"/cases/{case_id}")
    step = next(step for step in case["steps"] if "approve" in step["allowed_actions"])
    document, _ = chief.document(document_id)
    body = {
        "action": "approve",
        "comment": "適正と認める。",
        "version_digest": document["version_digest"],
        "read_receipt": document["read_receipt"],
    }
    headers = {
        "If-Match": f'"{case["version"]}"',
        "Idempotency-Key": str(uuid.uuid4()),
        "Kanketsu-Post": step["post_id"],
    }
    applied = (
        "SELECT count(*) FROM cases AS c, jsonb_array_elements(c.decisions) AS d"
        " WHERE c.case_id = %s AND d ->> 'action' = 'approve'"
    )
    return Work(
        service="approvals",
        table="approvals.decisions",
        taker="documents",
        send=lambda: chief.http.post(
            f"/api/v1/cases/{case_id}/steps/{step['step_id']}/act", json=body, headers=headers
        ),
        waiting=lambda: _events(town, "approvals", case_id, "StepClosed"),
        arrived=lambda: one(town, "documents", applied, case_id),
    )


def inspection(town: City) -> Work:
    """audit commits that somebody looked at the log, and takes the record itself."""
    auditor, document_id = town.person("auditor"), str(uuid.uuid4())
    after_its_beat(town, "audit")
    return Work(
        service="audit",
        table="audit.record_epochs",
        taker="audit",
        send=lambda: auditor.http.get("/api/v1/audit/entries", params={"document": document_id}),
        waiting=lambda: [
            attempts
            for payload, attempts in rows(
                town, "audit", "SELECT payload, attempts FROM outbox WHERE subject = 'kanketsu.access.audit'"
            )
            for batch in envelope_pb2.AccessRecordParcel.FromString(payload).batches
            for record in batch.records
            if record.detail.get("document_id") == document_id
        ],
        arrived=lambda: one(town, "audit", "SELECT count(*) FROM entries WHERE document_id = %s", document_id),
    )


WORKS = (submission, approval, inspection)


def _events(town: City, service: str, aggregate_id: str, name: str) -> list[int]:
    found = rows(town, service, "SELECT payload, attempts FROM outbox WHERE subject LIKE %s", f"%.{name}")
    return [
        attempts
        for payload, attempts in found
        if envelope_pb2.Envelope.FromString(payload).aggregate_id == aggregate_id
    ]
