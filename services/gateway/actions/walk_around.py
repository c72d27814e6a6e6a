"""持回りの事後登録: the drafter registers a decision that was made on paper or by word (AP-50)."""

from __future__ import annotations

from kanketsu.approvals.v1 import walk_around_service_pb2 as pb
from services.gateway.actions.answer import Answer
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import moment, stamp_of


async def register(
    clients: Clients,
    caller: Caller,
    case_id: str,
    version: int,
    *,
    version_digest: str,
    read_receipt: str,
    staff_id: str,
    decided_at: str,
    evidence_sha256: str,
    comment: str,
    request_id: str,
) -> Answer:
    """`staff_id` decided at `decided_at` (RFC 3339); the scan with that digest is to be attached afterwards."""
    request = pb.RegisterWalkAroundRequest(
        request_id=request_id,
        case_id=case_id,
        expected_version=version,
        version_digest=version_digest,
        read_receipt=read_receipt,
        staff_id=staff_id,
        decided_at=stamp_of(decided_at),
        evidence_sha256=evidence_sha256,
        comment=comment,
    )
    answer = await clients.walk_around.ask(clients.walk_around.rpc.RegisterWalkAround, request, caller)
    return Answer(
        {
            "case_id": answer.case_id,
            "state": answer.state,
            "decided_at": moment(answer, "decided_at"),
            "registered_at": moment(answer, "registered_at"),
            "version": answer.version,
        }
    )
