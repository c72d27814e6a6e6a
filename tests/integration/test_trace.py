"""One trace: from the browser's request through both services, the broker, and into audit."""

from __future__ import annotations

import secrets

import pytest

from tests.patience import until

pytestmark = pytest.mark.system


def test_one_trace_from_the_request_to_the_log(city, collector):
    document = city.draft()
    clerk = city.person("clerk")
    plan = clerk.post(f"/documents/{document['id']}/route", {})
    _, etag = clerk.document(document["id"])
    trace_id = secrets.token_hex(16)
    clerk.request(
        "POST",
        f"/documents/{document['id']}/submit",
        json={"route_plan_id": plan["route_plan_id"]},
        headers={"If-Match": etag, "traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"},
    )

    def complete():
        """Processes hand in their spans when they get to it, so the child may be here before its parent."""
        spans = collector.of_trace(trace_id)
        by_id = {span.span_id: span for span in spans}
        consumed = [span for span in spans if span.service == "approvals" and span.name.startswith("consume")]
        parents = [by_id[span.parent_id].service for span in consumed if span.parent_id in by_id]
        # The consumer in approvals is the child of what happened in documents, through NATS headers.
        return {"gateway", "documents", "approvals", "audit"} <= {span.service for span in spans} and (
            "documents" in parents
        )

    until(complete, 30)
    spans = collector.of_trace(trace_id)
    # The title is in no span.
    assert not any(document["title"] in span.name for span in spans)


def test_the_trace_id_of_a_refusal_is_the_one_of_the_request(city):
    trace_id = secrets.token_hex(16)
    response = city.person("stranger").http.get(
        "/api/v1/documents/0193e0a0-0000-7000-8000-000000000000",
        headers={"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"},
    )
    assert response.status_code == 404
    assert response.json()["trace_id"] == trace_id
